"""Models that write in place, and their graphs without the writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from qnnsolve.rewriting.writes import spell_out_writes

Step = Callable[[torch.Tensor, torch.Tensor], Any]


class Model(nn.Module):
    """What ``step`` does with a tensor of its own, or with a state that it keeps, and the input."""

    kept: torch.Tensor

    def __init__(self, step: Step, keeps: bool, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.step, self.keeps = step, keeps
        self.register_buffer("kept", torch.arange(24).reshape(2, 3, 4).to(dtype))

    def forward(self, x: torch.Tensor) -> Any:
        own = self.kept if self.keeps else x * 2
        result = self.step(own, x)
        return (own * 1, result * 3) if isinstance(result, torch.Tensor) else own * 1


def rewritten(model: nn.Module) -> torch.fx.GraphModule:
    graph = torch.export.export(model, (torch.rand(2, 3, 4),)).module()
    assert isinstance(graph, torch.fx.GraphModule)
    spell_out_writes(graph)
    graph.graph.lint()
    return graph


def writes(graph: torch.fx.GraphModule) -> list[str]:
    """The targets of those that are left."""
    calls = (node.target for node in graph.graph.nodes if node.op == "call_function")
    return [str(target) for target in calls if isinstance(target, torch._ops.OpOverload) and target._schema.is_mutable]
