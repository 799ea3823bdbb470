"""Composite ops are spelled out before annotation, and compute what they did."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from qnnsolve.facts.fx import target_name
from qnnsolve.rewriting.composites import COMPOSITES, expand_composites
from qnnsolve.rules.builders import BUILDERS

CASES: dict[str, tuple[Callable[..., Any], tuple[int, ...]]] = {
    "adaptive_max_pool1d": (lambda x: F.adaptive_max_pool1d(x, 4), (1, 4, 16)),
    "avg_pool3d that counts its padding": (lambda x: F.avg_pool3d(x, 4, 2, 1), (1, 2, 8, 8, 8)),
    "avg_pool3d that rounds up in vain": (lambda x: F.avg_pool3d(x, 4, 2, 1, True), (1, 2, 8, 8, 8)),
    "atleast_3d": (torch.atleast_3d, (4, 8)),
    "baddbmm": (lambda x: torch.baddbmm(x, x, x), (1, 8, 8)),
    "column_stack": (lambda x: torch.column_stack((x, x)), (4, 8)),
    "dot": (lambda x: torch.dot(x, x), (4,)),
    "dstack": (lambda x: torch.dstack((x, x)), (1, 4, 8)),
    "fliplr": (torch.fliplr, (1, 4, 8)),
    "hsplit": (lambda x: torch.cat(x.hsplit(2), 2), (1, 4, 8)),
    "hstack": (lambda x: torch.hstack((x, x)), (1, 4, 8)),
    "max_pool1d": (lambda x: F.max_pool1d(x, 2), (1, 4, 16)),
    "meshgrid": (lambda x: torch.meshgrid(x, x, indexing="ij"), (4,)),
    "matmul with a vector": (lambda x: x @ x[0], (4, 8)),
    "matmul of a vector": (lambda x: x[0] @ x.mT, (4, 8)),
    "mv": (lambda x: torch.mv(x, x[0]), (4, 8)),
    "outer": (lambda x: torch.outer(x[0], x[1]), (4, 8)),
    "repeat_interleave": (lambda x: x.repeat_interleave(2, 1), (1, 4, 16)),
    "rot90": (lambda x: torch.rot90(x, 1, (1, 2)), (1, 4, 8)),
    "scatter of a number": (lambda x: x.scatter(1, x.topk(2)[1], 0.25), (1, 4)),
    "tensor_split": (lambda x: x.tensor_split((1, 3), 1), (1, 4, 8)),
    "tile": (lambda x: x.tile(1, 2, 1), (1, 4, 16)),
    "vstack": (lambda x: torch.vstack((x, x)), (1, 4, 8)),
}


class Applied(nn.Module):
    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> Any:
        return self.function(x)


def exported(function: Callable[..., Any], *shape: int) -> tuple[torch.fx.GraphModule, torch.Tensor]:
    sample = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    return torch.export.export(Applied(function).eval(), (sample,)).module(), sample


def targets(graph: torch.fx.GraphModule) -> list[str]:
    return [target_name(node.target) for node in graph.graph.nodes if node.op == "call_function"]


@pytest.mark.parametrize("name", sorted(CASES))
def test_the_parts_have_builders_and_compute_the_same(name: str) -> None:
    function, shape = CASES[name]
    graph, sample = exported(function, *shape)
    before = targets(graph)
    assert expand_composites(graph) is graph
    graph.graph.lint()
    assert before != targets(graph) and not set(targets(graph)) - BUILDERS.keys()
    torch.testing.assert_close(graph(sample), function(sample))


def test_what_is_no_composite_stays_as_it_is() -> None:
    graph, _ = exported(lambda x: torch.relu(x @ x.mT), 4, 8)
    before = targets(graph)
    assert targets(expand_composites(graph)) == before


def test_the_parts_come_from_the_module_of_the_whole() -> None:
    graph, _ = exported(lambda x: F.max_pool1d(x, 2), 1, 4, 16)
    (whole,) = (node for node in graph.graph.nodes if node.op == "call_function")
    stack = whole.meta["nn_module_stack"]
    expand_composites(graph)
    parts = [node for node in graph.graph.nodes if node.op == "call_function"]
    assert len(parts) == 4
    assert all(part.meta["nn_module_stack"] == stack and "val" in part.meta for part in parts)


def test_no_composite_but_one_is_an_op_that_executorch_annotates() -> None:
    from executorch.backends.qualcomm.quantizer.annotators.htp_rules import get_rules

    assert COMPOSITES & set(get_rules()) == {torch.ops.aten.scatter.value}


def test_an_average_that_leaves_its_padding_out_stays_whole() -> None:
    graph, _ = exported(lambda x: F.avg_pool3d(x, 4, 2, 1, count_include_pad=False), 1, 2, 8, 8, 8)
    assert targets(expand_composites(graph)) == ["aten.avg_pool3d.default"]


@pytest.mark.parametrize(
    ("function", "shape", "size"),
    [
        (lambda x: F.layer_norm(x, (8,)), (1, 4, 8), (8,)),
        (lambda x: F.layer_norm(x, (4, 8)), (1, 4, 8), (4, 8)),
        (lambda x: F.group_norm(x, 2), (1, 4, 8), (4,)),
        (lambda x: F.rms_norm(x, (8,)), (1, 4, 8), (8,)),
    ],
)
def test_a_norm_without_a_weight_gets_one(
    function: Callable[..., Any], shape: tuple[int, ...], size: tuple[int, ...]
) -> None:
    graph, sample = exported(lambda x: function(function(x)), *shape)
    expand_composites(graph)
    graph.graph.lint()
    weights = [node for node in graph.graph.nodes if node.op == "get_attr"]
    assert [node.target for node in weights] == ["weight_of_ones_0", "weight_of_ones_1"]
    assert all(tuple(node.meta["val"].shape) == size for node in weights)
    torch.testing.assert_close(graph(sample), function(function(sample)))


def test_a_norm_with_a_weight_keeps_it() -> None:
    graph = torch.export.export(nn.LayerNorm(8).eval(), (torch.rand(1, 4, 8),)).module()
    expand_composites(graph)
    assert [node.target for node in graph.graph.nodes if node.op == "get_attr"] == ["weight", "bias"]


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("has_end", [True, False])
@pytest.mark.parametrize("skipped", [None, 4])
def test_bags_of_embeddings_are_spelled_out(mode: str, has_end: bool, skipped: int | None) -> None:
    bags = nn.EmbeddingBag(10, 8, mode=mode, include_last_offset=has_end, padding_idx=skipped).eval()
    sample = (torch.tensor([1, 2, 4, 5, 4, 3]), torch.tensor([0, 2, 2, 6] if has_end else [0, 2, 2]))
    graph = torch.export.export(bags, sample).module()
    assert not [target for target in targets(expand_composites(graph)) if "bag" in target]
    graph.graph.lint()
    torch.testing.assert_close(graph(*sample), bags(*sample))


class SizedBags(nn.Module):
    """Also returns how many rows each bag has."""

    def forward(self, rows: torch.Tensor, indices: torch.Tensor, offsets: torch.Tensor) -> Any:
        return torch.embedding_bag(rows, indices, offsets)[::2]


def test_a_bag_of_which_more_than_the_result_is_read_stays_whole() -> None:
    sample = (torch.rand(10, 8), torch.tensor([1, 2, 4]), torch.tensor([0, 2]))
    graph = torch.export.export(SizedBags(), sample).module()
    assert any("bag" in target for target in targets(expand_composites(graph)))


@pytest.mark.parametrize("classes", [5, 9])
def test_classes_are_told_by_comparing_with_each(classes: int) -> None:
    """torch's own definition checks the values, which no accelerator runs, and ExecuTorch fails on."""

    class Hot(nn.Module):
        def forward(self, index: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.one_hot(index, classes).float() + x

    inputs = (torch.arange(5).reshape(1, 5), torch.zeros(1, 5, classes))
    graph = expand_composites(torch.export.export(Hot(), inputs).module())
    assert torch.equal(graph(*inputs), Hot()(*inputs))
    assert "aten.one_hot.default" not in targets(graph)
