"""How many steps a bias may have: ``python -m benchmarks.bias_range SM8350 SM8750``.

A bias stands in steps of input scale x weight scale. Each channel of a product has another one, from minus to plus the
largest, and random weights beside it. With 8 bits the output's zero point, divided by the factor input scale x weight
scale / output scale, takes part in the sum, so that the least factor is seen here too.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import torch
from torch import nn

from benchmarks.least_factor import CHANNELS, PRODUCTS, Op, quantized
from qnnsolve.facts.socs import soc as soc_of
from qnnsolve.host.quiet import quiet
from qnnsolve.lowering.lower import lower
from qnnsolve.verification.emulator import run_on_emulator
from qnnsolve.verification.verify import outputs_of

INPUT, WEIGHT = 2.0**-10, 2.0**-10
"""Scales: powers of two, so that every factor is one that the chip can hold."""
LAST = 2**31 - 1
CASES: Mapping[int, tuple[tuple[int, int, int], ...]] = MappingProxyType(
    {
        16: ((31, 17, 32768), (31, 16, 0)),
        8: ((29, 22, 128), (30, 22, 128), (30, 22, 255), (31, 22, 0), (29, 23, 128), (29, 24, 128), (29, 24, 0)),
    }
)
"""By bits: the largest bias and one over the factor, as powers of two, and the output's zero point."""


class Product(nn.Module):
    """A converted product with biases of up to ``2**bias`` steps, brought to its output's scale by ``2**-factor``."""

    def __init__(self, product: str, bits: int, bias: int, factor: int, zero_point: int) -> None:
        super().__init__()
        self.op: Op
        self.op, _, shape = PRODUCTS[product]
        self.axis = 1 if product == "TransposeConv2d" else 0
        self.bits, self.zero_point, self.scale = bits, zero_point, INPUT * WEIGHT * 2.0**factor
        generator = torch.Generator().manual_seed(0)
        self.register_buffer("weight", torch.randint(-127, 128, shape, generator=generator).to(torch.int8))
        self.register_buffer("scales", torch.full((CHANNELS,), WEIGHT))
        self.register_buffer("zeros", torch.zeros(CHANNELS, dtype=torch.int64))
        steps = torch.linspace(-1, 1, CHANNELS, dtype=torch.float64) * 2.0**bias
        self.register_buffer("bias", steps.round().clamp(-LAST - 1, LAST).to(torch.int32))
        self.register_buffer("bias_scales", torch.full((CHANNELS,), INPUT * WEIGHT))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``x`` as the product takes it."""
        settings = (2**self.bits - 1, torch.int32 if self.bits == 16 else torch.uint8)
        x = quantized(x, INPUT, 2 ** (self.bits - 1), *settings)
        dequantize = torch.ops.quantized_decomposed.dequantize_per_channel.default
        weight = dequantize(self.weight, self.scales, self.zeros, self.axis, -127, 127, torch.int8)
        bias = dequantize(self.bias, self.bias_scales, self.zeros, 0, -LAST - 1, LAST, torch.int32)
        return quantized(self.op(x, weight, bias), self.scale, self.zero_point, *settings)


def steps_off(soc: str, product: str, bits: int, bias: int, factor: int, zero_point: int) -> float:
    """The largest difference between the emulator and torch, in steps of the output."""
    model, shape = Product(product, bits, bias, factor, zero_point), PRODUCTS[product][1]
    codes = torch.randint(0, 2**bits, shape, generator=torch.Generator().manual_seed(1))
    sample = ((codes - 2 ** (bits - 1)) * INPUT,)
    module = torch.export.export(model, sample).module(check_guards=False)
    with tempfile.TemporaryDirectory() as folder:
        pte = Path(folder) / "product.pte"
        lower(module, sample, soc=soc_of(soc).name, fp16=False, cpu_nodes=frozenset(), out=pte)
        got = run_on_emulator(pte, [sample]).outputs[0][0]
    return float(((got - outputs_of(module, sample)[0]) / model.scale).abs().max())


def main() -> None:
    """Print a line per case for the chips on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("soc", nargs="+")
    parser.add_argument("--products", nargs="+", default=list(PRODUCTS), choices=list(PRODUCTS))
    asked = parser.parse_args()
    for soc in asked.soc:
        for product in asked.products:
            for bits, cases in CASES.items():
                for bias, factor, zero_point in cases:
                    with quiet(), torch.no_grad():
                        off = steps_off(soc, product, bits, bias, factor, zero_point)
                    where = f"{soc} ({soc_of(soc).htp_arch}) {product}, {bits} bits"
                    case = f"bias of 2**{bias}, factor 2**-{factor}, zero point {zero_point}"
                    print(f"{where:40} {case:48} {off:5.0f} of {2**bits - 1} steps off", flush=True)


if __name__ == "__main__":
    main()
