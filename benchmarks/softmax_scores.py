"""How coarse the scores of a 16-bit softmax have to be: ``python -m benchmarks.softmax_scores SM8350 SM8750``.

A softmax over 16 scores is run on the emulator with the scores' scale as calibrated, for scores of ever smaller range,
and with the scale that qnnsolve keeps to. The error is against the converted model, in 65,536ths of the largest value.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
from pathlib import Path
from unittest import mock

import torch
from torch import nn
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from qnnsolve.facts.socs import soc as soc_of
from qnnsolve.host.quiet import quiet
from qnnsolve.lowering.lower import lower
from qnnsolve.verification.emulator import run_on_emulator
from qnnsolve.verification.verify import outputs_of

SIZES = (1.0, 0.1, 0.01, 1e-4, 1e-8)
"""Standard deviations of the scores."""


def steps_off(soc: str, size: float, as_calibrated: bool) -> tuple[float, float]:
    """The scale of the scores, and the largest error of the softmax."""
    from qnnsolve.quantizer import SolveQuantizer

    sample = (torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0)) * size,)
    module = torch.export.export(nn.Softmax(-1), sample).module(check_guards=False)
    with (
        mock.patch("qnnsolve.annotating.annotations.floors_of", lambda *_: {})
        if as_calibrated
        else contextlib.nullcontext()
    ):
        prepared = prepare_pt2e(module, SolveQuantizer("htp", soc, precision="16a8w"))
    prepared(*sample)
    converted = convert_pt2e(prepared)
    with tempfile.TemporaryDirectory() as folder:
        pte = Path(folder) / "softmax.pte"
        lower(converted, sample, soc=soc_of(soc).name, fp16=False, cpu_nodes=frozenset(), out=pte)
        got = run_on_emulator(pte, [sample]).outputs[0][0]
    wanted = outputs_of(converted, sample)[0]
    quantize = next(node for node in converted.graph.nodes if "quantize_per_tensor" in str(node.target))
    return float(quantize.args[1]), float((got - wanted).abs().max() / wanted.max() * 2**16)


def main() -> None:
    """Print the errors for the chips on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("soc", nargs="+")
    for soc in parser.parse_args().soc:
        for size in SIZES:
            with quiet(), torch.no_grad():
                (calibrated, before), (kept, after) = (steps_off(soc, size, free) for free in (True, False))
            print(f"{soc}: scores in steps of {calibrated:.2g} are off by {before:.0f}, of {kept:.2g} by {after:.0f}")


if __name__ == "__main__":
    main()
