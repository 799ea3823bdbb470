"""Where the emulator and the converted model part, op by op: ``python -m benchmarks.local_error vit SM8350 16a8w``.

The converted model is compiled with every quantized tensor as an output of its own, in parts where the compiler cannot
take them all. Then torch computes each op anew from the *emulator's* inputs to it
(:mod:`qnnsolve.verification.local`), in steps of its output's scale: no error is carried from layer to layer.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch.fx import GraphModule

import examples.models
import examples.more_models
from qnnsolve.facts.socs import soc as soc_of
from qnnsolve.host.quiet import quiet
from qnnsolve.host.stages import Stages
from qnnsolve.lowering.lower import lower
from qnnsolve.models.tracing import evaluating, exported
from qnnsolve.pipeline.steps import Conversion, conversion
from qnnsolve.verification.emulator import run_on_emulator
from qnnsolve.verification.local import LocalCheck, local_checks

EXAMPLES = {
    name: getattr(module, name) for module in (examples.models, examples.more_models) for name in module.__all__
}


def converted_example(name: str, soc: str, precision: str) -> tuple[Conversion, tuple[Any, ...]]:
    """The example model as ``qnnsolve export`` converts it, and its inputs."""
    model, inputs, calibration = EXAMPLES[name]()
    with quiet(), evaluating(model):
        from qnnsolve.quantizer import SolveQuantizer

        quantizer = SolveQuantizer("htp", soc, False, precision=precision)
        samples = [inputs] if calibration is None else list(calibration)
        return conversion(exported(model, inputs), samples, quantizer, Stages()), inputs


def compared(both: Conversion, inputs: tuple[Any, ...], soc: str) -> tuple[LocalCheck, ...]:
    """Every op on the emulator, in graph order."""
    return local_checks(
        both.converted, both.original, [inputs], lambda module: [tuple(emulated(module, inputs, soc))]
    ).checks


def emulated(module: GraphModule, inputs: tuple[Any, ...], soc: str) -> Sequence[torch.Tensor]:
    """What the emulator yields for a converted model, compiled whole."""
    with tempfile.TemporaryDirectory() as folder, quiet():
        pte = Path(folder) / "model.pte"
        lower(module, inputs, soc=soc_of(soc).name, fp16=False, cpu_nodes=frozenset(), out=pte)
        return run_on_emulator(pte, [inputs]).outputs[0]


def main() -> None:
    """Print the ops of the model on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=EXAMPLES)
    parser.add_argument("soc")
    parser.add_argument("precision")
    options = parser.parse_args()
    both, inputs = converted_example(options.model, options.soc, options.precision)
    for each in compared(both, inputs, options.soc):
        print(
            f"{each.check.max_abs / each.scale:9.2f} max {each.mean:8.3f} mean {each.apart:7.2%} apart  "
            f"{each.node.target!s:38} {each.node.name:30} scale {each.scale:.3g}"
        )


if __name__ == "__main__":
    main()
