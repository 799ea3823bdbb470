"""A sigmoid among other tensors that are copied into one needs no CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from qnnsolve.rewriting.beside import part_from_sigmoids
from tests.rewriting.exporting import exported, targets
from tests.rewriting.test_spelled import X, Y, prepared

INDEX = torch.tensor([[0, 1], [2, 3], [4, 5], [1, 2]])


def _written(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    made = x * 3
    made[:, 2:5] = y[:, 2:5].sigmoid()
    return made


MIXED: dict[str, Callable[..., Any]] = {
    "stacked": lambda x, y: torch.stack([x.sigmoid(), y * 3, x + y], -1),
    "stacked behind a dropout": lambda x, y: torch.stack([torch.dropout(x.sigmoid(), 0.5, False), y * 3]),
    "a slice at the start": lambda x, y: torch.slice_scatter(x * 3, y[:, :4].sigmoid(), 1, 0, 4),
    "a slice at the end": lambda x, y: torch.slice_scatter(x * 3, y[:2].sigmoid(), 0, -2),
    "every other column": lambda x, y: torch.slice_scatter(x * 3, y[:, :4].sigmoid(), 1, 0, 8, 2),
    "a slice of a sigmoid": lambda x, y: torch.slice_scatter(x.sigmoid(), y[:, :4] * 3, 1, 3, 7),
    "a row": lambda x, y: torch.select_scatter(x * 3, y[0].sigmoid(), 0, 2),
    "written in place": _written,
    "by places": lambda x, y: torch.scatter(x * 2, 1, INDEX, y[:, :2].sigmoid()),
    "added by places": lambda x, y: torch.scatter_add(x * 2, 1, INDEX, y[:, :2].sigmoid()),
    "by an index": lambda x, y: (x * 2).index_put((torch.tensor([0, 2]),), y[:2].sigmoid()),
    "copied by an index": lambda x, y: (x * 2).index_copy(0, torch.tensor([0, 2]), y[:2].sigmoid()),
}


@pytest.mark.parametrize("name", MIXED)
@pytest.mark.parametrize("soc", ["SM8350", "SM8750"])
def test_nothing_is_left_on_the_cpu(name: str, soc: str) -> None:
    module = exported(MIXED[name], (X, Y))
    made, on_cpu = prepared(module, soc)
    torch.testing.assert_close(made(X, Y), MIXED[name](X, Y))
    assert not on_cpu


@pytest.mark.parametrize(
    "compute",
    [
        lambda x, y: torch.stack([x.sigmoid(), y.sigmoid()]),
        lambda x, y: torch.stack([x * 2, y + 1]),
        lambda x, y: torch.slice_scatter(x * 3, y[:, :4] * 2, 1, 0, 4),
        lambda x, y: torch.stack([x.sigmoid() + 1, y]),
    ],
)
def test_what_has_one_encoding_stays_as_it_is(compute: Callable[..., Any]) -> None:
    module = exported(compute, (X, Y))
    before = targets(module)
    assert targets(part_from_sigmoids(module)) == before
