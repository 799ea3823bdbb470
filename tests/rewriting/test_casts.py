"""Whole floats are cast to the integers that they are, though quantized they are none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from qnnsolve import SolveQuantizer
from qnnsolve.rewriting.casts import CASTS
from qnnsolve.rewriting.opening import opened
from qnnsolve.rewriting.replacements import replace

aten = torch.ops.aten
X = 3 * torch.randn(4, 6, 8, generator=torch.Generator().manual_seed(0))

Compute = Callable[[torch.Tensor], Any]


class Model(nn.Module):
    def __init__(self, compute: Compute) -> None:
        super().__init__()
        self.compute = compute

    def forward(self, x: torch.Tensor) -> Any:
        return self.compute(x)


def exported(compute: Compute) -> Any:
    return torch.export.export(Model(compute), (X,)).module()


WHOLE: list[Compute] = [
    lambda x: x.sign().int(),
    lambda x: (x * 4).floor().long(),
    lambda x: x.ceil().reshape(4, -1).to(torch.int32),
    lambda x: torch.div(x, 0.5, rounding_mode="floor").int(),
    lambda x: (x.round().clamp(-2, 2) * 3 - 1)[:, 1:].int(),
    lambda x: torch.cat([x.trunc(), (x > 0).float() + 2], -1).int(),
]


@pytest.mark.parametrize("compute", WHOLE)
@pytest.mark.parametrize("precision", ["16a8w", "8a8w"])
def test_quantized_whole_numbers_are_cast_to_themselves(compute: Compute, precision: str) -> None:
    """Where no quantization of the input turns another way: all but a few near a border."""
    quantizer = SolveQuantizer("htp", "SM8750", precision=precision)
    prepared = prepare_pt2e(exported(compute), quantizer)
    prepared(X)
    found, wanted = convert_pt2e(prepared)(X), compute(X)
    assert found.dtype == wanted.dtype
    assert float((found != wanted).double().mean()) < (0.002 if precision == "16a8w" else 0.08)


@pytest.mark.parametrize("compute", [lambda x: x.int(), lambda x: (x.floor() * 0.5).int(), lambda x: x.floor().bool()])
def test_what_is_not_whole_is_cut_off_as_it_is(compute: Compute) -> None:
    graph = exported(compute)
    rewritten = replace(graph)
    assert torch.equal(rewritten(X), compute(X))
    assert aten.round.default not in {node.target for node in rewritten.graph.nodes}


def test_a_cast_that_casts_nothing_is_no_op_and_a_mask_needs_no_integers() -> None:
    rewritten = replace(opened(exported(lambda x: ((x > 0).long().float(), torch.argmax(x, -1).long() + 1))))
    casts = [node for node in rewritten.graph.nodes if node.target in CASTS]
    assert [(node.args[0].target, node.args[1]) for node in casts] == [(aten.gt.Scalar, torch.float32)]
