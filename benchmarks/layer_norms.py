"""How exact LayerNorm is on the emulator, by how much a row deviates: ``python -m benchmarks.layer_norms SM8750``.

Rows of integers times a power of two, so that inputs are known to the step: half precision, in which the chip reads
floats, holds each. The error is against the converted model, in steps of the output's encoding. A step of the *input*
would be the more steps of the output the less the row deviates: that, and not the norm, is what a norm behind another
op differs by (:mod:`qnnsolve.verification.other_rounding`).
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch
from torch import nn
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from qnnsolve.facts.socs import soc as soc_of
from qnnsolve.host.quiet import quiet
from qnnsolve.lowering.lower import lower
from qnnsolve.verification.emulator import run_on_emulator
from qnnsolve.verification.quantized_nodes import is_quantize
from qnnsolve.verification.verify import outputs_of

WIDTH, ROWS = 768, 8
DEVIATIONS = (0.2, 0.4, 1.0, 1.4, 2.0, 4.0, 8.0, 16.0, 27.0)
"""Of a row, in steps of the input."""
CASES = (("8a8w", 1e-12, -5), ("8a8w", 1e-5, -5), ("8a8w", 1e-5, -9), ("16a8w", 1e-12, -13), ("16a8w", 1e-5, -13))
"""Precision, epsilon, and the logarithm to the base of two of the input's step."""


def steps_off(soc: str, precision: str, epsilon: float, exponent: int) -> torch.Tensor:
    """The absolute errors ``[deviation, row, column]``, in steps of the output."""
    from qnnsolve.quantizer import SolveQuantizer

    generator = torch.Generator().manual_seed(0)
    end = 2 ** (7 if precision == "8a8w" else 15)
    rows = [(torch.randn(ROWS, WIDTH, generator=generator) * each).round() for each in DEVIATIONS]
    whole = torch.linspace(-end, end - 1, WIDTH).round()[None]
    sample = ((torch.cat([*rows, whole]) * 2.0**exponent)[None],)
    module = torch.export.export(nn.LayerNorm(WIDTH, eps=epsilon).eval(), sample).module(check_guards=False)
    prepared = prepare_pt2e(module, SolveQuantizer("htp", soc, precision=precision))
    prepared(*sample)
    converted = convert_pt2e(prepared)
    with tempfile.TemporaryDirectory() as folder:
        pte = Path(folder) / "norm.pte"
        lower(converted, sample, soc=soc_of(soc).name, fp16=False, cpu_nodes=frozenset(), out=pte)
        got = run_on_emulator(pte, [sample]).outputs[0][0]
    (read, *_, yielded) = (node.args[1] for node in converted.graph.nodes if is_quantize(node))
    assert read == 2.0**exponent, "each input is on the grid"
    off = (got - outputs_of(converted, sample)[0]).abs()[0, :-1] / float(yielded)
    return off.reshape(len(DEVIATIONS), ROWS, WIDTH)


def main() -> None:
    """Print the errors for the chips on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("soc", nargs="+")
    for soc in parser.parse_args().soc:
        for precision, epsilon, exponent in CASES:
            with quiet(), torch.no_grad():
                errors = steps_off(soc, precision, epsilon, exponent)
            for deviation, rows in zip(DEVIATIONS, errors, strict=True):
                case = f"{soc} {precision}, epsilon {epsilon:g}, input in steps of 2**{exponent}"
                off = f"{float(rows.max()):.0f} steps off at most, {float(rows.mean()):.2f} on average"
                print(f"{case}, rows that deviate by {deviation:g} steps: {off}")


if __name__ == "__main__":
    main()
