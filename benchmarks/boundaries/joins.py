"""Branches of 8 and of 16 bits that an op joins, and one producer that several consumers read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.boundaries.case import ROWS, Boundary, Named, Pair, case
from benchmarks.sweep.form import Tensor

__all__ = ["joins"]

_LEFT_RIGHT = "module:left=8a8w module:right=16a8w"
_JOINS: dict[str, Callable[..., Any]] = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "maximum": torch.maximum,
    "matmul": lambda a, b: a @ b.transpose(-1, -2),
    "cat": lambda a, b: torch.cat((a, b), -1),
    "cat of three": lambda a, b: torch.cat((a, b, a.neg()), 0),
    "stack": lambda a, b: torch.stack((a, b)),
}


def joins() -> Iterator[Boundary]:
    """All of them."""
    for name, join in _JOINS.items():
        for bits in (8, 16):
            pins = f"{_LEFT_RIGHT} module:join={bits}a8w"
            yield case("joined", f"{name} at {bits}", lambda join=join: Pair(join), pins, ROWS, ROWS)
    for bits in (8, 16):
        inputs = (ROWS, ROWS, Tensor(ROWS, "mask"))
        pins = f"{_LEFT_RIGHT} module:join={bits}a8w"
        yield case("joined", f"where at {bits}", lambda: Pair(lambda a, b, m: torch.where(m, a, b)), pins, *inputs)
    yield from _embeddings()
    yield from _fans()
    yield from _cats()


class Embedded(nn.Module):
    """An embedding, and a linear layer of what it finds beside one of another input."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(16, 8)
        self.left, self.right = nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, at: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """The sum of both."""
        out: torch.Tensor = self.left(self.table(at)) + self.right(x)
        return out


class Tied(nn.Module):
    """An embedding whose table is also the weight of the head."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.body = nn.Embedding(16, 8), nn.Linear(8, 8)

    def forward(self, at: torch.Tensor) -> torch.Tensor:
        """Scores of all words."""
        return F.linear(self.body(self.table(at)), self.table.weight)


def _embeddings() -> Iterator[Boundary]:
    inputs = (Tensor((4,), "index", below=16), ROWS)
    yield case("embedding", "table at 8, linear at 16", Embedded, "module:table=8a8w module:left=16a8w", *inputs)
    yield case("embedding", "table at 16, linear at 8", Embedded, "module:table=16a module:left=8a8w", *inputs)
    yield case("embedding", "sum at 16 of 8 and 16", Embedded, "module:left=8a8w op:aten.add=16a", *inputs)
    yield case("embedding", "tied with the head, at 16 after 8", Tied, "module:table=8a module:body=16a8w", inputs[0])


class Fan(nn.Module):
    """A producer and several readers of it; ``body`` may stand between."""

    def __init__(self, readers: int, body: Callable[..., Any] | None = None, whole: bool = False) -> None:
        super().__init__()
        self.first = nn.Linear(8, 8)
        self.body = None if body is None else Named(body)
        self.readers = nn.ModuleList(nn.Linear(8, 4) for _ in range(readers))
        self.whole = whole

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """What the readers make of it, and it itself where ``whole``."""
        made = self.first(x)
        made = made if self.body is None else self.body(made)
        read = tuple(reader(made) for reader in self.readers)
        return (*read, made) if self.whole else read


class Inputs(nn.Module):
    """An input that two layers read."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Both."""
        return self.left(x), self.right(x)


def _fans() -> Iterator[Boundary]:
    family = "one producer"
    yield case(family, "two widths", lambda: Fan(2), "module:first=8a8w module:readers.0=8a8w module:readers.1=16a8w")
    sixteen = "module:first=8a8w module:readers.0=16a8w module:readers.1=16a8w"
    yield case(family, "one convert for two", lambda: Fan(3), f"{sixteen} module:readers.2=8a8w")
    yield case(family, "one convert for three", lambda: Fan(3), f"{sixteen} module:readers.2=16a8w")
    eight = "module:first=16a8w module:readers.0=8a8w module:readers.1=8a8w"
    yield case(family, "one convert down for two", lambda: Fan(2), eight)
    yield case(family, "behind a relu", lambda: Fan(2, torch.relu), "module:first=8a8w module:readers.1=16a8w")
    yield case(family, "returned as well", lambda: Fan(2, None, True), "module:first=8a8w module:readers.1=16a8w")
    yield case(family, "behind a sigmoid", lambda: Fan(2, torch.sigmoid), "module:body=8a module:readers.1=16a8w")
    yield case(family, "an input in two widths", Inputs, "module:left=8a8w module:right=16a8w")


class Shared(nn.Module):
    """Parts that are joined, and read by others as well."""

    def __init__(self, join: Callable[..., Any]) -> None:
        super().__init__()
        self.left, self.right, self.other = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)
        self.join = Named(join)

    def forward(self, x: torch.Tensor) -> Any:
        """The join, and what the other makes of the left part."""
        left, right = self.left(x), self.right(x)
        return self.join(left, right), self.other(left)


def _both(a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.cat((a, b), 0), torch.cat((b, a * 0.5), 0)


def _cats() -> Iterator[Boundary]:
    family = "shared parts"
    joined: dict[str, tuple[Callable[..., Any], str]] = {
        "cat at 8, a part read at 16": (lambda a, b: torch.cat((a, b)), "module:join=8a module:other=16a8w"),
        "cat at 16, a part read at 8": (lambda a, b: torch.cat((a, b)), "module:join=16a module:other=8a8w"),
        "cat of one part twice": (lambda a, b: torch.cat((a, a, b)), "module:left=8a8w module:join=16a"),
        "two cats of the same parts": (_both, "module:left=16a8w module:join=8a"),
        "cat of a part and its view": (
            lambda a, b: torch.cat((a.reshape(8, 4), b.reshape(8, 4)), 1),
            "module:left=8a8w module:right=16a8w module:join=16a",
        ),
        "stack at 16, a part read at 8": (lambda a, b: torch.stack((a, b)), "module:join=16a module:other=8a8w"),
    }
    for name, (join, pins) in joined.items():
        yield case(family, name, lambda join=join: Shared(join), pins)
