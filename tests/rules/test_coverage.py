"""Every aten target that ExecuTorch's own annotators know is described here, or cannot be met."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from qnnsolve.facts.fx import target_name
from qnnsolve.rules.builders import BUILDERS

BEFORE_ANNOTATION: dict[str, tuple[Callable[..., Any], tuple[tuple[int, ...], ...]]] = {
    "aten.cdist.default": (torch.cdist, ((1, 4, 8), (1, 3, 8))),
    "aten.linalg_vector_norm.default": (lambda x: torch.linalg.vector_norm(x, dim=-1), ((1, 4, 8),)),
    "aten.scaled_dot_product_attention.default": (
        nn.functional.scaled_dot_product_attention,
        ((1, 2, 4, 8), (1, 2, 4, 8), (1, 2, 4, 8)),
    ),
    "aten.where.ScalarSelf": (lambda x: torch.where(x > 0, 1.0, x), ((1, 4),)),
    "aten.rsub.Scalar": (lambda x: 1 - x, ((1, 4),)),
    "aten.leaky_relu.default": (nn.functional.leaky_relu, ((1, 4),)),
    "aten.silu.default": (nn.functional.silu, ((1, 4),)),
    "aten.reciprocal.default": (torch.reciprocal, ((1, 4),)),
    "aten.trunc.default": (torch.trunc, ((1, 4),)),
    "aten.tan.default": (torch.tan, ((1, 4),)),
    "aten.asinh.default": (torch.asinh, ((1, 4),)),
    "aten.log1p.default": (torch.log1p, ((1, 4),)),
    "aten.remainder.Scalar": (lambda x: x % 2.0, ((1, 4),)),
}
"""Targets that ExecuTorch's passes before annotation rewrite, each with a model that has it."""


def _annotated_by(backend: str) -> set[str]:
    from executorch.backends.qualcomm.quantizer.annotators import htp_rules, lpai_rules

    rules = {"htp": htp_rules, "lpai": lpai_rules}[backend].get_rules()
    # A packet (``aten.add``) is no node's target: torch.export resolves every call to one overload.
    return {target_name(target) for target in rules if not isinstance(target, torch._ops.OpOverloadPacket)}


@pytest.mark.parametrize(("backend", "at_least"), [("htp", 170), ("lpai", 125)])
def test_every_target_that_executorch_annotates_has_a_builder(backend: str, at_least: int) -> None:
    annotated = _annotated_by(backend)
    assert len(annotated) >= at_least, "the annotators were not read"
    missing = annotated - BUILDERS.keys() - BEFORE_ANNOTATION.keys()
    assert not missing, f"no builder for {', '.join(sorted(missing))}"


@pytest.mark.parametrize("target", BEFORE_ANNOTATION)
def test_what_needs_no_builder_is_gone_before_annotation(target: str) -> None:
    from executorch.backends.qualcomm._passes.qnn_pass_manager import get_qnn_pass_manager_cls

    class Model(nn.Module):
        def forward(self, *inputs: torch.Tensor) -> Any:
            return compute(*inputs)

    compute, shapes = BEFORE_ANNOTATION[target]
    module = torch.export.export(Model(), tuple(torch.rand(shape) for shape in shapes), strict=True).module()
    assert target in _targets(module), "the model does not have the target it is here for"
    transformed = get_qnn_pass_manager_cls()().transform_for_annotation_pipeline(module)
    assert target not in _targets(transformed)
    assert _targets(transformed) - {"operator.getitem"} <= BUILDERS.keys()


def _targets(module: Any) -> set[str]:
    return {
        target_name(node.target)
        for node in module.graph.nodes
        if node.op == "call_function" and node.target is not operator.getitem and "guards" not in str(node.target)
    }
