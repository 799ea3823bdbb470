"""What an 8-bit softmax makes of the scale of its output: ``python -m benchmarks.softmax_scales SM8350 SM8550 SM8750``.

Softmaxes over rows of 16 to 2048 scores, at 8a8w, with the output's scale as qnnsolve has it (1/256, halved as often as
the values allow), kept at 1/256, calibrated by upstream's ``QnnQuantizer``, and, where that holds them, at 1/131072,
which is beyond what qnnsolve takes. Printed are the SQNR against the float softmax (dB), of the converted model and of
the emulator, the emulator's largest error against the converted model in percent of its range, and the emulator's mean
as a multiple of the exact one.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.fx import GraphModule
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from benchmarks.local_error import emulated
from benchmarks.rounding import relative
from qnnsolve.host.quiet import quiet
from qnnsolve.quantizer import SolveQuantizer
from qnnsolve.verification.noise import sqnr_db

SHAPES = ((16, 0.3), (64, 0.3), (64, 2.0), (197, 0.3), (197, 1.0), (512, 1.0), (2048, 0.05))
"""Scores in a row, and their standard deviation: with a small one rows are flat."""
ROWS = 64
COARSEST, TOO_FINE = 1 / 256, 1 / 131072


def upstream(soc: str) -> Any:
    """ExecuTorch's quantizer at 8a8w."""
    from executorch.backends.qualcomm.quantizer.quantizer import QnnQuantizer, QuantDtype
    from executorch.backends.qualcomm.serialization.qc_schema import QcomChipset, QnnExecuTorchBackendType

    quantizer = QnnQuantizer(QnnExecuTorchBackendType.kHtpBackend, QcomChipset[soc])
    quantizer.set_default_quant_config(QuantDtype.use_8a8w)
    return quantizer


def converted_by(quantizer: Any, scores: torch.Tensor) -> GraphModule:
    """A softmax over the last dimension of ``scores``, quantized and calibrated with them."""
    exported = torch.export.export(nn.Softmax(-1), (scores,))
    prepared = prepare_pt2e(exported.module(check_guards=False), quantizer)
    prepared(scores)
    converted: GraphModule = convert_pt2e(prepared)
    return converted


def with_scale(converted: GraphModule, scale: float) -> GraphModule:
    """The same, with another scale at the softmax's output, in both the quantize and the dequantize node."""
    softmax = next(node for node in converted.graph.nodes if "softmax" in str(node.target))
    (quantize,) = softmax.users
    for node in (quantize, *quantize.users):
        node.args = (node.args[0], scale, *node.args[2:])
    converted.recompile()
    return converted


def candidates(soc: str, scores: torch.Tensor, largest: float) -> Iterator[tuple[str, GraphModule]]:
    """The softmax with each scale, by a name for it; ``largest`` is the largest exact result."""
    ours = SolveQuantizer("htp", soc, precision="8a8w")
    yield "qnnsolve", converted_by(ours, scores)
    yield "1/256", with_scale(converted_by(ours, scores), COARSEST)
    yield "calibrated", converted_by(upstream(soc), scores)
    if largest <= 256 * TOO_FINE:
        yield "1/131072", with_scale(converted_by(ours, scores), TOO_FINE)


def main() -> None:
    """Print a line for each SoC, shape and scale."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("socs", nargs="+")
    for soc in parser.parse_args().socs:
        for width, deviation in SHAPES:
            scores = torch.randn(1, 4, ROWS, width, generator=torch.Generator().manual_seed(0)) * deviation
            exact = nn.Softmax(-1)(scores)
            with quiet(), torch.no_grad():
                found = list(candidates(soc, scores, float(exact.max())))
            for name, model in found:
                with quiet(), torch.no_grad():
                    got, wanted = emulated(model, (scores,), soc)[0], model(scores)
                print(
                    f"{soc}, {width} scores, deviation {deviation}, {name:10}: "
                    f"converted {sqnr_db(wanted, exact):5.1f} dB, emulator {sqnr_db(got, exact):5.1f} dB, "
                    f"{relative(got, wanted):6.1%} apart, mean {float(got.mean() / exact.mean()):.3f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
