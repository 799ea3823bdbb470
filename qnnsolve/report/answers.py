"""Answers to questions, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from qnnsolve.logic import Answer, Answers, Proven, Value, quoted
from qnnsolve.sources import Source, SourceKind

__all__ = ["ASK_SCHEMA", "answer_blocks", "ask_json"]

ASK_SCHEMA = "qnnsolve/ask/1"


def answer_blocks(found: Answers, note: str | None, *, why: bool) -> Iterator[RenderableType]:
    """The answers as a table, or with ``why`` one by one with their proofs; ``no`` where there is none."""
    if not found.total:
        yield Text("no" if note is None else f"no ({note})")
        return
    if why:
        yield from _proofs(found)
    elif found.variables:
        table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
        for variable in found.variables:
            table.add_column(variable, overflow="fold")
        for answer in found.answers:
            table.add_row(*map(_shown, answer.values))
        yield table
    else:
        yield Text("yes")
    if found.variables:
        shown = len(found.answers)
        cut = f"{shown:,} of {found.total:,} answers; --limit {found.total} shows all"
        count = f"{found.total:,} answer{'s' if found.total != 1 else ''}"
        yield Text(f"\n{count if shown == found.total else cut}", style="dim")


def _shown(value: Value) -> str:
    """A value without quotes, where none are needed to read it."""
    if isinstance(value, str) and (not value.isprintable() or value != value.strip() or not value):
        return quoted(value)
    return str(value)


def _proofs(found: Answers) -> Iterator[Text]:
    cited: dict[Source, int] = {}
    for index, answer in enumerate(found.answers):
        heading = ", ".join(
            f"{variable} = {_shown(value)}" for variable, value in zip(found.variables, answer.values, strict=True)
        )
        yield Text("\n" * (index > 0) + (heading or "yes"), style="bold")
        yield from (Text(f"  {line}") for line in _proof_lines(answer, cited))
    if cited:
        yield Text("\nSources", style="bold")
        yield from (Text(f"  {number}  {each.kind.value}: {each.citation}") for each, number in cited.items())


def _proof_lines(answer: Answer, cited: dict[Source, int]) -> Iterator[str]:
    numbered = any(line.needs for line in answer.proof)
    for at, line in enumerate(answer.proof, 1):
        number = f"{at:>2}  " if numbered else ""
        yield f"{number}{line}{_reason(line, cited)}"


def _reason(line: Proven, cited: dict[Source, int]) -> str:
    said = [f"by {line.rule}"] if line.rule else []
    said += [line.because] if line.because else []
    if line.needs:
        said.append(f"from {', '.join(str(each + 1) for each in line.needs)}")
    numbers = [cited.setdefault(each, len(cited) + 1) for each in line.sources if each.kind is not SourceKind.GRAPH]
    if numbers:
        said.append(f"source{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}")
    if any(each.kind is SourceKind.GRAPH for each in line.sources):
        said.append("the graph")
    return f"  ({'; '.join(said)})" if said else ""


def ask_json(found: Answers, run: str, note: str | None, *, proofs: bool) -> dict[str, Any]:
    """The answer of ``qnnsolve ask`` (schema ``ask-1.json``)."""
    return {
        "schema": ASK_SCHEMA,
        "run": run,
        "question": found.question,
        "holds": found.total > 0,
        "variables": list(found.variables),
        "total": found.total,
        "answers": [
            {
                "values": dict(zip(found.variables, answer.values, strict=True)),
                **({"proof": list(_proof(answer.proof))} if proofs else {}),
            }
            for answer in found.answers
        ],
        **({} if note is None else {"note": note}),
    }


def _proof(lines: Iterable[Proven]) -> Iterator[Mapping[str, Any]]:
    for line in lines:
        yield {
            "kind": line.kind,
            "text": str(line),
            "relation": line.relation,
            "row": [None if at in line.open else value for at, value in enumerate(line.row)],
            "because": line.because,
            "rule": line.rule,
            "needs": list(line.needs),
            "sources": [{"kind": each.kind.value, "citation": each.citation} for each in line.sources],
        }
