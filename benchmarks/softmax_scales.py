"""What a fixed scale costs an 8-bit softmax, and what it buys: ``python -m benchmarks.softmax_scales SM8750``.

A softmax over rows of 16 and 64 scores, at 8a8w: quantized by qnnsolve, which fixes the output's scale to 1/256, and by
upstream's ``QnnQuantizer``, which calibrates it. Printed are the SQNR against the float softmax (dB), of the converted
model and of the emulator, and the emulator's largest error against the converted model in percent of its range.
"""

from __future__ import annotations

import argparse
from typing import Any

import torch
from torch import nn
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from benchmarks.local_error import emulated
from benchmarks.rounding import relative
from qnnsolve._quiet import quiet
from qnnsolve.comparison import sqnr_db

SHAPES = ((16, 0.3), (64, 0.3), (64, 2.0))
"""Scores in a row, and their standard deviation: with a small one rows are flat."""


def upstream(soc: str) -> Any:
    """ExecuTorch's quantizer at 8a8w."""
    from executorch.backends.qualcomm.quantizer.quantizer import QnnQuantizer, QuantDtype
    from executorch.backends.qualcomm.serialization.qc_schema import QcomChipset, QnnExecuTorchBackendType

    quantizer = QnnQuantizer(QnnExecuTorchBackendType.kHtpBackend, QcomChipset[soc])
    quantizer.set_default_quant_config(QuantDtype.use_8a8w)
    return quantizer


def ours(soc: str) -> Any:
    """The same request, solved."""
    from qnnsolve.quantizer import SolveQuantizer

    return SolveQuantizer("htp", soc, precision="8a8w")


def figures(quantizer: Any, soc: str, scores: int, deviation: float) -> tuple[float, float, float]:
    """SQNR of the converted model and of the emulator, and how far these two are apart."""
    sample = (torch.randn(1, 4, scores, scores, generator=torch.Generator().manual_seed(0)) * deviation,)
    exact = nn.Softmax(-1)(*sample)
    prepared = prepare_pt2e(torch.export.export(nn.Softmax(-1), sample).module(check_guards=False), quantizer)
    prepared(*sample)
    converted = convert_pt2e(prepared)
    got, wanted = emulated(converted, sample, soc)[0], converted(*sample)
    return sqnr_db(wanted, exact), sqnr_db(got, exact), relative(got, wanted)


def main() -> None:
    """Print a line for each shape and quantizer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("soc")
    soc = parser.parse_args().soc
    for scores, deviation in SHAPES:
        for name, make in (("fixed", ours), ("calibrated", upstream)):
            with quiet(), torch.no_grad():
                converted, emulator, apart = figures(make(soc), soc, scores, deviation)
            print(
                f"{scores} scores, deviation {deviation}, {name:10}: converted {converted:.1f} dB, "
                f"emulator {emulator:.1f} dB, {apart:.1%} apart"
            )


if __name__ == "__main__":
    main()
