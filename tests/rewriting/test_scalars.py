"""Sums of products keep their dimension."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from qnnsolve.facts.fx import target_name
from qnnsolve.quantizer import SolveQuantizer
from tests.rewriting.exporting import X, exported


@pytest.mark.parametrize(
    ("compute", "inputs"),
    [
        (lambda x: (x * x[0]).sum(-1), (X,)),
        (lambda x: (x * x[0]).sum((0, 2)), (X,)),
        (lambda x: (x * x[0]).mean(1), (X,)),
        (lambda x: (x * 2).sum(), (X,)),
        (lambda x: x @ x[0, 0], (X,)),
        (lambda x: x.reshape(64).dot(x.reshape(64)), (X,)),
    ],
)
def test_sums_of_products_keep_their_dimension(compute: Callable[..., Any], inputs: tuple[torch.Tensor, ...]) -> None:
    transformed = SolveQuantizer().transform_for_annotation(exported(compute, inputs))
    torch.testing.assert_close(transformed(*inputs), compute(*inputs))
    sums = [
        node
        for node in transformed.graph.nodes
        if target_name(node.target) in ("aten.sum.dim_IntList", "aten.mean.dim")
    ]
    assert sums
    assert all(node.args[2] is True for node in sums)
