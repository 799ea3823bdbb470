"""Where a leading dimension of size one costs 8-bit values a step: ``python -m benchmarks.leading_one SM8350 SM8750``.

All orders of five dimensions, and all of four with a fifth put in front (``1+``), of numbers on the grid of their
encoding, where nothing is to be rounded: the share of values that come out one step apart from torch. Once as written,
and once as :mod:`qnnsolve.rewriting.leading` writes it. An order that is not listed is exact.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import torch
from torch import nn

from qnnsolve import export
from qnnsolve.rewriting.infinities import bound_infinities
from qnnsolve.verification.emulator import run_on_emulator

SCALE, ZERO_POINT = 0.0335, 132
SHAPES = ((1, 7, 4, 21, 35), (1, 4, 8, 8, 32), (1, 16, 2, 2, 64), (1, 1, 8, 8, 32), (2, 3, 4, 5, 6))


class Orders(nn.Module):
    """Every order of five dimensions, and every order of the last four with one of size one put in front."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Of a tensor of five dimensions."""
        computed = x * 1.0001  # so that something stands between the border of the accelerator and the order
        orders = list(itertools.permutations(range(5)))[1:]
        four = computed.flatten(0, 1)
        prepended = (four.permute(order).unsqueeze(0) for order in itertools.permutations(range(4)))
        return (*(computed.permute(order) for order in orders), *prepended)


def names() -> Iterator[str]:
    """Of the outputs of :class:`Orders`."""
    yield from ("".join(map(str, order)) for order in list(itertools.permutations(range(5)))[1:])
    yield from (f"1+{''.join(map(str, order))}" for order in itertools.permutations(range(4)))


def apart(soc: str, shape: tuple[int, ...]) -> dict[str, float]:
    """The share of values that are a step off, by order, where there are any."""
    x = (torch.arange(torch.Size(shape).numel()) * 37 % 256 - ZERO_POINT).float().reshape(shape) * SCALE
    with tempfile.TemporaryDirectory() as folder:
        export(Orders(), (x,), out=Path(folder) / "model.pte", soc=soc, verify=False)
        got = run_on_emulator(Path(folder) / "model.pte", [(x,)]).outputs[0]
    off = {
        name: round(float(((out - want).abs() > 0.6 * SCALE).float().mean()), 3)
        for name, out, want in zip(names(), got, Orders()(x), strict=True)
    }
    return {name: share for name, share in off.items() if share}


def main() -> None:
    """Print what is off for the chips on the command line."""
    for soc, shape in itertools.product(sys.argv[1:], SHAPES):
        print(f"{soc} {shape} rewritten  {apart(soc, shape) or 'all exact'}", flush=True)
        with mock.patch("qnnsolve.quantizer.completed", bound_infinities):
            print(f"{soc} {shape} as written {apart(soc, shape) or 'all exact'}", flush=True)


if __name__ == "__main__":
    main()
