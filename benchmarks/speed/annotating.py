"""One process: a large model's passes and annotations, ExecuTorch's and ours in turn, as CPU seconds.

``python -m benchmarks.speed.annotating MODEL`` prints a line of JSON. Both transform their own copy of the graph;
what is compared is each one's ``transform_for_annotation``, and ``annotate`` with ``validate`` after it. Where there is
no SDK, ExecuTorch validates nothing, so that its figures are lower bounds.
"""

from __future__ import annotations

import contextlib
import copy
import cProfile
import gc
import json
import logging
import os
import pstats
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from unittest import mock

# Set before ExecuTorch looks: where the variable is missing, building a QnnQuantizer downloads an SDK.
os.environ.setdefault("QNN_SDK_ROOT", "")

import torch
from torch.fx import GraphModule

from benchmarks.speed.models import BIG
from qnnsolve.host import stages
from qnnsolve.host.quiet import quiet

CPU_CLOCK = SimpleNamespace(perf_counter=time.process_time)
"""What the stages are timed with here."""
SOC = "SM8750"
REPEATS = 5
SHOWN = 12


def theirs() -> Any:
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


def spent(make: Callable[[], Any], exported: GraphModule) -> tuple[float, float, dict[str, float], int]:
    """CPU seconds of the passes and of annotating, those of each stage of ours, and the annotated graph's calls."""
    quantizer, graph = make(), copy.deepcopy(exported)
    gc.collect()
    start = time.process_time()
    graph = quantizer.transform_for_annotation(graph)
    ready = time.process_time()
    gc.collect()
    begun = time.process_time()
    quantizer.annotate(graph)
    quantizer.validate(graph)
    end = time.process_time()
    laps = dict(quantizer.result.timings) if hasattr(quantizer, "result") else {}
    calls = sum(node.op == "call_function" for node in graph.graph.nodes)
    return ready - start, end - begun, laps, calls


def profiled(exported: GraphModule) -> list[tuple[str, float]]:
    """The modules in which ours spends most of ``annotate``, with their shares."""
    quantizer = ours()
    graph = quantizer.transform_for_annotation(copy.deepcopy(exported))
    profile = cProfile.Profile(time.process_time)
    profile.runcall(quantizer.annotate, graph)
    spent: Counter[str] = Counter()
    for (file, _, _), (_, _, own, _, _) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        _, found, module = file.rpartition("/qnnsolve/")
        spent[module.removesuffix(".py").replace("/", ".") if found else "Python and libraries"] += own
    whole = sum(spent.values())
    return [(module, own / whole) for module, own in spent.most_common(SHOWN)]


def measured(name: str) -> dict[str, Any]:
    """The least of each side's figures over some rounds, of which the first does not count."""
    model, inputs = BIG[name]()
    with torch.no_grad():
        program: Any = torch.export.export(model, inputs)
    exported = program.module(check_guards=False)
    rounds = [(spent(theirs, exported), spent(ours, exported)) for _ in range(REPEATS + 1)][1:]
    upstream, own = zip(*rounds, strict=True)
    best = min(own, key=lambda each: each[1])
    return {
        "model": name,
        "calls": best[3],
        "passes": [min(each[0] for each in side) for side in (upstream, own)],
        "annotate": [min(each[1] for each in side) for side in (upstream, own)],
        "stages": best[2],
        "profile": profiled(exported),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def main() -> None:
    """Measure the model that is named."""
    logging.disable(logging.WARNING)
    # ExecuTorch prints each op that it has no rule for.
    with quiet(), contextlib.redirect_stdout(None), mock.patch.object(stages, "time", CPU_CLOCK):
        found = measured(sys.argv[1])
    print(json.dumps(found))


if __name__ == "__main__":
    main()
