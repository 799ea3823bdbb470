"""What annotating costs beside upstream's quantizer: ``python -m benchmarks.bench_annotate [MODEL ...]``.

In one process, per model, the best of three: ``SolveQuantizer.annotate`` (facts, rules, solve, report, writing) against
``QnnQuantizer.annotate`` and ``validate``; and the same with ``transform_for_annotation`` before it, since the search
for infinities among the parameters is upstream's in the first and ours in the second. Without the SDK upstream
validates nothing, so its figures are lower bounds. The solve has to cost less than what it replaces: ratios below 1.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import logging
import os
import time
from collections.abc import Callable
from typing import Any

# Set before ExecuTorch looks: where the variable is missing, building a QnnQuantizer downloads an SDK.
os.environ.setdefault("QNN_SDK_ROOT", "")

import torch
from torch.fx import GraphModule

from qnnsolve.host.quiet import quiet
from qnnsolve.models.locating import locate

MODELS = ("examples.models:vit", "examples.more_models:swin", "examples.more_models:llama")
SOC = "SM8750"
REPEATS = 3


def upstream() -> Any:
    """ExecuTorch's quantizer at 16a8w, per channel as ours."""
    from executorch.backends.qualcomm.quantizer.quantizer import QnnQuantizer, QuantDtype
    from executorch.backends.qualcomm.serialization.qc_schema import QcomChipset, QnnExecuTorchBackendType

    quantizer = QnnQuantizer(QnnExecuTorchBackendType.kHtpBackend, QcomChipset[SOC])
    quantizer.set_default_quant_config(QuantDtype.use_16a8w, is_conv_per_channel=True, is_linear_per_channel=True)
    return quantizer


def ours() -> Any:
    """The same request, solved."""
    from qnnsolve.quantizer import SolveQuantizer

    return SolveQuantizer("htp", SOC, strict=False, precision="16a8w")


def seconds(make: Callable[[], Any], exported: GraphModule) -> tuple[float, float, Any]:
    """Least time of annotating and validating ``exported``, of that and the passes before, and the last quantizer."""
    alone, whole = [], []
    for _ in range(REPEATS):
        quantizer, graph = make(), copy.deepcopy(exported)
        start = time.perf_counter()
        graph = quantizer.transform_for_annotation(graph)
        ready = time.perf_counter()
        quantizer.annotate(graph)
        quantizer.validate(graph)
        end = time.perf_counter()
        alone.append(end - ready)
        whole.append(end - start)
    return min(alone), min(whole), quantizer


def main() -> None:
    """Print one line per model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=MODELS, metavar="MODEL", help="as for `qnnsolve solve`")
    models = parser.parse_args().models
    logging.disable(logging.WARNING)
    head = f"{'model':<28} {'calls':>5}   annotate: upstream s, qnnsolve s, ratio   with passes: the same"
    print(head)
    with quiet():
        from qnnsolve.models.files import load_model

        for name in models:
            model = load_model(locate(name, "model", (".pt2",)))
            program: Any = model.model
            if isinstance(program, torch.nn.Module):
                with torch.no_grad():
                    program = torch.export.export(program.eval(), model.example_inputs or (), strict=False)
            exported = program.module(check_guards=False)
            calls = sum(node.op == "call_function" for node in exported.graph.nodes)
            with contextlib.redirect_stdout(None):  # there, each op that upstream has no rule for
                theirs, own = seconds(upstream, exported), seconds(ours, exported)
            figures = [f"{a:>8.2f} {b:>8.2f} {b / a:>6.2f}" for a, b in zip(theirs[:2], own[:2], strict=True)]
            laps = ", ".join(f"{stage} {spent:.2f}" for stage, spent in own[2].result.timings)
            print(f"{name:<28} {calls:>5} {'   '.join(figures)}   ({laps})", flush=True)


if __name__ == "__main__":
    main()
