"""The example models, converted as ``qnnsolve export`` does, for benchmarks that look inside."""

from __future__ import annotations

from typing import Any

from torch.fx import GraphModule

import examples.models
from qnnsolve._quiet import quiet
from qnnsolve.pipeline import _converted, _evaluating, _Stages


def converted_example(name: str, soc: str, precision: str) -> tuple[GraphModule, tuple[Any, ...]]:
    model, inputs, calibration = getattr(examples.models, name)()
    with quiet(), _evaluating(model):
        from qnnsolve.quantizer import SolveQuantizer

        quantizer = SolveQuantizer("htp", soc, False, precision=precision)
        return _converted(model, inputs, calibration, quantizer, _Stages(None)), inputs
