"""The legal configs around nodes, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import attrs
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from qnnsolve.questions import Alternatives

__all__ = ["alternatives_blocks", "alternatives_json"]


def alternatives_blocks(nodes: Sequence[Alternatives]) -> Iterator[RenderableType]:
    """For each node its place in the model, then a table: price, ports, and what the price is mostly for."""
    for index, each in enumerate(nodes):
        where = f" in {each.module_path}" if each.module_path else ""
        yield Text("\n" * (index > 0) + f"{each.node} ({each.target}){where}", style="bold")
        if each.line:
            yield Text(f"  {each.line}")
        yield _table(each)
        within = "" if each.within is None else f" within {each.within:,}"
        count = f"{len(each.found)} legal config{'' if len(each.found) == 1 else 's'} of its ports{within}"
        yield Text(f"{count}; {each.cut_off}" if each.cut_off else f"{count}: all there are", style="dim")


def _table(each: Alternatives) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("price", justify="right")
    for port, _ in each.found[0].encodings if each.found else ():
        table.add_column(port)
    table.add_column("mostly for", overflow="fold")
    for found in each.found:
        what = "the answer" if found.chosen else next((tip.text for tip in found.tips if tip.price > 0), "")
        table.add_row(f"{found.price:,}", *(encoding for _, encoding in found.encodings), what)
    return table


def alternatives_json(nodes: Sequence[Alternatives], run: str) -> dict[str, Any]:
    """The configs (schema ``alternatives-1.json``)."""

    def plain(each: Alternatives) -> dict[str, Any]:
        found = [
            {
                "encodings": dict(one.encodings),
                "price": one.price,
                "chosen": one.chosen,
                "tips": [attrs.asdict(tip) for tip in one.tips],
            }
            for one in each.found
        ]
        return {**attrs.asdict(each, recurse=False), "found": found}

    return {"schema": "qnnsolve/alternatives/1", "run": run, "nodes": [plain(each) for each in nodes]}
