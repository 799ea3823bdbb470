"""In which steps an 8-bit softmax over two values is right: ``python -m benchmarks.softmax_pairs SM8350 SM8750``.

Printed are, per scale of the output, by how many of its steps the emulator is off the converted model on average and
at most, the SQNR of both against the float softmax, and to how many steps the two values add up.
"""

from __future__ import annotations

import argparse

import torch
from torch import nn

from benchmarks.local_error import emulated
from benchmarks.softmax_scales import converted_by, with_scale
from qnnsolve.host.quiet import quiet
from qnnsolve.quantizer import SolveQuantizer
from qnnsolve.verification.noise import sqnr_db

SHAPES = ((1, 4, 64, 2), (1, 200, 2))
DEVIATIONS = (0.5, 3.0)
"""Of the scores."""
STEPS = (256, 255, 254, 240)
"""In a value of 1."""


def main() -> None:
    """Print a line for each SoC, shape, deviation and scale."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("socs", nargs="+")
    for soc in parser.parse_args().socs:
        quantizer = SolveQuantizer("htp", soc, precision="8a8w")
        for shape, deviation in ((shape, deviation) for shape in SHAPES for deviation in DEVIATIONS):
            scores = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * deviation
            exact = nn.Softmax(-1)(scores)
            for steps in STEPS:
                with quiet(), torch.no_grad():
                    converted = with_scale(converted_by(quantizer, scores), 1 / steps)
                    want, got = converted(scores), emulated(converted, (scores,), soc)[0]
                off, sums = (got - want) * steps, (got.sum(-1) * steps).round().int().unique().tolist()
                print(
                    f"{soc} {shape}, deviation {deviation:g}, 1/{steps}: off by {off.mean():.3f} on average, "
                    f"{off.abs().max():.0f} at most; {sqnr_db(got, exact):.1f} dB, "
                    f"{sqnr_db(want, exact):.1f} converted; two add up to {', '.join(map(str, sums))}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
