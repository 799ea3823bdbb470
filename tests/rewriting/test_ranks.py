"""What has more dimensions than the chip takes is computed with fewer, and comes out the same."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torchao.quantization.pt2e.quantize_pt2e import prepare_pt2e

from qnnsolve import SolveQuantizer
from qnnsolve.rewriting.opening import opened
from qnnsolve.rewriting.permuting import _interchanges
from qnnsolve.rewriting.ranks import lower_ranks
from qnnsolve.rules.builders import LARGEST_RANK

SHAPE = (2, 3, 2, 2, 3, 4)
VIDEO = (1, 2, 3, 2, 2, 2, 3, 2)


class Holder(nn.Module):
    """Has weights of several forms; its input has four dimensions, and its body makes more of them."""

    def __init__(self, body: Body) -> None:
        super().__init__()
        self.body = body
        self.weight = nn.Parameter(torch.randn(2, 1, 2, 1, 3, 4))
        self.register_buffer("offsets", torch.randn(4))
        self.offsets: torch.Tensor
        self.linear, self.norm = nn.Linear(4, 5), nn.LayerNorm(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.body(self, x.view(SHAPE))
        return y.flatten(min(2, y.dim() - 1)) if y.dim() > 1 else y


Body: TypeAlias = Callable[[Holder, torch.Tensor], torch.Tensor]

FORMS: dict[str, Body] = {
    "alone": lambda _, x: x.relu(),
    "with itself": lambda _, x: x + x * 2,
    "with a weight": lambda m, x: x * m.weight,
    "with a vector": lambda m, x: x + m.offsets,
    "with a number": lambda _, x: (x * 2 + 1).clamp(-1, 1),
    "with parts of itself": lambda _, x: x * x[:, :1, :, :1],
    "broadcast in every other dimension": lambda _, x: x[:1, :, :1, :, :1] * x[:, :1, :, :1, :, :1],
    "where": lambda m, x: torch.where(x > 0, x, m.weight),
    "masked_fill": lambda _, x: x.masked_fill(x > 1, 0.0),
    "cast": lambda _, x: (x * 4).long() + 1,
    "cat": lambda _, x: torch.cat([x, x.sigmoid()], 2),
    "cat with zeros": lambda _, x: torch.cat([x, torch.zeros(2, 3, 2, 2, 3, 1)], -1),
    "stack": lambda _, x: torch.stack([x, x.sigmoid()], -1),
    "stack of five": lambda _, x: torch.stack([x[:, :, 0], x[:, :, 1]], 3).sum(3),
    "slice": lambda _, x: x[:, :, :, :, 1:],
    "select": lambda _, x: x[:, :, 1],
    "select of the last": lambda _, x: x[..., 1],
    "narrow": lambda _, x: x.narrow(4, 1, 2),
    "chunk": lambda _, x: torch.mul(*x.chunk(2, 2)),
    "split": lambda _, x: torch.mul(*torch.split(x, [1, 2], 1)),
    "unbind": lambda _, x: torch.mul(*x.unbind(3)),
    "index_select": lambda _, x: x.index_select(3, torch.tensor([1, 0, 1])),
    "index": lambda _, x: x[:, :, :, torch.tensor([[1, -1], [0, 0]])],
    "gather": lambda _, x: x.gather(3, (x > 0).long()),
    "flip": lambda _, x: x.flip([2, 4]),
    "flip of what has one element": lambda _, x: x[:, :1].flip([1]),
    "expand": lambda _, x: x[:, :, :, :, None].expand(2, 3, 2, 2, 5, 3, 4),
    "expand in every other dimension": lambda _, x: x[:1, :, :1, :, :1].expand(4, -1, 3, -1, 2, -1),
    "repeat": lambda _, x: x.repeat(1, 1, 2, 1, 2, 1),
    "pad": lambda _, x: F.pad(x, (0, 1, 1, 0)),
    "sum": lambda _, x: x.sum((2, 4)),
    "sum over one element": lambda _, x: x[:, :1].sum(1),
    "sum in every other dimension": lambda _, x: x.sum((1, 3, 5), keepdim=True),
    "flip in every other dimension": lambda _, x: x.flip([1, 3, 5]),
    "mean": lambda _, x: x.mean((0, 2, 4)),
    "mean over all": lambda _, x: x.mean().reshape(1),
    "amax": lambda _, x: x.amax((3,)),
    "max": lambda _, x: x.max(3)[0],
    "argmax": lambda _, x: x.argmax(3),
    "topk": lambda _, x: x.topk(2, -1)[0],
    "cumsum": lambda _, x: x.cumsum(4),
    "any": lambda _, x: (x > 1).any(3),
    "softmax": lambda _, x: x.softmax(-1),
    "softmax, not over the last": lambda _, x: x.softmax(3),
    "glu": lambda _, x: F.glu(x, -1),
    "normalize": lambda _, x: F.normalize(x, dim=-1),
    "layer_norm": lambda m, x: m.norm(x),
    "linear": lambda m, x: m.linear(x),
    "matmul": lambda _, x: x @ x.transpose(-1, -2),
    "matmul, broadcast": lambda _, x: x @ x[:, :1].transpose(-1, -2),
    "matmul with a matrix": lambda m, x: x @ m.linear.weight.t(),
    "attention": lambda _, x: F.scaled_dot_product_attention(x, x, x),
    "attention, masked": lambda _, x: F.scaled_dot_product_attention(x, x, x, torch.ones(3, 3).tril().log()),
    "permute": lambda _, x: x.permute(0, 1, 3, 2, 4, 5),
    "reverse": lambda _, x: x.permute(5, 4, 3, 2, 1, 0),
    "movedim": lambda _, x: x.movedim((1, -1), (-2, 0)),
    "windows of a video": lambda _, x: x.view(VIDEO).permute(0, 1, 3, 5, 2, 4, 6, 7),
    "unshuffle of a volume": lambda _, x: x.view(VIDEO).permute(0, 7, 2, 4, 6, 1, 3, 5),
    "slice_scatter": lambda _, x: torch.slice_scatter(x * 1, x[:, :, :1] * 2, 2, 1, 2),
    "select_scatter": lambda _, x: torch.select_scatter(x * 1, x[:, :, 0] * 2, 2, 1),
}


def holder(body: Body) -> Holder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Holder(body).eval()


def exported(model: nn.Module, x: torch.Tensor) -> torch.fx.GraphModule:
    graph = torch.export.export(model, (x,)).module()
    assert isinstance(graph, torch.fx.GraphModule)
    return graph


def most_dimensions(graph: torch.fx.GraphModule) -> int:
    values = [node.meta.get("val") for node in graph.graph.nodes if node.op == "call_function"]
    return max((each.dim() for each in values if isinstance(each, torch.Tensor)), default=0)


def example(seed: int = 0) -> torch.Tensor:
    return torch.randn(2, 3, 4, 12, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", FORMS)
def test_no_tensor_has_more_dimensions_than_the_chip_takes(name: str) -> None:
    model = holder(FORMS[name])
    graph = opened(exported(model, example()))
    assert most_dimensions(graph) > LARGEST_RANK
    lower_ranks(graph)
    graph.graph.lint()
    assert most_dimensions(graph) <= LARGEST_RANK
    torch.testing.assert_close(graph(example(1)), model(example(1)))


@pytest.mark.parametrize("order", list(itertools.permutations(range(6)))[::37])
def test_any_order_is_reached_in_steps_of_few_dimensions(order: tuple[int, ...]) -> None:
    class Permuted(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.view(2, 3, 2, 3, 2, 3).permute(order).flatten()

    x = torch.arange(216.0)
    graph = lower_ranks(exported(Permuted(), x))
    assert most_dimensions(graph) <= LARGEST_RANK
    assert torch.equal(graph(x), Permuted()(x))


def test_an_interchange_moves_five_runs_at_most() -> None:
    for step in _interchanges(8):
        assert sorted(step) == list(range(8))
        assert 1 + sum(one + 1 != other for one, other in itertools.pairwise(step)) <= LARGEST_RANK


def test_inputs_and_outputs_keep_their_shape() -> None:
    class Wide(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.sigmoid() * 2

    x = torch.randn(SHAPE)
    graph = lower_ranks(exported(Wide(), x))
    computed = {str(n.target): n.meta["val"].dim() for n in graph.graph.nodes if n.op == "call_function"}
    assert computed.pop("aten.reshape.default") == len(SHAPE)
    assert computed and max(computed.values()) <= LARGEST_RANK
    torch.testing.assert_close(graph(x), Wide()(x))


def test_what_is_not_known_stays() -> None:
    model = holder(lambda _, x: torch.roll(x, (1, 1), (2, 3)))
    graph = exported(model, example())
    assert "aten.roll.default" in {str(node.target) for node in lower_ranks(graph).graph.nodes}
    torch.testing.assert_close(graph(example(1)), model(example(1)))


LOWERED_LATER: dict[str, Any] = {
    "einsum": lambda _, x: torch.einsum("abcdef,abcgef->acdge", x, x),
    "deformable attention": lambda _, x: torch.einsum("bqhlpd,bqhlp->bqhd", x, x[..., 0].softmax(-1)),
    "roll": lambda _, x: torch.roll(x, (1, 1), (2, 3)),
    "variance": lambda _, x: x.var((2, 4)),
}
"""What ExecuTorch's passes spell out, with more dimensions than its input has."""


@pytest.mark.parametrize("name", [*LOWERED_LATER, "windows of a video", "with a weight", "attention"])
def test_it_runs_on_the_accelerator(name: str) -> None:
    model = holder({**FORMS, **LOWERED_LATER}[name])
    quantizer = SolveQuantizer("htp", "SM8350", precision="16a8w")
    prepare_pt2e(exported(model, example()), quantizer)
    assert quantizer.cpu_nodes == frozenset()
