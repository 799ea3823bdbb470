"""The part of a report that tells what came of the wishes."""

from __future__ import annotations

from collections.abc import Iterator

from qnnsolve.report.folding import fold, names_in_short
from qnnsolve.report.lines import Line, count, section
from qnnsolve.results import SolveResult, Status, WishRecord

__all__ = ["overridden_lines", "wish_lines"]

SHOWN = 20
"""So many kept wishes are named one by one; those that are not kept always are."""


def wish_lines(result: SolveResult) -> Iterator[Line]:
    """What came of each wish, those first that were not kept."""
    if result.status is not Status.SATISFIABLE:
        return
    lost = [wish for wish in result.wishes if not _is_kept(wish)]
    kept = [wish for wish in result.wishes if _is_kept(wish)]
    lines = [Line(f"  {wish.words}: {_outcome(wish)}", "yellow") for wish in lost]
    lines += [Line(f"  {wish.words}: {_outcome(wish)}") for wish in kept[:SHOWN]]
    if len(kept) > SHOWN:
        lines.append(Line(f"  and {count(len(kept) - SHOWN, 'more wish', 'more wishes')}, all kept"))
    yield from section(f"Wishes ({len(result.wishes)})", lines)


def overridden_lines(result: SolveResult) -> Iterator[Line]:
    """Which wishes gave way to later ones, and where."""
    lines = [
        Line(f"  {names_in_short([wish.node for wish in group])}: {group[0].later} counts, not {group[0].earlier}")
        for group in fold(result.overridden, lambda wish: (wish.earlier, wish.later))
    ]
    yield from section("Overridden wishes", lines)


def _is_kept(wish: WishRecord) -> bool:
    return wish.kept > 0 and wish.missed == 0


def _outcome(wish: WishRecord) -> str:
    if wish.nodes == 0:
        return f"nothing in the model is '{wish.where}'"
    if wish.kept == wish.missed == 0:
        return f"nothing there can have {wish.what}, or a later wish counts"
    if not wish.missed:
        return f"kept at {count(wish.kept, 'place')}"
    given_up = "given up" if wish.strength == "pin" else "not kept"
    return f"{given_up} at {count(wish.missed, 'place')}, kept at {wish.kept}"
