"""What quantizing costs against the float model: ``python -m benchmarks.sqnr [MODEL ...] [--width N]``.

Per model, the SQNR (dB, ``10 log10`` of signal over noise power, first output) of three converted models, computed by
torch on the example inputs: qnnsolve at 16a8w for the SM8350, qnnsolve for the SM8750, and upstream's ``QnnQuantizer``
for the SM8750, whose LayerNorm and MatMul take 16 bits on both operands. All are calibrated on the checked inputs
alone, so that nothing is cut off: what is left is what 8-bit weights cost.
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import torch
from torch.utils import _pytree as pytree

from benchmarks.speed.annotating import theirs
from examples.models import bert, vit, whisper
from qnnsolve.host.quiet import quiet
from qnnsolve.verification.noise import sqnr_db

MODELS = (vit, bert, whisper)


def solved(soc: str) -> Any:
    """Our quantizer for ``soc`` at 16a8w."""
    from qnnsolve.quantizer import SolveQuantizer

    return SolveQuantizer("htp", soc, strict=False, precision="16a8w")


QUANTIZERS: Mapping[str, Callable[[], Any]] = MappingProxyType(
    {
        "qnnsolve SM8350": partial(solved, "SM8350"),
        "qnnsolve SM8750": partial(solved, "SM8750"),
        "upstream SM8750": theirs,
    }
)


def noise_of(quantizer: Any, model: torch.nn.Module, inputs: tuple[Any, ...]) -> float:
    """SQNR in dB of ``model`` as ``quantizer`` converts it, on ``inputs``, which also calibrate it."""
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    with torch.no_grad():
        prepared = prepare_pt2e(torch.export.export(model, inputs).module(check_guards=False), quantizer)
        prepared(*inputs)
        converted = pytree.tree_leaves(convert_pt2e(prepared)(*inputs))[0]
        return sqnr_db(converted, pytree.tree_leaves(model(*inputs))[0])


def main(argv: list[str] | None = None) -> int:
    """Run the command; always 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sqnr", description=__doc__)
    models = {make.__name__: make for make in MODELS}
    parser.add_argument("model", nargs="*", help=f"of {', '.join(models)} (default: all)")
    parser.add_argument("--width", type=int, help="of a hidden state, in multiples of 64 (default: the example's own)")
    options = parser.parse_args(argv)
    print(f"{'model':<10}" + "".join(f"{name:>18}" for name in QUANTIZERS))
    for name in options.model or models:
        model, inputs, _ = models[name](**({"width": options.width} if options.width else {}))
        figures = []
        for make in QUANTIZERS.values():
            with quiet(), contextlib.redirect_stdout(None):
                figures.append(noise_of(make(), model, inputs))
        print(f"{name:<10}" + "".join(f"{figure:>15.1f} dB" for figure in figures), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
