"""A functional form: one op (or a few) with one set of arguments, as a module with inputs of its own."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import torch
from torch import nn

__all__ = ["Call", "Form", "Tensor", "call", "layer"]

SAMPLES = 4
"""Calibration samples per form; the first is the example and the one that is checked."""

_NORMS = (
    nn.modules.batchnorm._BatchNorm,
    nn.modules.instancenorm._InstanceNorm,
    nn.LayerNorm,
    nn.GroupNorm,
    nn.RMSNorm,
)


@attrs.frozen
class Tensor:
    """One input: its shape, and what its values are drawn from.

    ``normal`` (standard), ``positive`` (0.5 to 2.5), ``unit`` (-0.9 to 0.9), ``mask`` (booleans), ``index`` (integers
    from 0 up to ``below``).
    """

    shape: tuple[int, ...]
    kind: str = "normal"
    dtype: torch.dtype = torch.float32
    below: int = 4

    def draw(self, generator: torch.Generator) -> torch.Tensor:
        """One sample of it."""
        if self.kind == "index":
            dtype = torch.int64 if self.dtype.is_floating_point else self.dtype
            return torch.randint(0, self.below, self.shape, generator=generator).to(dtype)
        if self.kind == "mask":
            return torch.rand(self.shape, generator=generator) < 0.5
        if self.kind == "positive":
            return (torch.rand(self.shape, generator=generator) * 2 + 0.5).to(self.dtype)
        if self.kind == "unit":
            return (torch.rand(self.shape, generator=generator) * 1.8 - 0.9).to(self.dtype)
        return torch.randn(self.shape, generator=generator).to(self.dtype)


@attrs.frozen(eq=False)
class Form:
    """``build`` makes the module; ``name`` is unique and says the op and its arguments; ``family`` is its file's."""

    name: str
    build: Callable[..., nn.Module]
    inputs: tuple[Tensor, ...]
    family: str = ""

    def module(self) -> nn.Module:
        """In evaluation mode, with the weights that its name is the seed of; norms have trained statistics."""
        torch.manual_seed(zlib.crc32(self.name.encode()))
        module = self.build().eval()
        for part in module.modules():
            if isinstance(part, _NORMS):
                _train(part)
        return module

    def samples(self) -> tuple[tuple[torch.Tensor, ...], ...]:
        """What it is calibrated with; the first is checked."""
        generator = torch.Generator().manual_seed(zlib.crc32(f"{self.name} inputs".encode()))
        return tuple(tuple(each.draw(generator) for each in self.inputs) for _ in range(SAMPLES))


def _train(norm: nn.Module) -> None:
    """Statistics and weights as training leaves them, drawn from torch's seed."""
    with torch.no_grad():
        for name, value in (*norm.named_parameters(), *norm.named_buffers()):
            if name in ("weight", "running_var"):
                value.uniform_(0.5, 1.5)
            elif name in ("bias", "running_mean"):
                value.normal_(0.0, 0.5)


class Call(nn.Module):
    """A function as a module; ``tensors`` become its parameters and are passed behind the inputs."""

    def __init__(self, function: Callable[..., Any], tensors: tuple[torch.Tensor, ...] = ()) -> None:
        super().__init__()
        self.function = function
        self.tensors = nn.ParameterList(nn.Parameter(each, requires_grad=False) for each in tensors)

    def forward(self, *inputs: torch.Tensor) -> Any:
        """The function of the inputs, and of the parameters behind them."""
        return self.function(*inputs, *self.tensors)


def _shaped(inputs: tuple[tuple[int, ...] | Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(each if isinstance(each, Tensor) else Tensor(each) for each in inputs)


def call(
    name: str, function: Callable[..., Any], *inputs: tuple[int, ...] | Tensor, constants: tuple[Tensor, ...] = ()
) -> Form:
    """A form of a function; a plain shape stands for normal values, and ``constants`` are drawn as parameters."""

    def build() -> nn.Module:
        generator = torch.Generator().manual_seed(zlib.crc32(f"{name} constants".encode()))
        return Call(function, tuple(each.draw(generator) for each in constants))

    return Form(name, build, _shaped(inputs))


def layer(name: str, build: Callable[..., nn.Module], *inputs: tuple[int, ...] | Tensor) -> Form:
    """A form of a module of one's own."""
    return Form(name, build, _shaped(inputs))


def named(**arguments: Any) -> str:
    """``k3 s2`` of ``k=3, s=2``: the part of a name that tells arguments."""
    return " ".join(f"{key}{_short(value)}" for key, value in arguments.items())


def _short(value: Any) -> str:
    return "x".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


def varied(base: dict[str, Any], **choices: tuple[Any, ...]) -> Iterator[dict[str, Any]]:
    """What each choice changes in ``base``, one at a time; ``base`` itself first."""
    yield {}
    for key, values in choices.items():
        for value in values:
            if base.get(key) != value:
                yield {key: value}
