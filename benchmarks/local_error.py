"""Where the emulator and the converted model part, op by op: ``python -m benchmarks.local_error vit SM8350 16a8w``.

The converted model is compiled with every quantized tensor as an output of its own. Then torch computes each op anew
from the *emulator's* inputs to it, so that the difference is what this one op does differently, in steps of its
output's scale: no error is carried from layer to layer. Taps keep the compiler from fusing across them, so an op that
only differs inside a fusion shows up as one that agrees here while the end of the model still differs.
"""

from __future__ import annotations

import argparse
import copy as copying
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import torch
from torch.fx import GraphModule, Interpreter
from torch.fx.graph import CodeGen

import examples.models
import examples.more_models
from qnnsolve.facts.socs import soc as soc_of
from qnnsolve.host.quiet import quiet
from qnnsolve.host.stages import Stages
from qnnsolve.lowering.lower import lower
from qnnsolve.models.tracing import evaluating, exported
from qnnsolve.pipeline.steps import converted_model
from qnnsolve.verification.verify import run_on_emulator

QUANTIZE, DEQUANTIZE = "quantized_decomposed.quantize_per_tensor", "quantized_decomposed.dequantize_per_tensor"

EXAMPLES = {
    name: getattr(module, name) for module in (examples.models, examples.more_models) for name in module.__all__
}


@attrs.frozen
class LocalError:
    """One op: how far apart the two are, in steps of its output's scale; ``apart``: the share of values that differ."""

    name: str
    target: str
    module_path: str
    scale: float
    largest: float
    mean: float
    apart: float


def taps(module: GraphModule) -> list[Any]:
    """One dequantize node per quantized activation, in graph order."""
    found: dict[Any, Any] = {}
    for node in module.graph.nodes:
        source: Any = node.args[0] if str(node.target).startswith(DEQUANTIZE) else None
        if source is not None and str(source.target).startswith(QUANTIZE) and source.args[0].op != "get_attr":
            found.setdefault(source, node)
    return list(found.values())


def tapped(module: GraphModule) -> tuple[GraphModule, list[Any]]:
    """A copy of ``module`` that returns every tap, and the taps in the copy.

    Each is a dequantize node of its own, since an op that works in place (``add_``) writes to the one that it reads.
    """
    copy = copying.deepcopy(module)
    wanted = []
    for tap in taps(copy):
        with copy.graph.inserting_after(tap.args[0]):
            wanted.append(copy.graph.node_copy(tap))
    output = next(node for node in copy.graph.nodes if node.op == "output")
    output.args = (tuple(wanted),)
    copy.graph.set_codegen(CodeGen())
    copy.recompile()
    return copy, wanted


class _Local(Interpreter):
    """Runs the graph with the emulator's value in place of each tap, after noting how far torch's is from it."""

    def __init__(self, module: GraphModule, wanted: Sequence[Any], values: Sequence[torch.Tensor]) -> None:
        super().__init__(module)
        self.values = dict(zip(wanted, values, strict=True))
        self.by_source = {node.args[0]: node for node in wanted}
        self.errors: list[LocalError] = []

    def run_node(self, node: Any) -> Any:
        value = super().run_node(node)
        twin = self.by_source.get(node.args[0]) if str(node.target).startswith(DEQUANTIZE) else None
        if twin is None:
            return value
        got = self.values[twin]
        if node is twin:
            self.errors.append(_error(node, value, got))
        return got.to(value.dtype, copy=True)


def _error(node: Any, value: torch.Tensor, got: torch.Tensor) -> LocalError:
    scale = float(node.args[1])
    steps = ((value.double() - got.double()) / scale).abs()
    source = node.args[0].args[0]
    while str(source.target).startswith("quantized_decomposed"):
        source = source.args[0]
    stack = list((source.meta.get("nn_module_stack") or {"": ("",)}).values())
    return LocalError(
        source.name,
        str(source.target),
        stack[-1][0],
        scale,
        float(steps.max()),
        float(steps.mean()),
        float((steps > 0.5).double().mean()),
    )


def converted_example(name: str, soc: str, precision: str) -> tuple[GraphModule, tuple[Any, ...]]:
    """The example model as ``qnnsolve export`` converts it, and its inputs."""
    model, inputs, calibration = EXAMPLES[name]()
    with quiet(), evaluating(model):
        from qnnsolve.quantizer import SolveQuantizer

        quantizer = SolveQuantizer("htp", soc, False, precision=precision)
        samples = [inputs] if calibration is None else list(calibration)
        return converted_model(exported(model, inputs), samples, quantizer, Stages()), inputs


def compared(converted: GraphModule, inputs: tuple[Any, ...], soc: str) -> tuple[list[LocalError], torch.Tensor]:
    """The local error of every op on the emulator, in graph order, and what the emulator yields last."""
    module, wanted = tapped(converted)
    values = emulated(module, inputs, soc)
    local = _Local(module, wanted, values)
    with torch.no_grad():
        local.run(*inputs)
    return local.errors, values[-1]


def emulated(module: GraphModule, inputs: tuple[Any, ...], soc: str) -> Sequence[torch.Tensor]:
    """What the emulator yields for a converted model, compiled whole."""
    with tempfile.TemporaryDirectory() as folder, quiet():
        pte = Path(folder) / "model.pte"
        lower(module, inputs, soc=soc_of(soc).name, fp16=False, cpu_nodes=frozenset(), out=pte)
        return run_on_emulator(pte, [inputs]).outputs[0]


def main() -> None:
    """Print the ops that are off, of the model on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=EXAMPLES)
    parser.add_argument("soc")
    parser.add_argument("precision")
    options = parser.parse_args()
    converted, inputs = converted_example(options.model, options.soc, options.precision)
    for e in compared(converted, inputs, options.soc)[0]:
        print(
            f"{e.largest:9.2f} max {e.mean:8.3f} mean {e.apart:7.2%} apart  "
            f"{e.target:38} {e.name:30} scale {e.scale:.3g}"
        )


if __name__ == "__main__":
    main()
