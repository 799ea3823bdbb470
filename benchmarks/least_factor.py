"""How small a factor can bring a 16-bit product to its output's scale: ``python -m benchmarks.least_factor SM8350``.

Each channel of a product with 8-bit weights has another factor input scale x weight scale / output scale, from 2**-20
to 2**-27. The result is compared with torch's, and so is that of each op that may stand behind it and is written by the
product itself: there the output's scale is 256 times greater than the product's own.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import torch
from torch import nn
from torch.nn import functional

import torchao.quantization.pt2e.quantize_pt2e  # noqa: F401  isort: skip  (registers the ops of a converted model)

from qnnsolve.facts.socs import soc as soc_of
from qnnsolve.host.quiet import quiet
from qnnsolve.lowering.lower import lower
from qnnsolve.verification.emulator import run_on_emulator
from qnnsolve.verification.verify import outputs_of

CHANNELS = 64
SCALE, ZERO_POINT = 0.01, 32768
"""Of the output; an input's scale is a tenth of it, that of a product before another op a 256th."""
LEAST = 6e-8
"""What qnnsolve keeps to, a little above 2**-24."""
FACTORS = 2.0 ** -torch.linspace(20, 27, CHANNELS)

Op = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
PRODUCTS: Mapping[str, tuple[Op, tuple[int, ...], tuple[int, ...]]] = MappingProxyType(
    {
        "Conv2d 1x1": (functional.conv2d, (1, CHANNELS, 8, 8), (CHANNELS, CHANNELS, 1, 1)),
        "Conv2d 3x3": (functional.conv2d, (1, CHANNELS, 10, 10), (CHANNELS, CHANNELS, 3, 3)),
        "DepthWiseConv2d": (
            lambda x, w, b: functional.conv2d(x, w, b, groups=CHANNELS),
            (1, CHANNELS, 10, 10),
            (CHANNELS, 1, 3, 3),
        ),
        "TransposeConv2d": (
            lambda x, w, b: functional.conv_transpose2d(x, w, b, stride=2),
            (1, CHANNELS, 8, 8),
            (CHANNELS, CHANNELS, 2, 2),
        ),
        "Conv3d": (functional.conv3d, (1, CHANNELS, 4, 4, 4), (CHANNELS, CHANNELS, 1, 1, 1)),
        "FullyConnected": (functional.linear, (1, 8, CHANNELS), (CHANNELS, CHANNELS)),
    }
)
BEHIND: Mapping[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = MappingProxyType(
    {
        "Concat": lambda y, x: torch.cat([y, x], 1),
        "Pack": lambda y, x: torch.stack([y, x], 2),
        "HardSwish": lambda y, x: functional.hardswish(y),
        "Prelu": lambda y, x: functional.prelu(y, _quarter()),
        "Relu": lambda y, x: functional.relu(y),
        "ReluMinMax": lambda y, x: y.clamp(0.0, 6.0),
        "ElementWiseAdd": lambda y, x: y + x,
        "ElementWiseMultiply": lambda y, x: y * x,
        "Sigmoid": lambda y, x: y.sigmoid(),
        "Gelu": lambda y, x: functional.gelu(y),
        "PoolAvg2d": lambda y, x: functional.avg_pool2d(y, 2),
    }
)


def quantized(
    x: torch.Tensor, scale: float, zero_point: int = ZERO_POINT, last: int = 65535, dtype: torch.dtype = torch.int32
) -> torch.Tensor:
    """``x`` on the grid of an encoding from 0 to ``last``, in real units again."""
    settings = (scale, zero_point, 0, last, dtype)
    ops = torch.ops.quantized_decomposed
    back: torch.Tensor = ops.dequantize_per_tensor.default(ops.quantize_per_tensor.default(x, *settings), *settings)
    return back


def _quarter() -> torch.Tensor:
    return quantized(torch.tensor([0.25]), 0.25 / 65535, 0)


class Product(nn.Module):
    """A converted product, channel by channel with another weight scale; what is ``behind`` it has ``SCALE``."""

    def __init__(self, product: str, behind: str | None) -> None:
        super().__init__()
        self.op, _, shape = PRODUCTS[product]
        self.axis = 1 if product == "TransposeConv2d" else 0
        self.behind = None if behind is None else BEHIND[behind]
        generator = torch.Generator().manual_seed(0)
        weight = torch.randint(1, 128, shape, generator=generator) * torch.randint(0, 2, shape, generator=generator)
        self.register_buffer("weight", (weight * 2 - 127).to(torch.int8).clamp(-127, 127))
        self.register_buffer("scales", FACTORS * 10)
        self.register_buffer("zeros", torch.zeros(CHANNELS, dtype=torch.int64))
        self.register_buffer("bias", torch.zeros(CHANNELS, dtype=torch.int32))
        self.register_buffer("bias_scales", FACTORS * SCALE)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``x`` as the product takes it; the result is on the grid of ``SCALE``."""
        x = quantized(x, SCALE / 10)
        dequantize = torch.ops.quantized_decomposed.dequantize_per_channel.default
        weight = dequantize(self.weight, self.scales, self.zeros, self.axis, -127, 127, torch.int8)
        bias = dequantize(self.bias, self.bias_scales, self.zeros, 0, -(2**31), 2**31 - 1, torch.int32)
        y = self.op(x, weight, bias)
        if self.behind is not None:
            y = self.behind(quantized(y, SCALE / 256), x)
        return quantized(y, SCALE)


class MatMul(nn.Module):
    """A matrix product whose second operand has 8 bits; ``factor`` is that of all channels."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.scale = factor * 10

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``x`` times its own transpose, in 8 bits."""
        operand = quantized(x.transpose(-1, -2) * self.scale / 25.6, self.scale, 128, 255, torch.uint8)
        return quantized(quantized(x, SCALE / 10) @ operand, SCALE)


def steps_off(soc: str, product: str, behind: str | None = None) -> torch.Tensor:
    """Per channel the largest difference between the emulator and torch, in steps of the output."""
    off = _steps_off(soc, Product(product, behind), PRODUCTS[product][1])
    return off.movedim(-1 if product == "FullyConnected" else 1, 0).flatten(1).amax(1)[:CHANNELS]


def _steps_off(soc: str, model: nn.Module, shape: tuple[int, ...]) -> torch.Tensor:
    codes = torch.randint(0, 65536, shape, generator=torch.Generator().manual_seed(1))
    sample = ((codes - ZERO_POINT) * (SCALE / 10),)
    module = torch.export.export(model, sample).module(check_guards=False)
    with tempfile.TemporaryDirectory() as folder:
        pte = Path(folder) / "product.pte"
        lower(module, sample, soc=soc_of(soc).name, fp16=False, cpu_nodes=frozenset(), out=pte)
        got = run_on_emulator(pte, [sample]).outputs[0][0]
    return ((got - outputs_of(module, sample)[0]) / SCALE).abs()


def main() -> None:
    """Print the table for the chips on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("soc", nargs="+")
    cases: list[tuple[str, str | None]] = [(product, None) for product in PRODUCTS]
    cases += [("Conv2d 1x1", behind) for behind in BEHIND]
    for soc in parser.parse_args().soc:
        held = FACTORS >= LEAST
        for product, behind in cases:
            with quiet(), torch.no_grad():
                off = steps_off(soc, product, behind)
            _print(soc, product if behind is None else f"{product}, {behind}", off[held], off[~held])
        with quiet(), torch.no_grad():
            above, below = (_steps_off(soc, MatMul(2.0**-exponent), (1, 4, 32, 64)) for exponent in (23.9, 24.1))
        _print(soc, "MatMul", above, below)


def _print(soc: str, case: str, above: torch.Tensor, below: torch.Tensor) -> None:
    where = f"{soc} ({soc_of(soc).htp_arch}) {case}"
    print(f"{where:46} from {LEAST:g} on {above.max():5.0f} steps off, below {below.max():5.0f}", flush=True)


if __name__ == "__main__":
    main()
