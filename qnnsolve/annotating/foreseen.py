"""How near the converted model will be to the float one, as ``convert_pt2e`` begins: :func:`foreseen`.

By then every observer has its scale. So the prepared graph is run on a sample twice: with what the observers see handed
on, which is the float model, and rounded to what their encodings hold, which is the converted one.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch.fx import GraphModule, Interpreter
from torch.utils import _pytree as pytree
from torchao.quantization.quant_primitives import _fake_quantize_affine

from qnnsolve.results import ConvertedCheck
from qnnsolve.verification.nodewise import run
from qnnsolve.verification.noise import over_samples, power
from qnnsolve.verification.outputs import random_outputs
from qnnsolve.verification.unquantized import is_observer
from qnnsolve.verification.verify import restored

__all__ = ["foreseen"]

_WIDEST = 1 << 16
"""Steps; what has more (a bias in 32 bits) loses nothing that counts."""
_QUANTIZED = (torch.uint8, torch.int8, torch.int16, torch.int32)


def foreseen(prepared: GraphModule, samples: Sequence[tuple[Any, ...]]) -> tuple[ConvertedCheck, ...]:
    """Per output that is a float and not random, its SQNR over ``samples``; the model's states stay as they are.

    ``prepared`` may be converted in part: its inputs are where ``convert_pt2e`` begins.
    """
    powers = []
    for sample in samples:
        wanted, rounded = (_outputs(runner(prepared), sample) for runner in (_Exact, _Rounded))
        powers.append([power(got, want) for got, want in zip(rounded, wanted, strict=True)])
    random = random_outputs(prepared)
    floats = [value.is_floating_point() for value in wanted] if powers else []
    return tuple(
        ConvertedCheck(index, over_samples(each))
        for index, each in enumerate(zip(*powers, strict=True))
        if index not in random and floats[index]
    )


def _outputs(runner: _Exact, sample: tuple[Any, ...]) -> list[torch.Tensor]:
    """Clones, since an output may be a state."""
    with restored(tuple(runner.graph_module.buffers())):
        leaves = pytree.tree_leaves(run(runner, copy.deepcopy(sample)))
        return [torch.as_tensor(leaf).clone() for leaf in leaves if leaf is not None]


class _Exact(Interpreter):
    """The float model: each observer hands on what it sees, and so does what one was converted to."""

    def __init__(self, model: GraphModule) -> None:
        super().__init__(model)
        self.graph_module = model

    def run_node(self, n: Any) -> Any:
        if is_observer(n):
            return self.seen(self.fetch_attr(n.target), self.env[n.args[0]])
        if n.op == "call_module":  # checks of the inputs
            return None
        if "quantized_decomposed." in str(n.target):
            return self.converted(n)
        return super().run_node(n)

    def seen(self, observer: Any, x: torch.Tensor) -> torch.Tensor:
        """What stands for ``x`` behind ``observer``."""
        return x

    def converted(self, n: Any) -> Any:
        """What quantizing or dequantizing yields."""
        return self.env[n.args[0]]


class _Rounded(_Exact):
    """The converted model."""

    def seen(self, observer: Any, x: torch.Tensor) -> torch.Tensor:
        steps = next(_steps(observer), None)
        if steps is None:
            return x
        scale, zero_point = (each.detach() for each in observer.calculate_qparams())
        scale, zero_point, (low, high) = scale.float(), zero_point.to(torch.int32), steps
        rounded: torch.Tensor
        if hasattr(observer, "block_size"):
            rounded = _fake_quantize_affine(x, observer.block_size, scale, zero_point, torch.int8, low, high)
        elif observer.qscheme in (torch.per_channel_symmetric, torch.per_channel_affine):
            rounded = torch.fake_quantize_per_channel_affine(x, scale, zero_point, observer.ch_axis, low, high)
        else:
            rounded = torch.fake_quantize_per_tensor_affine(x, scale.reshape(1), zero_point.reshape(1), low, high)
        return rounded

    def converted(self, n: Any) -> Any:
        return Interpreter.run_node(self, n)


def _steps(observer: Any) -> Iterator[tuple[int, int]]:
    """The lowest and the highest step of a tensor that is rounded; nothing where it stays as it is."""
    if getattr(observer, "dtype", None) in _QUANTIZED:
        low, high = observer.quant_min, observer.quant_max
        if low is None or high is None:
            info = torch.iinfo(observer.dtype)
            low, high = info.min, info.max
        if high - low < _WIDEST:
            yield low, high
