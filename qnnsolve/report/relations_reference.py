"""The page of the relations that ``qnnsolve ask`` knows."""

from __future__ import annotations

from collections.abc import Iterator

from qnnsolve.asking import RELATIONS

__all__ = ["relations_page"]


def relations_page(made: str) -> Iterator[str]:
    """The lines of the page; ``made`` says that it is not written by hand."""
    yield from ("# Relations", "", made, "")
    yield "What a kept run can be asked, by name and columns: see [Questions](questions.md)."
    yield from ("", "| relation | holds |", "|---|---|")
    for relation in RELATIONS:
        text = relation.says.replace("|", "\\|")
        yield f"| `{relation.name}({', '.join(relation.columns)})` | {text} |"
