"""Tensors of indices: several become one, and are counted from the front."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from qnnsolve.rewriting.replacements import replace
from tests.rewriting.exporting import X, exported, targets

aten = torch.ops.aten


@pytest.mark.parametrize(
    "read",
    [
        lambda x, i, j: x[torch.arange(2), i],
        lambda x, i, j: x[torch.arange(2)[:, None], j],
        lambda x, i, j: x[:, i, i],
        lambda x, i, j: x[i % 2, :, j[0, :2]],
        lambda x, i, j: x[:, j, -1 - j],
        lambda x, i, j: x[torch.arange(2), i, j[0, :2]],
        lambda x, i, j: x[torch.arange(-2, 0), i],
    ],
)
def test_what_several_tensors_pick_one_picks_too(read: Callable[..., Any]) -> None:
    inputs = (X, torch.tensor([3, -4]), torch.tensor([[0, -1, 2], [-3, 1, 1]]))
    rewritten = replace(exported(read, inputs))
    assert torch.equal(rewritten(*inputs), read(*inputs))
    found = [node.args[1] for node in rewritten.graph.nodes if node.target is aten.index.Tensor]
    assert [sum(index is not None for index in indices) for indices in found] == [1]


def test_indices_that_are_inputs_are_counted_from_the_front() -> None:
    x, places = X[0].clone(), torch.tensor([0, -1])
    module = replace(exported(lambda x, i: (x[i], x[:, i], x.index_put((i,), x[:2])), (x, places)))
    for places in (torch.tensor([0, -1]), torch.tensor([-4, 3])):
        for made, wanted in zip(
            module(x, places), (x[places], x[:, places], x.index_put((places,), x[:2])), strict=True
        ):
            assert torch.equal(made, wanted)
    indexed = [node for node in module.graph.nodes if "aten.index" in str(node.target)]
    given = [index for node in indexed for index in node.args[1] if index is not None]
    assert {str(index.target) for index in given} == {"aten.where.self"}


@pytest.mark.parametrize(
    "write",
    [
        lambda x: x.masked_fill(x > 0, 0.5) + torch.index_put(x, (x > 0,), torch.tensor(0.5)),
        lambda x: torch.index_put(x, (x[:, :, 0] > 0,), torch.arange(8.0)),
        lambda x: torch.index_put(x, (x[:, :, 0] > 0,), torch.full((1, 8), 2.0)),
        lambda x: torch.index_put(x, (x[:, :, 0] > 0,), torch.full((1, 1, 1), 2.0)),
        lambda x: aten.index_put.default(x, [None, x[0] > 0], torch.full((1, 1), -1.0)),
    ],
)
def test_what_a_mask_picks_is_written_by_where(write: Callable[..., Any]) -> None:
    rewritten = replace(exported(write, (X,)))
    assert torch.equal(rewritten(X), write(X))
    assert "aten.index_put.default" not in targets(rewritten)


@pytest.mark.parametrize(
    "write",
    [
        lambda x, picked: torch.index_put(x, (picked,), torch.tensor(0.5), True),
        lambda x, picked: torch.index_put(x, (picked,), torch.tensor([0.5, 1.5])),
    ],
)
def test_what_a_mask_picks_one_by_one_stays(write: Callable[..., Any]) -> None:
    few = torch.zeros(2, 4, 8, dtype=torch.bool)
    few[0, 0, 0] = few[1, 2, 3] = True
    assert "aten.index_put.default" in targets(replace(exported(write, (X, few))))
