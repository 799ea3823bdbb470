"""A search on a decoder of a billion parameters, as far as this machine goes.

    python -m benchmarks.search.decoder

The solve needs no weights, so it is done on the whole decoder. The sensitivities need them: they are found on decoders
of the same width with few layers, each in a process of its own, and what one more layer takes tells what all would.
"""

from __future__ import annotations

import json
import logging
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import torch
from torch.fx import GraphModule

from benchmarks.search.configs import SOC
from benchmarks.speed.models import decoder
from benchmarks.speed.weightless import HEADS, HIDDEN, KEYS, LAYERS, VOCABULARY, WIDTH
from qnnsolve.facts.fx import read_graph
from qnnsolve.host.quiet import quiet
from qnnsolve.quantizer import SolveQuantizer
from qnnsolve.rules.target import Target, Wanted
from qnnsolve.search.calibrating import Watched
from qnnsolve.search.candidates import Candidates
from qnnsolve.search.front import Front
from qnnsolve.search.noises import needed
from qnnsolve.search.sensitivity import float_outputs, sensitivities
from qnnsolve.search.spaces import Space
from qnnsolve.solver import Limits

CANDIDATES = "16a8w,16a4w"
POINTS = 10
FEW = (1, 2)
"""Layers of the decoders whose sensitivities are found."""
DIRECTIONS = 4
MEMORY = 64 * 2**20
"""Bytes of activations that are held; the rest waits in files."""


class Watch:
    """CPU seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.process_time()

    def lap(self, stage: str) -> None:
        """End ``stage``."""
        now = time.process_time()
        self.seconds[stage], self._last = round(now - self._last, 2), now


def transformed(layers: int, device: str, watch: Watch) -> tuple[GraphModule, Space, tuple[Any, ...]]:
    """A decoder's graph, and the space of its configs."""
    with torch.device(device):
        model, inputs = decoder(layers, WIDTH, heads=HEADS, keys=KEYS, hidden=HIDDEN, vocabulary=VOCABULARY)
    with torch.no_grad():
        exported = torch.export.export(model, inputs).module(check_guards=False)
    watch.lap("export")
    chosen, aim = Candidates.of(CANDIDATES), Target.of("htp", SOC, strict=False)
    wanted = Wanted.of(chosen.everywhere[0])
    graph = SolveQuantizer.of(aim, wanted, Limits(), None).transform_for_annotation(exported)
    watch.lap("passes")
    space = Space.of(read_graph(graph), aim, chosen, wanted)
    watch.lap("space")
    return graph, space, inputs


def solved() -> dict[str, Any]:
    """The front of the whole decoder; the noise of a site is made up, from its place."""
    watch = Watch()
    graph, space, _ = transformed(LAYERS, "meta", watch)
    keys = needed(space)
    noise = {key: 1e-4 * 4.0 ** (8 - key[1].bits) * (1 + 37 * place % 101) for place, key in enumerate(keys)}
    front = Front.of(space, noise)
    watch.lap("program")
    budgets = reversed([*front.axis("weights", POINTS, {}, Limits())])
    points = [point for most in budgets if (point := front.best(most, Limits())) is not None]
    watch.lap(f"{POINTS} points")
    return {
        **_about(graph),
        "noises": len(keys),
        "seconds": watch.seconds,
        "gap": max(point.best.gap for point in points),
        "peak_mb": _peak(),
    }


def sensed(layers: int) -> dict[str, Any]:
    """The sensitivities of one sample of a decoder with so many layers."""
    watch = Watch()
    torch.manual_seed(0)
    graph, space, inputs = transformed(layers, "cpu", watch)
    before = _peak()
    watched = Watched.of(graph, space, [inputs])
    roundings = watched.calibrated().roundings
    watch.lap("calibrate")
    calibrated, keys = _peak(), [*needed(space)]
    wanted = float_outputs(watched.outputs, {})
    taken = {key: roundings[key] for key in keys if key in roundings}
    found = sensitivities(graph, [inputs], wanted, taken, directions=DIRECTIONS, memory=MEMORY)
    watch.lap("sensitivities")
    return {
        "layers": layers,
        **_about(graph),
        "noises": len(found.noise),
        "seconds": watch.seconds,
        "model_mb": before,
        "calibrated_mb": calibrated,
        "peak_mb": _peak(),
    }


def _about(graph: GraphModule) -> dict[str, int]:
    return {
        "parameters": sum(each.numel() for each in graph.parameters()),
        "calls": sum(node.op == "call_function" for node in graph.graph.nodes),
    }


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _child(*arguments: str) -> dict[str, Any]:
    command = (sys.executable, "-m", "benchmarks.search.decoder", *arguments)
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _told() -> Iterator[str]:
    found = _child("solve")
    yield f"{found['parameters']:,} parameters, {found['calls']:,} calls, {found['noises']:,} noises: {found}"
    runs = [_child("sense", str(layers)) for layers in FEW]
    yield from map(str, runs)
    first, last = runs[0], runs[-1]
    for name in ("peak_mb", "model_mb", "calibrated_mb"):
        yield f"{name}: {_at_all(first, last, first[name], last[name]):,.0f} for {LAYERS} layers"
    for stage in ("calibrate", "sensitivities"):
        seconds = _at_all(first, last, first["seconds"][stage], last["seconds"][stage])
        yield f"{stage}: {seconds:,.0f} s of a core for one sample and {LAYERS} layers"


def _at_all(first: dict[str, Any], last: dict[str, Any], low: float, high: float) -> float:
    """On the line through two runs."""
    return low + (high - low) / (last["layers"] - first["layers"]) * (LAYERS - first["layers"])


def main() -> None:
    """Measure it, or one part of it in this process."""
    logging.disable(logging.WARNING)
    match sys.argv[1:]:
        case ["solve"]:
            with quiet():
                found = solved()
            print(json.dumps(found))
        case ["sense", layers]:
            with quiet():
                found = sensed(int(layers))
            print(json.dumps(found))
        case _:
            for line in _told():
                print(line, flush=True)


if __name__ == "__main__":
    main()
