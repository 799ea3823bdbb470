"""Ops on images that come without a batch compute the same with one, and can be built."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from qnnsolve import SolveQuantizer
from qnnsolve.facts.fx import read_graph
from qnnsolve.rewriting.batches import BATCHED, add_batches
from qnnsolve.rewriting.opening import opened
from qnnsolve.rules.builders import Fate, build

IMAGE = torch.randn(4, 6, 6, generator=torch.Generator().manual_seed(0))
SEQUENCE, VOLUME = IMAGE[:, 0], IMAGE.reshape(4, 1, 6, 6).expand(4, 3, 6, 6).contiguous()
STACK = IMAGE.reshape(1, 1, 4, 6, 6).expand(2, 3, 4, 6, 6).contiguous()

BUILT: tuple[tuple[Callable[..., Any], torch.Tensor], ...] = (
    (nn.Conv1d(4, 3, 3), SEQUENCE),
    (nn.Conv2d(4, 3, 3, padding="same"), IMAGE),
    (nn.Conv3d(4, 3, 3), VOLUME),
    (nn.ConvTranspose1d(4, 3, 3, stride=2), SEQUENCE),
    (nn.ConvTranspose2d(4, 4, 3, groups=4, dilation=2), IMAGE),
    (nn.ConvTranspose3d(4, 4, 3, groups=2), VOLUME),
    (nn.MaxPool1d(2), SEQUENCE),
    (nn.MaxPool2d(2, padding=1), IMAGE),
    (nn.AvgPool1d(2), SEQUENCE),
    (nn.AvgPool2d(2), IMAGE),
    (nn.AdaptiveAvgPool1d(3), SEQUENCE),
    (nn.AdaptiveAvgPool2d(1), IMAGE),
    (nn.AdaptiveMaxPool2d(2), IMAGE),
    (nn.PixelShuffle(2), STACK),
    (nn.PixelUnshuffle(2), IMAGE),
)


@pytest.mark.parametrize(("layer", "given"), BUILT, ids=lambda each: type(each).__name__)
def test_without_a_batch_it_is_built_and_computes_the_same(layer: nn.Module, given: torch.Tensor) -> None:
    module = torch.export.export(layer.eval(), (given,)).module()
    transformed = SolveQuantizer().transform_for_annotation(module)
    torch.testing.assert_close(transformed(given), layer(given))
    graph = read_graph(transformed)
    fates = [build(node, graph).fate for node in graph if node.target.startswith("aten.")]
    assert fates and Fate.CPU not in fates


def test_both_outputs_lose_the_batch_again() -> None:
    layer = nn.MaxPool2d(2, return_indices=True)
    module = add_batches(opened(torch.export.export(layer, (IMAGE,)).module()))
    for got, wanted in zip(module(IMAGE), layer(IMAGE), strict=True):
        torch.testing.assert_close(got, wanted)
    pools = [node for node in module.graph.nodes if node.target in BATCHED]
    assert [node.args[0].meta["val"].dim() for node in pools] == [4]


def test_a_batch_is_left_alone() -> None:
    module = opened(torch.export.export(nn.Conv2d(4, 3, 3), (IMAGE[None],)).module())
    before = [node.name for node in module.graph.nodes]
    assert [node.name for node in add_batches(module).graph.nodes] == before
