"""How finely a chip multiplies a 16-bit convolution's accumulator: ``python -m benchmarks.multiplier SM8350 SM8550``.

An accumulator is brought to its output's scale by the factor input scale x weight scale / output scale. The slope of
the emulator's output over the exact accumulator, channel by channel, is the factor that it really multiplies with.
Here the weights' scales are left as calibration finds them, or every factor would be one that the chip can hold.
"""

from __future__ import annotations

import argparse
import math
import operator
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import nn
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from qnnsolve.facts.socs import soc as soc_of
from qnnsolve.host.quiet import quiet
from qnnsolve.lowering.lower import lower
from qnnsolve.opinfo_facts import OperatorFacts
from qnnsolve.verification.emulator import run_on_emulator

CHANNELS = 32


def factors(soc: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Per channel of a 1 x 1 convolution at 16a8w: the factor as calibrated, and as the emulator applies it."""
    from qnnsolve.quantizer import SolveQuantizer

    generator = torch.Generator().manual_seed(0)
    sample = (torch.randn(1, 8, 48, 48, generator=generator),)
    torch.manual_seed(0)
    module = torch.export.export(nn.Conv2d(8, CHANNELS, 1).eval(), sample).module(check_guards=False)
    with mock.patch.object(OperatorFacts, "multiplier_bits", None):
        prepared = prepare_pt2e(module, SolveQuantizer("htp", soc, precision="16a8w"))
    prepared(*sample)
    converted = convert_pt2e(prepared)
    with tempfile.TemporaryDirectory() as folder:
        pte = Path(folder) / "conv.pte"
        lower(converted, sample, soc=soc_of(soc).name, fp16=False, cpu_nodes=frozenset(), out=pte)
        got = run_on_emulator(pte, [sample]).outputs[0][0]
    nodes: list[Any] = list(converted.graph.nodes)
    conv = next(node for node in nodes if node.target == torch.ops.aten.conv2d.default)
    source, weight, bias = conv.args[:3]
    quantize: Any = next(iter(conv.users))
    stored, offsets = _stored(converted, weight), _stored(converted, bias)
    accumulator = nn.functional.conv2d(_steps(sample[0], source.args[1], source.args[2]), stored, offsets)
    steps = _steps(got, quantize.args[1], quantize.args[2])
    exact = float(source.args[1]) * _value(converted, weight.args[1]) / float(quantize.args[1])
    return exact, torch.stack([_slope(a, s) for a, s in zip(accumulator[0], steps[0], strict=True)])


def _steps(values: torch.Tensor, scale: float, zero_point: int) -> torch.Tensor:
    """Steps from the zero point, within the range of 16 bits."""
    return (values.double() / scale).round().clamp(-zero_point, 65535 - zero_point)


def _value(module: Any, node: Any) -> torch.Tensor:
    value: torch.Tensor = operator.attrgetter(node.target)(module)
    return value.double()


def _stored(module: Any, dequantize: Any) -> torch.Tensor:
    return _value(module, dequantize.args[0])


def _slope(accumulator: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
    """Least squares, without what saturates at either end."""
    inside = (steps > steps.min() + 2) & (steps < steps.max() - 2)
    x, y = accumulator[inside].double(), steps[inside].double()
    x, y = x - x.mean(), y - y.mean()
    return (x * y).sum() / x.square().sum()


def main() -> None:
    """Print the largest deviation, and how far the factors are from whole 2048ths of their power of two."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("soc", nargs="+")
    for soc in parser.parse_args().soc:
        with quiet(), torch.no_grad():
            exact, found = factors(soc)
        whole = [math.frexp(float(value))[0] * 2**11 for value in found]
        print(
            f"{soc} ({soc_of(soc).htp_arch}): factor off by up to {float((found / exact - 1).abs().max()):.1e}, "
            f"from whole 2048ths by up to {max(abs(value - round(value)) for value in whole):.3f}"
        )


if __name__ == "__main__":
    main()
