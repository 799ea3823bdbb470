"""Many alike lines as one: what repeats across a model's layers is said once, with the names it holds for."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeVar

__all__ = ["fold", "names_in_short"]

T = TypeVar("T")

_NUMBERED = re.compile(r"(.*?)(?:_(\d+))?\Z", re.DOTALL)
_SHOWN = 6


def fold(items: Iterable[T], key: Callable[[T], Hashable]) -> list[list[T]]:
    """Groups of items with equal keys, in the order of their first members."""
    groups: dict[Hashable, list[T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return list(groups.values())


def names_in_short(names: Sequence[str]) -> str:
    """Names with runs of numbers drawn together: ``bmm, bmm_1, bmm_2`` is ``bmm..bmm_2``.

    The first of torch's numbered names has no number. At most six pieces are shown, then how many names are left.
    """
    pieces: list[tuple[str, int]] = []
    ordered = list(dict.fromkeys(names))
    start = 0
    while start < len(ordered):
        end = start
        while end + 1 < len(ordered) and _follows(ordered[end], ordered[end + 1]):
            end += 1
        if end - start >= 2:
            pieces.append((f"{ordered[start]}..{ordered[end]}", end - start + 1))
        else:
            pieces.extend((name, 1) for name in ordered[start : end + 1])
        start = end + 1
    text = ", ".join(piece for piece, _ in pieces[:_SHOWN])
    left = sum(count for _, count in pieces[_SHOWN:])
    return f"{text} and {left} more" if left else text


def _follows(name: str, after: str) -> bool:
    base, number = _split(name)
    return _split(after) == (base, number + 1)


def _split(name: str) -> tuple[str, int]:
    match = _NUMBERED.match(name)
    assert match is not None
    return match[1], int(match[2] or 0)
