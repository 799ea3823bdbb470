"""Inputs that a Convert makes, where the graph itself cannot be fed with them.

The feeder has another dtype and an encoding that the Convert turns without any rounding into the wanted codes, so that
what is judged is the operator behind it.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np

from qnnsolve.probe.grids import Stored, TensorGrid
from qnnsolve.probe.trial import Trial, retold

__all__ = ["Feeder", "behind_converts", "can_convert", "feeder_of"]

_NEIGHBOUR = {"u8": "u16", "s8": "u8", "u16": "u8", "s16": "u16"}
"""From which code a Convert makes another; every one of them converts on every arch."""
_BYTE = 256


@attrs.frozen(eq=False)
class Feeder:
    """What goes into a Convert: its encoding and its codes."""

    grid: TensorGrid
    stored: Stored


def can_convert(grid: TensorGrid | None) -> bool:
    """Whether a Convert can make a tensor of this encoding."""
    return grid is not None and grid.code in _NEIGHBOUR


def behind_converts(trial: Trial, ports: Sequence[int]) -> Trial:
    """``trial`` with those codes only, at ``ports``, that a Convert from the neighbour makes exactly."""
    grids: dict[int, TensorGrid] = {}
    stored: dict[int, Stored] = {}
    for index in ports:
        grid, numbers = trial.grids[index], trial.stored[index]
        assert grid is not None and numbers is not None
        if grid.code == "u16":  # made from u8: whole multiples of 256
            grids[index] = attrs.evolve(grid, zero_point=grid.zero_point // _BYTE * _BYTE)
            stored[index] = (numbers // _BYTE * _BYTE).astype(numbers.dtype)
    return retold(trial, grids, stored)


def feeder_of(trial: Trial, index: int) -> Feeder:
    """What a Convert turns into the codes at ``index`` of a trial from :func:`behind_converts`."""
    grid, numbers = trial.grids[index], trial.stored[index]
    assert grid is not None and numbers is not None
    wide = numbers.astype(np.int64)
    match grid.code:
        case "u16":
            made, codes = TensorGrid("u8", grid.scale * _BYTE, grid.zero_point // _BYTE, 0, 255), wide // _BYTE
        case "u8":
            made, codes = TensorGrid("u16", grid.scale / _BYTE, grid.zero_point * _BYTE, 0, 65535), wide * _BYTE
        case "s8":
            made, codes = TensorGrid("u8", grid.scale, 128, 0, 255), wide + 128
        case _:
            made, codes = TensorGrid("u16", grid.scale, 32768, 0, 65535), wide + 32768
    return Feeder(made, codes.astype(np.uint8 if made.code == "u8" else np.uint16))
