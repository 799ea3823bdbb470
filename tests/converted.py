"""Models of the tests, quantized as solved for."""

from __future__ import annotations

from typing import Any

import torch

from qnnsolve import pipeline
from qnnsolve.host.quiet import quiet
from qnnsolve.host.stages import Stages
from qnnsolve.models.tracing import exported as exported_graph
from qnnsolve.quantizer import SolveQuantizer
from tests.nets import seeded


def converted_net(net: type[torch.nn.Module], samples: list[Any], precision: str = "16a8w") -> torch.fx.GraphModule:
    """``net``, with weights from a seed, as converted for SM8750 after it has seen ``samples``."""
    quantizer = SolveQuantizer("htp", "SM8750", precision=precision)
    with quiet():
        module = exported_graph(seeded(net), samples[0])
        return pipeline.steps.converted_model(module, samples, quantizer, Stages(None))
