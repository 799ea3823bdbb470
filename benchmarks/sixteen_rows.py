"""Which matrices a chip computes a function of wrongly: ``python -m benchmarks.sixteen_rows SM8350 SM8750``.

A column of rows goes through a sum and then through the function, at 16 bits, side by side with others. Printed are
those whose emulator has less than 40 dB against the float model. The functions are computed as they stand, without
what `qnnsolve.rewriting` writes for them.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any
from unittest import mock

import torch
from torch import nn

from qnnsolve import export
from qnnsolve.rewriting import replacements

ROWS = (1, 2, 4, 7, 8, 12, 15, 16, 17, 24, 31, 32, 33, 48, 64)
COLUMNS = (8, 16, 32)
POOR_DB = 40.0
FUNCTIONS: Mapping[str, Any] = MappingProxyType(
    {"tanh": torch.tanh, "sigmoid": torch.sigmoid, "gelu": nn.functional.gelu}
)


class Matrices(nn.Module):
    """``function(x + 1)`` of each input."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """One output for each input."""
        return tuple(self.function(each + 1) for each in inputs)


def garbled(soc: str, function: Any) -> list[str]:
    """The shapes of which the emulator makes something else than torch."""
    shapes = [(rows, columns) for rows in ROWS for columns in COLUMNS]
    generator = torch.Generator().manual_seed(0)
    samples = [tuple(torch.randn(shape, generator=generator) * 1.5 for shape in shapes) for _ in range(2)]
    as_they_stand = {key: each for key, each in replacements.REPLACED.items() if key is not torch.ops.aten.tanh.default}
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(replacements, "REPLACED", as_they_stand):
        out = Path(folder) / "matrices.pte"
        result = export(
            Matrices(function), samples[0], out=out, soc=soc, precision="16a8w", calibration=samples, strict=False
        )
    assert result.verification is not None
    checks = zip(shapes, result.verification.outputs, strict=True)
    return [f"{rows}x{columns}" for (rows, columns), check in checks if check.sqnr_db < POOR_DB]


def main() -> None:
    """A line for each chip and function."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("soc", nargs="+")
    for soc in parser.parse_args().soc:
        for name, function in FUNCTIONS.items():
            print(f"{soc} {name}: {', '.join(garbled(soc, function)) or 'none'}")


if __name__ == "__main__":
    main()
