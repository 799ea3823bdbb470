"""Fronts as `qnnsolve search --verify` has them: each point compiled by the real compiler. :func:`verified`."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from benchmarks.search import metrics
from benchmarks.search.configs import NARROW, SOC, WIDE
from benchmarks.search.metrics import decibels
from benchmarks.search.networks import Network
from qnnsolve import export, search_config
from qnnsolve.results import SearchPoint
from qnnsolve.verification.emulator import run_on_emulator

POINTS, EMULATED = 20, 2
"""So many points are asked for, and so many samples run on the emulator for each."""
TARGETS: Mapping[str, tuple[float, int]] = MappingProxyType({"encoder": (0.99, 16)})
"""By network what its metric is to reach, and over how many evaluation samples the emulator tells it."""
CANDIDATES = f"{NARROW},{WIDE}"
_COSTS = ("bit-ops", "weights", "activations", "converts")


def verified(network: Network) -> dict[str, Any]:
    """The front of a network, and the cheapest config that reaches what is asked of it, where something is."""
    start = time.perf_counter()
    found = search_config(
        network.module,
        network.example,
        soc=SOC,
        candidates=CANDIDATES,
        points=POINTS,
        calibration=network.calibration,
        verify=True,
        verify_samples=EMULATED,
    )
    return {
        "candidates": CANDIDATES,
        "asked": POINTS,
        "samples": EMULATED,
        "seconds": round(time.perf_counter() - start),
        "points": [_record(point) for point in found.points],
        "targets": [_reached(network, *TARGETS[network.name])] if network.name in TARGETS else [],
    }


def _record(point: SearchPoint) -> dict[str, Any]:
    program = point.program
    assert program is not None, "it was compiled"
    return {
        "bit_ops": point.amounts["bit-ops"],
        "converts": int(point.amounts["converts"]),
        "predicted_db": point.predicted_db,
        "measured_db": point.measured_db,
        "emulator_db": program.emulator_db,
        "agrees": program.agrees is not False,
        "delegates": program.delegates,
        "cpu_ops": program.cpu_ops,
        "unannounced": list(program.unannounced),
    }


def _reached(network: Network, least: float, count: int) -> dict[str, Any]:
    """The cheapest config whose metric reaches ``least``, beside the uniform ones: the metric on the emulator over
    ``count`` evaluation samples."""
    target = f"{network.metric}>={least}"
    with tempfile.TemporaryDirectory() as folder:
        found = search_config(
            network.module,
            network.example,
            soc=SOC,
            candidates=CANDIDATES,
            target=target,
            calibration=network.calibration,
            recipes=Path(folder) / "recipes",
        )
        configs: list[tuple[str, Mapping[str, float], dict[str, Any]]] = [
            ("the search's", found.points[0].amounts, {"recipe": Path(folder) / "recipes" / "point-1.yaml"})
        ]
        configs += [(each.name, each.amounts, {"precision": each.name}) for each in found.uniforms]
        points = []
        for name, amounts, chosen in configs:
            costs = {cost: amounts[cost] for cost in _COSTS}
            points.append({"name": name, **costs, **_emulated(network, count, Path(folder) / "point.pte", chosen)})
    return {"axis": found.axis, "target": target, "points": points}


def _emulated(network: Network, count: int, pte: Path, chosen: dict[str, Any]) -> dict[str, float]:
    export(
        network.module,
        network.example,
        soc=SOC,
        calibration=network.calibration,
        verify=False,
        out=pte,
        **chosen,
    )
    samples: Sequence[Any] = network.evaluation[:count]
    found = torch.cat([outputs[0] for outputs in run_on_emulator(pte, samples).outputs])
    expected = network.expected[:count]
    return {"db": decibels(expected, found), "metric": metrics.of(network, found)}
