"""What becomes of a floor division of integers on the accelerator: ``python -m benchmarks.integer_division SM8750``.

qnnsolve keeps it on the CPU. Here it is left to ExecuTorch, which writes a division of floats and has it delegated: the
share of quotients that come out otherwise than torch's, by the largest dividend.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from unittest import mock

import torch
from torch import nn

from qnnsolve import export
from qnnsolve.rewriting import replacements
from qnnsolve.verification.emulator import run_on_emulator

DIVISORS = (3, 7, 10)


class Divided(nn.Module):
    """A floor division."""

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Of integers."""
        return torch.floor_divide(x, y)


def apart(soc: str, largest: int) -> float:
    """The share of quotients of everything up to ``largest``, either way, that differ."""
    x = torch.arange(-largest, largest + 1).repeat_interleave(len(DIVISORS))
    y = torch.tensor(DIVISORS * (2 * largest + 1))
    unreplaced = {target: rule for target, rule in replacements.REPLACED.items() if "floor_divide" not in str(target)}
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(replacements, "REPLACED", unreplaced):
        result = export(Divided(), (x, y), out=Path(folder) / "model.pte", soc=soc, verify=False)
        if not result.delegates:
            raise SystemExit(f"{soc}: nothing was delegated")
        got = run_on_emulator(Path(folder) / "model.pte", [(x, y)]).outputs[0][0]
    return float((got != torch.floor_divide(x, y)).float().mean())


def main() -> None:
    """Print the shares for the chips on the command line."""
    for soc in sys.argv[1:]:
        for largest in (1000, 2048, 3000, 5000, 20000):
            print(f"{soc} up to {largest}: {apart(soc, largest):.1%}", flush=True)


if __name__ == "__main__":
    main()
