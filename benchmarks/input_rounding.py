"""How the chip rounds a float input of a model: steps apart from torch, at 8 bits.

    python -m benchmarks.input_rounding SM8750

A reshape is run on numbers as they come; on the same numbers rounded to half precision before, which is what the chip
reads of a float input; and on the grid of their encoding, where there is nothing to round.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from qnnsolve import export
from qnnsolve.verification.emulator import run_on_emulator

SCALE, ZERO_POINT = 0.0335, 132
"""No scale that puts numbers of half precision right between two steps, as 1/32 does."""
OPS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "reshape": lambda x: x.reshape(1, 28, 35, 21),
}


class Applied(nn.Module):
    """A function as a model."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Of any tensor that the function takes."""
        return self.function(x)


def steps_apart(soc: str, function: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> Counter[int]:
    """How many values of the output are how many steps above (or below) those that torch rounds to."""
    with tempfile.TemporaryDirectory() as folder:
        export(Applied(function), (x,), out=Path(folder) / "model.pte", soc=soc, verify=False)
        got = run_on_emulator(Path(folder) / "model.pte", [(x,)]).outputs[0][0]
    wanted = (function(x) / SCALE).round() * SCALE
    return Counter(((got - wanted) / SCALE).round().int().flatten().tolist())


def main() -> None:
    """Print the counts for the chips on the command line."""
    low, high = -ZERO_POINT * SCALE, (255 - ZERO_POINT) * SCALE
    numbers = torch.randn(1, 28, 21, 35, generator=torch.Generator().manual_seed(0)).clamp(low, high)
    kinds = {
        "as they come": numbers,
        "in half precision": numbers.half().float(),
        "on the grid": (numbers / SCALE).round() * SCALE,
    }
    for name, function in OPS.items():
        for kind, x in kinds.items():
            x.view(-1)[0], x.view(-1)[1] = low, high  # so that calibration finds this very scale
            print(f"{name:11} {kind:17} {dict(sorted(steps_apart(sys.argv[1], function, x).items()))}")


if __name__ == "__main__":
    main()
