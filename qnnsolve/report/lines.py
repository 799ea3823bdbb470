"""What a report consists of: lines, how they are printed, and the words that all parts of it share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import IO

import attrs

from qnnsolve.host.stages import INSIDE

__all__ = ["Line", "count", "many", "memory", "paragraph", "percent", "print_lines", "section", "times"]


@attrs.frozen
class Line:
    """One line of a report, and the style in which a terminal shows it."""

    text: str
    style: str = ""


def print_lines(lines: Sequence[Line], file: IO[str]) -> None:
    """Print with colours on a terminal, plainly elsewhere; what looks like markup in a name is printed as it is."""
    from rich.console import Console

    console = Console(file=file, highlight=False, markup=False, emoji=False)
    for line in lines:
        console.print(line.text, style=line.style or None, soft_wrap=True)


def section(title: str, lines: Sequence[Line]) -> Iterator[Line]:
    """A blank line, the title and the lines; nothing where there are no lines."""
    if lines:
        yield from paragraph(title)
        yield from lines


def paragraph(title: str) -> Iterator[Line]:
    """A blank line and the title."""
    yield Line("")
    yield Line(title, style="bold")


def times(timings: Sequence[tuple[str, float]]) -> Iterator[Line]:
    """A blank line, the seconds of all stages together, and of each; of one that ran several times their sum.

    What is a part of another stage (``emulator``) stands at the end and does not count twice.
    """
    sums: dict[str, float] = {}
    for stage, seconds in timings:
        sums[stage] = sums.get(stage, 0.0) + seconds
    if sums:
        stages = ", ".join(f"{stage} {seconds:.2f}" for stage, seconds in sums.items())
        whole = sum(seconds for stage, seconds in sums.items() if stage not in INSIDE)
        yield from paragraph(f"Time: {whole:.1f} s ({stages})")


def memory(peaks: Sequence[tuple[str, int, int]]) -> Iterator[Line]:
    """The most memory by the end of each stage: of this process and, after a plus, of one that it started."""
    most: dict[str, tuple[int, int]] = {}
    for stage, own, children in peaks:
        known = most.get(stage, (0, 0))
        most[stage] = max(known[0], own), max(known[1], children)
    if most:
        stages = ", ".join(f"{name} {own:,}{f' + {more:,}' if more else ''}" for name, (own, more) in most.items())
        yield Line(f"Memory: {max(own + more for own, more in most.values()):,} MB at most (by the end of {stages})")


def percent(fraction: float) -> str:
    """``1.6 %``: three digits."""
    return f"{fraction * 100:.3g} %"


def many(group: Sequence[object]) -> str:
    """``x12 `` in front of a line that stands for several."""
    return f"x{len(group)} " if len(group) > 1 else ""


def count(number: int, noun: str, plural: str = "") -> str:
    """``1 op``, ``2 ops``."""
    return f"{number} {noun}" if number == 1 else f"{number} {plural or f'{noun}s'}"
