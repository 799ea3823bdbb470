"""One process: a decoder of a billion parameters on the meta device, exported and solved; prints a line of JSON."""

from __future__ import annotations

import itertools
import json
import logging
import resource
import time
from typing import Any

import torch

from benchmarks.speed.annotating import ours
from benchmarks.speed.models import decoder
from qnnsolve.host.quiet import quiet

LAYERS, WIDTH, HIDDEN, HEADS, KEYS, VOCABULARY = 16, 2048, 8192, 32, 8, 32_000


def measured() -> dict[str, Any]:
    """CPU seconds of the export, of the passes, of annotating, and what came of it."""
    marks = [time.process_time()]
    with torch.device("meta"):
        model, inputs = decoder(LAYERS, WIDTH, heads=HEADS, keys=KEYS, hidden=HIDDEN, vocabulary=VOCABULARY)
    with torch.no_grad():
        exported = torch.export.export(model, inputs).module(check_guards=False)
    marks.append(time.process_time())
    quantizer = ours()
    graph = quantizer.transform_for_annotation(exported)
    marks.append(time.process_time())
    quantizer.annotate(graph)
    marks.append(time.process_time())
    export, passes, annotate = (later - earlier for earlier, later in itertools.pairwise(marks))
    return {
        "parameters": sum(each.numel() for each in model.parameters()),
        "calls": sum(node.op == "call_function" for node in graph.graph.nodes),
        "export": export,
        "passes": passes,
        "annotate": annotate,
        "answer": f"{quantizer.solution.proof}, {len(quantizer.cpu_nodes)} on the CPU",
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def main() -> None:
    """Measure it."""
    logging.disable(logging.WARNING)
    with quiet():
        found = measured()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
