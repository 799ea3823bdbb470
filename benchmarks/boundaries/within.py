"""One op of two widths, attention, half precision, sharing that forms a cycle, and state."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.boundaries.case import ROWS, Boundary, Named, case
from benchmarks.sweep.form import Tensor

__all__ = ["within"]

_IMAGE = (1, 3, 8, 8)


def within() -> Iterator[Boundary]:
    """All of them."""
    yield from _two_widths()
    yield from _weights()
    yield from _attention()
    yield from _circles()
    yield from _states()


class Single(nn.Module):
    """A linear layer before one op."""

    def __init__(self, op: Callable[..., Any]) -> None:
        super().__init__()
        self.first, self.op = nn.Linear(8, 8), op if isinstance(op, nn.Module) else Named(op)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The op of the layer's output."""
        made: torch.Tensor = self.op(self.first(x))
        return made


def _two_widths() -> Iterator[Boundary]:
    ops: dict[str, Callable[..., Any]] = {
        "relu": torch.relu,
        "softmax": lambda y: torch.softmax(y, -1),
        "sigmoid": torch.sigmoid,
        "gelu": F.gelu,
        "linear": nn.Linear(8, 4),
        "layer norm": nn.LayerNorm(8),
    }
    for name, op in ops.items():
        for read, written in ((8, 16), (16, 8)):
            pins = f"module:first={read}a8w module:op@in[0]=u{read} module:op@out=u{written}"
            yield case("one op", f"{name} from {read} to {written}", lambda op=op: Single(op), pins)
    for read, written in ((8, 16), (16, 8)):
        pins = f"op:aten.conv2d@in[0]=u{read} op:aten.conv2d@out=u{written}"
        yield case("one op", f"convolution from {read} to {written}", lambda: nn.Conv2d(3, 8, 3), pins, _IMAGE)


def _weights() -> Iterator[Boundary]:
    def two() -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 8, 1))

    family, layers = "weights", lambda: nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 4))
    yield case(family, "4 bits beside 8", two, "module:0=8a8w module:2=16a4w", _IMAGE)
    yield case(family, "16 bits beside 8", two, "module:0=16a16w module:2=8a8w", _IMAGE)
    yield case(family, "16 bits beside 4", layers, "module:0=16a16w module:2=16a4w", precision="16a8w")
    yield case(family, "integers with half precision, linear", layers, "", precision="fp16a8w")
    yield case(family, "integers with half precision, convolution", two, "", _IMAGE, precision="fp16a8w")
    yield case(family, "half precision beside 16 bits", layers, "module:0=16a8w module:2=fp16a8w")
    yield case(family, "per tensor beside per channel", two, "module:0=16a8w,tensor module:2=8a8w,channel", _IMAGE)


class Attention(nn.Module):
    """Three projections, scores, softmax and the mix; a head of its own for each part to be named by."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)
        self.scores, self.soft = Named(lambda q, k: q @ k.transpose(1, 2) * 0.35), nn.Softmax(-1)
        self.mix, self.out = Named(torch.matmul), nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Over the second dimension."""
        weights = self.soft(self.scores(self.query(x), self.key(x)))
        made: torch.Tensor = self.out(self.mix(weights, self.value(x)))
        return made


def _attention() -> Iterator[Boundary]:
    family, shape = "attention", (1, 6, 8)
    eight = "module:key=8a8w module:value=8a8w"
    yield case(family, "keys and values at 8", Attention, eight, shape, precision="16a8w")
    yield case(family, "softmax at 8", Attention, "module:soft=8a", shape, precision="16a8w")
    yield case(family, "softmax at 16", Attention, "module:soft=16a module:mix=16a", shape)
    yield case(family, "scores at 16", Attention, "module:scores=16a", shape)
    yield case(family, "scores at 16, keys signed", Attention, "module:scores=16a node:transpose@out=s16", shape)
    yield case(family, "16 x 8 products", Attention, "op:aten.matmul@in[1]=u8", shape, precision="16a8w")


def _circle(y: torch.Tensor) -> torch.Tensor:
    a, b = torch.cat((y, y.flip(1)), 1).chunk(2, 1)
    return torch.cat((b, a), 1).view(8, 8)


def _twice(y: torch.Tensor) -> torch.Tensor:
    whole = torch.cat((y, y.relu()), 0)
    return torch.cat((whole[:4], whole.view(8, 8)), 0)


def _written(y: torch.Tensor) -> torch.Tensor:
    made = torch.zeros(8, 8)
    made[2:6] = y
    made[0] = made[3]
    return made * 2


def _circles() -> Iterator[Boundary]:
    family = "sharing"
    yield case(family, "a cycle of cat and chunk", lambda: Single(_circle), "module:first=8a8w module:op=16a")
    yield case(family, "a cat of a cat and its view", lambda: Single(_twice), "module:first=16a8w module:op=8a")
    yield case(family, "written into zeros", lambda: Single(_written), "module:first=8a8w module:op=16a")
    yield case(family, "a cat with a constant", lambda: Single(_constant), "module:first=16a8w module:op=8a")
    yield case(family, "ends at an input", lambda: Single(lambda y: y.view(-1)), "module:first=16a8w module:op=8a")
    yield case(family, "ends at the CPU", lambda: Single(_to_cpu), "module:first=8a8w module:op=16a")
    yield case(family, "a cat of inputs alone", lambda: Named(_inputs), "op:aten.cat=16a", ROWS, ROWS)


def _constant(y: torch.Tensor) -> torch.Tensor:
    return torch.cat((y, torch.full((1, 8), 0.5)), 0)


def _to_cpu(y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    moved = y.view(2, 16)
    return torch.cat((moved, moved), 1), moved.to(torch.int64) // 2


def _inputs(x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.cat((x, y)), x * 2


class Cache(nn.Module):
    """Keys of earlier steps in a buffer, read and written back."""

    keys: torch.Tensor

    def __init__(self, write: Callable[..., torch.Tensor]) -> None:
        super().__init__()
        self.key, self.query, self.write = nn.Linear(8, 8), nn.Linear(8, 8), write
        self.register_buffer("keys", torch.randn(1, 6, 8))

    def forward(self, x: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
        """Scores of this step against all of them."""
        kept = self.write(self.keys, self.key(x), at)
        self.keys.copy_(kept)
        out: torch.Tensor = self.query(x) @ kept.transpose(1, 2)
        return out


class Gated(nn.Module):
    """A buffer that is read twice, by a gate and by what is written back."""

    kept: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.first, self.gate = nn.Linear(8, 8), nn.Sigmoid()
        self.register_buffer("kept", torch.randn(1, 6, 8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """What the layer makes of this step, gated by what stands in the buffer."""
        gate = self.gate(self.kept)
        self.kept.copy_(torch.cat((self.kept[:, 1:], self.first(x)), 1))
        out: torch.Tensor = gate * self.kept
        return out


class Moving(nn.Module):
    """A moving average in a buffer."""

    mean: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(8, 8)
        self.register_buffer("mean", torch.zeros(4, 8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """What the layer makes, less the average."""
        made: torch.Tensor = self.first(x)
        self.mean.mul_(0.9).add_(made * 0.1)
        return made - self.mean


class Given(nn.Module):
    """A cache that comes in and goes out, as decoders of ExecuTorch have it."""

    def __init__(self) -> None:
        super().__init__()
        self.key, self.query = nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x: torch.Tensor, past: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores, and the cache with this step behind it."""
        now = self.key(x)
        kept = torch.cat((past, now), 1)
        return self.query(x) @ kept.transpose(1, 2), kept[:, 1:]


def _put(keys: torch.Tensor, key: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
    kept = keys.clone()
    kept[:, at] = key
    return kept


def _states() -> Iterator[Boundary]:
    family, step, at = "state", (1, 1, 8), Tensor((1,), "index", below=6)
    shifted = lambda keys, key, at: torch.cat((keys[:, 1:], key), 1)  # noqa: E731
    copied = lambda keys, key, at: keys.index_copy(1, at, key)  # noqa: E731
    for name, write in {"shifted": shifted, "index copy": copied, "index put": _put}.items():
        for bits in (8, 16):
            precision = "16a8w" if bits == 8 else "8a8w"
            title = f"cache at {bits}, {name}"
            pins = f"module:key={bits}a8w"
            yield case(family, title, lambda w=write: Cache(w), pins, step, at, precision=precision)
    yield case(family, "moving average at 16", Moving, "op:aten.add=16a", precision="8a8w")
    yield case(family, "read twice, written at 16", Gated, "op:aten.cat=16a", step)
    yield case(family, "read at 8, written at 16", Gated, "op:aten.cat=16a module:gate@in[0]=u8", step)
    yield case(
        family, "cache in and out at 8", Given, "module:key=8a8w op:aten.cat=8a", step, (1, 5, 8), precision="16a8w"
    )
