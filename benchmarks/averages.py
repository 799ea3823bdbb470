"""Over which regions the chip averages wrong: ``python -m benchmarks.averages SM8350 SM8750``.

Average pooling with every kernel of up to 12 rows and columns, laid side by side, and with some that overlap; the
largest error against the converted model, in percent of the output's range, where it is more than 1.5 %. Once as
qnnsolve rewrites them, rows and then columns, and once as written.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
from pathlib import Path
from unittest import mock

import torch
from torch import nn
from torch.nn.functional import avg_pool2d

from qnnsolve import export

SIZES = (2, 3, 4, 5, 6, 8, 12)
KERNELS = [(kernel, kernel) for kernel in itertools.product(SIZES, SIZES)]
KERNELS += [((size, size), (stride, stride)) for size, stride in itertools.product((2, 3, 4, 5, 7), (1, 2, 3))]
WRONG = 0.015


class Averages(nn.Module):
    """One output per kernel and stride."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Of an image."""
        return tuple(avg_pool2d(x, *sizes) for sizes in KERNELS)


def wrong(soc: str, precision: str) -> dict[str, float]:
    """By kernel and stride, the error in percent."""
    x = (torch.randn(1, 32, 24, 24, generator=torch.Generator().manual_seed(0)),)
    with tempfile.TemporaryDirectory() as folder:
        result = export(Averages(), x, out=Path(folder) / "model.pte", soc=soc, precision=precision)
    assert result.verification is not None
    errors = zip(KERNELS, result.verification.outputs, strict=True)
    return {f"{kernel}/{stride}": round(100 * o.max_rel, 1) for (kernel, stride), o in errors if o.max_rel > WRONG}


def main() -> None:
    """Print what is wrong on the chips on the command line."""
    for soc, precision in itertools.product(sys.argv[1:], ("8a8w", "16a8w")):
        print(f"{soc} {precision} rewritten:  {wrong(soc, precision) or 'all right'}", flush=True)
        right = {"return_value": True}
        with (
            mock.patch("qnnsolve.rewriting.pooling.averages_right", **right),
            mock.patch("qnnsolve.rules.builders.pooling.averages_right", **right),
        ):
            print(f"{soc} {precision} as written: {wrong(soc, precision) or 'all right'}", flush=True)


if __name__ == "__main__":
    main()
