"""What tests of rewriting steps export and look at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from qnnsolve.facts.fx import target_name

X = torch.linspace(-30, 30, 64).reshape(2, 4, 8)
IMAGE = torch.randn(1, 2, 12, 12, generator=torch.Generator().manual_seed(0))


def exported(compute: Callable[..., Any], inputs: tuple[torch.Tensor, ...]) -> Any:
    """The graph of a model that is ``compute``, or calls it."""

    class Model(nn.Module):
        def forward(self, *given: torch.Tensor) -> Any:
            return compute(*given)

    if isinstance(compute, nn.Module):
        return torch.export.export(compute.eval(), inputs, strict=False).module()
    return torch.export.export(Model(), inputs, strict=False).module()


def targets(module: Any) -> set[str]:
    """The names of all targets that a graph calls."""
    return {target_name(node.target) for node in module.graph.nodes if node.op == "call_function"}
