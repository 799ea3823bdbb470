"""Positions of outputs as people type them: ``0[:, -1]`` counts the last position of output 0 alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from types import EllipsisType
from typing import TypeAlias

from qnnsolve.errors import UsageError

__all__ = ["Index", "positions_of"]

Index: TypeAlias = "tuple[int | slice | EllipsisType, ...]"

_TEXT = re.compile(r"\s*(?P<output>[^\[\]\s]+)\s*\[(?P<index>[^\[\]]*)\]\s*")
_NUMBER = r"(\s*-?\d+\s*)"
_SLICE = re.compile(rf"{_NUMBER}?|{_NUMBER}?:{_NUMBER}?(?::{_NUMBER}?)?")


def positions_of(texts: str | Sequence[str]) -> dict[str, Index]:
    """Read ``OUTPUT[INDEX]``, an index as in torch with numbers, slices and ``...``; each output once.

    Raises:
        UsageError: it is not of this form.
    """
    found: dict[str, Index] = {}
    for text in (texts,) if isinstance(texts, str) else texts:
        match = _TEXT.fullmatch(text)
        if match is None:
            raise UsageError(f"positions {text}: positions are like 0[:, -1], an output and an index")
        if match["output"] in found:
            raise UsageError(f"positions {text}: output {match['output']} has positions already")
        found[match["output"]] = tuple(_one(part.strip(), text) for part in match["index"].split(","))
    return found


def _one(part: str, text: str) -> int | slice | EllipsisType:
    if part == "...":
        return ...
    match = _SLICE.fullmatch(part)
    if not part or match is None:
        raise UsageError(f"positions {text}: '{part}' is no index; write a number, a slice such as 2: or ...")
    if ":" not in part:
        return int(part)
    numbers = [int(each) if each.strip() else None for each in part.split(":")]
    if numbers[2:] and (numbers[2] or 0) < 1:
        raise UsageError(f"positions {text}: '{part}' is no index; a step is 1 or more")
    return slice(*numbers)
