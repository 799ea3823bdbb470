"""How small a signal the chip computes rightly: ``python -m benchmarks.small_signals SM8350 SM8750``.

Every op gets inputs of three sizes, with no floor under any scale. An op needs a floor where the emulator loses more
against the float model than the converted model does, at a small size and not at 1.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import nn

from qnnsolve import export
from qnnsolve.annotating import specs

SIZES = (1.0, 1e-5, 1e-9)
"""Standard deviation of the inputs."""
LOST_DB = 3.0

Op = Callable[[torch.Tensor], torch.Tensor]

_weights = torch.Generator().manual_seed(0)
_CONV, _DEPTHWISE = torch.randn(8, 8, 3, 3, generator=_weights), torch.randn(8, 1, 3, 3, generator=_weights)
_LINEAR = torch.randn(8, 8, generator=_weights)

OPS: Mapping[str, Op] = MappingProxyType(
    {
        "conv2d": lambda x: F.conv2d(x, _CONV, padding=1),
        "depthwise": lambda x: F.conv2d(x, _DEPTHWISE, padding=1, groups=8),
        "conv_transpose2d": lambda x: F.conv_transpose2d(x, _CONV),
        "linear": lambda x: F.linear(x, _LINEAR),
        "matmul": lambda x: x @ _LINEAR,
        "add": lambda x: x + x.flip(-1),
        "sub": lambda x: x - x.flip(-1),
        "mul": lambda x: x * 3.0,
        "div": lambda x: x / 3.0,
        "maximum": lambda x: torch.maximum(x, x.flip(-1)),
        "neg": torch.neg,
        "abs": torch.abs,
        "relu": F.relu,
        "leaky_relu": F.leaky_relu,
        "prelu": lambda x: F.prelu(x, torch.tensor([0.25])),
        "elu": F.elu,
        "gelu": F.gelu,
        "silu": F.silu,
        "hardswish": F.hardswish,
        "sigmoid": torch.sigmoid,
        "tanh": torch.tanh,
        "exp": torch.exp,
        "sin": torch.sin,
        "cos": torch.cos,
        "sqrt": lambda x: x.abs().sqrt(),
        "sum": lambda x: x.sum(-1),
        "mean": lambda x: x.mean(-1),
        "amax": lambda x: x.amax(-1),
        "cumsum": lambda x: x.cumsum(-1),
        "avg_pool2d": lambda x: F.avg_pool2d(x, 3, 2),
        "max_pool2d": lambda x: F.max_pool2d(x, 2),
        "interpolate": lambda x: F.interpolate(x, scale_factor=2.0, mode="bilinear"),
        "layer_norm": lambda x: F.layer_norm(x, (8,), eps=1e-24),
        "rms_norm": lambda x: F.rms_norm(x, (8,), eps=1e-24),
        "instance_norm": lambda x: F.instance_norm(x, eps=1e-24),
        "cat": lambda x: torch.cat([x, x.flip(-1)], 1),
        "where": lambda x: torch.where(x > 0, x, x.flip(-1)),
        "pad": lambda x: F.pad(x, (1, 1, 1, 1)),
        "topk": lambda x: x.topk(3, -1)[0],
    }
)


class Small(nn.Module):
    """Each op at each size; its outputs are in the order of ``ops``, for one size after the other."""

    def __init__(self, ops: list[str]) -> None:
        super().__init__()
        self.ops = ops

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """``inputs``: one per size, of shape (1, 8, 8, 8)."""
        return tuple(OPS[op](x) for x in inputs for op in self.ops)


def main() -> None:
    """Print per op and size what the emulator loses, for the chips on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("soc", nargs="+")
    parser.add_argument("--precision", nargs="+", default=["16a8w", "8a8w"])
    parser.add_argument("--sizes", nargs="+", type=float, default=SIZES, help="standard deviations of the inputs")
    parser.add_argument("--ops", nargs="+", choices=OPS, default=list(OPS))
    parser.add_argument("--floors", action="store_true", help="with the floors that qnnsolve has")
    arguments = parser.parse_args()
    if not arguments.floors:
        specs.LEAST_SCALE = 1e-30
    generator = torch.Generator().manual_seed(1)
    samples = [tuple(torch.randn(1, 8, 8, 8, generator=generator) * size for size in arguments.sizes) for _ in range(3)]
    for soc in arguments.soc:
        for precision in arguments.precision:
            with tempfile.TemporaryDirectory() as folder:
                result = export(
                    Small(arguments.ops).eval(),
                    samples[0],
                    out=Path(folder) / "small.pte",
                    soc=soc,
                    precision=precision,
                    calibration=samples,
                    strict=False,
                    verify_samples=1,
                )
            assert result.verification is not None
            on_cpu = {op.target for op in result.cpu_ops}
            print(f"{soc} {precision}: {result.delegates} delegates, on the CPU: {', '.join(sorted(on_cpu)) or 'none'}")
            print(
                "  emulator / converted, in dB against the float model, at sizes " + ", ".join(f"{s:g}" for s in SIZES)
            )
            checks = {check.index: check for check in result.verification.outputs}
            for place, name in enumerate(arguments.ops):
                of_sizes = [checks[place + len(arguments.ops) * index] for index in range(len(arguments.sizes))]
                pairs = [(check.emulator.worst, check.converted.worst) for check in of_sizes]
                lost = ["  <-- loses" for got, want in pairs if want - got > LOST_DB][:1]
                cells = (f"{got:6.1f} /{want:6.1f}" for got, want in pairs)
                print(f"  {name:17}" + "  ".join(cells) + "".join(lost), flush=True)


if __name__ == "__main__":
    main()
