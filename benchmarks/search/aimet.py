"""AIMET's automatic mixed precision, run in its own environment and read back as configs: :func:`by_aimet`."""

from __future__ import annotations

import json
import math
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.search.configs import WIDE, Bench, Config, Proposal
from benchmarks.search.installed import AIMET, FOLDER
from benchmarks.search.tensors import everywhere, wishes
from qnnsolve.facts.graph import Graph


def by_aimet(bench: Bench, timeout: float = 3600.0) -> Proposal:
    """AIMET's whole front: everything wide, and then one group of quantizers after the other made narrow.

    What it found is kept beside the environment, and read from there the next time.
    """
    path = FOLDER / "found" / f"aimet-{bench.network.name}.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        command = (str(AIMET / "bin" / "python"), "-m", "benchmarks.search.aimet_child", bench.network.name, str(path))
        root = Path(__file__).parents[2]
        environment = {**os.environ, "PYTHONPATH": str(root)}
        subprocess.run(command, check=True, timeout=timeout, cwd=root, env=environment)
    found = json.loads(path.read_text(encoding="utf-8"))
    return Proposal(
        "AIMET choose_mixed_precision",
        tuple(of_front(bench.graph, found["front"])),
        found["passes"],
        found["seconds"],
        f"{len(found['front'])} groups, {found['recalibrations']} recalibrations",
    )


def of_front(graph: Graph, front: list[dict[str, Any]]) -> Iterator[Config]:
    """The configs of AIMET's ``front``: point by point, one more of its groups has other bits."""
    groups = [_tensors(graph, point["group"]) for point in front]
    rounded = frozenset().union(*groups)
    # Its score of the first is not told; everything wide is what it measures the others by.
    yield Config("AIMET 0", WIDE, merit=math.inf)
    bits = dict.fromkeys(rounded, 16)
    for index, (point, tensors) in enumerate(zip(front, groups, strict=True), 1):
        bits.update(dict.fromkeys(tensors, point["bits"]))
        yield Config(f"AIMET {index}", WIDE, wishes(graph, everywhere(graph, bits)), point["score"])


def _tensors(graph: Graph, group: list[list[str]]) -> set[str]:
    """The nodes whose output the activation quantizers of ``group`` round."""
    found = set()
    for kind, module in group:
        if kind == "output":
            found.add(module)
        elif kind == "input":
            reader, _, index = module.partition("_input_quantizer_idx_")
            read = [each for each in graph[reader].refs() if not graph.is_param(each)]
            found.add(read[int(index)])
    return found
