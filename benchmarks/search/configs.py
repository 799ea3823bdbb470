"""Mixed-precision configs as wishes, made legal by one solve, converted, and measured: :class:`Bench`."""

from __future__ import annotations

import contextlib
import copy
import functools
import io
import time
from collections.abc import Iterable
from typing import Any

import attrs
import torch

from benchmarks.search import costs, metrics
from benchmarks.search.networks import Network, answers
from qnnsolve.facts.fx import read_graph
from qnnsolve.facts.graph import Graph, NodeKind
from qnnsolve.host.quiet import quiet
from qnnsolve.models.tracing import exported
from qnnsolve.quantizer import SolveQuantizer
from qnnsolve.rules.wishes import By, Strength, What, Where, Wish
from qnnsolve.solver import Solution

SOC = "SM8750"
NARROW, WIDE = "8a8w", "16a8w"


@attrs.frozen
class Config:
    """What a tool chose: ``precision`` everywhere but where ``wishes`` ask for something else; the later count."""

    name: str
    precision: str = NARROW
    wishes: tuple[Wish, ...] = ()


@attrs.frozen
class Point:
    """A config as it was made legal and converted. Quality is measured over the evaluation samples."""

    config: str
    bit_operations: int
    converts: int
    weight_bytes: int
    sqnr: float
    metric: float
    seconds: float
    """For solving, calibrating, converting and measuring; no tool is charged with it."""


@attrs.frozen
class Proposal:
    """What a tool has found: configs, in what order it likes, and what they took.

    ``passes``: runs of the network over one sample, forward or backward, calibration included.
    """

    tool: str
    configs: tuple[Config, ...]
    passes: int
    seconds: float
    details: str = ""


def wide(names: Iterable[str], port: str = "", bits: int = 16, weight: int | None = None) -> tuple[Wish, ...]:
    """Wishes for ``bits`` per activation (and per weight) at ``port`` of nodes."""
    key = ",".join(names)
    what = What(activation=bits, weight=weight)
    return (Wish(Where(By.NODES, key, port), what, "the benchmark", Strength.PREFER),) if key else ()


def wide_tensors(graph: Graph, names: Iterable[str]) -> tuple[Wish, ...]:
    """Wishes for 16 bits of what nodes yield, where it is yielded and wherever it is read."""
    return tuple(wish for name in names for wish in (*wide([name], "out"), *wide(graph.readers(name), f"from:{name}")))


class Bench:
    """Where configs for one network are made legal, converted and measured, each once."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._exported = exported(network.module, network.example)
        self._points: dict[tuple[tuple[str, str, str], ...], Point] = {}

    @functools.cached_property
    def transformed(self) -> torch.fx.GraphModule:
        """The graph that is annotated: its nodes are those that wishes name."""
        keeping = Keeping(SOC, Config("graph"))
        self.prepared(keeping)
        return keeping.seen

    @functools.cached_property
    def graph(self) -> Graph:
        """Facts of it."""
        return read_graph(self.transformed)

    @functools.cached_property
    def ops(self) -> tuple[str, ...]:
        """Ops that compute with floats, in the order of the graph."""
        return tuple(
            node.name
            for node in self.graph
            if node.kind is NodeKind.CALL and any(each.is_float for each in node.tensors)
        )

    def prepared(self, quantizer: SolveQuantizer) -> torch.fx.GraphModule:
        """The network with the quantizer's observers in it."""
        from torchao.quantization.pt2e.quantize_pt2e import prepare_pt2e

        with quiet(), contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
            model: torch.fx.GraphModule = prepare_pt2e(copy.deepcopy(self._exported), quantizer)
        return model

    def converted(self, config: Config, fold: bool = True) -> tuple[torch.fx.GraphModule, Keeping]:
        """The network as ``config`` has it, calibrated on the calibration samples, and its quantizer."""
        from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e

        quantizer = Keeping(SOC, config)
        model = self.prepared(quantizer)
        answers(model, self.network.calibration)
        with quiet(), torch.no_grad():
            return convert_pt2e(model, fold_quantize=fold), quantizer

    def solved(self, config: Config) -> Solution:
        """The legal config that is nearest to ``config``; nothing is calibrated."""
        quantizer = Keeping(SOC, config)
        self.prepared(quantizer)
        assert quantizer.solution is not None
        return quantizer.solution

    def measured(self, config: Config) -> Point:
        """Costs and quality of ``config``. Two that are solved alike are measured once."""
        start = time.perf_counter()
        model, quantizer = self.converted(config)
        assert quantizer.solution is not None
        point = self.of(config.name, model, quantizer.solution)
        return attrs.evolve(point, seconds=time.perf_counter() - start)

    def of(self, name: str, model: Any, solution: Solution) -> Point:
        """Costs of ``solution``, quality of ``model``, which is converted by it."""
        key = tuple(sorted((site.node, site.user or "", each.name) for site, each in solution.encodings.items()))
        if key not in self._points:
            found = answers(model, self.network.evaluation)
            self._points[key] = Point(
                name,
                costs.bit_operations(self.graph, solution),
                len(solution.converts),
                costs.weight_bytes(self.graph, solution),
                metrics.sqnr(self.network, found),
                metrics.of(self.network, found),
                0.0,
            )
        return attrs.evolve(self._points[key], config=name)


class Keeping(SolveQuantizer):
    """One for ``config``, that keeps the graph as it is annotated."""

    def __init__(self, soc: str, config: Config) -> None:
        super().__init__("htp", soc, strict=False, precision=config.precision, wishes=config.wishes)
        self.seen: torch.fx.GraphModule

    def annotate(self, model: torch.fx.GraphModule) -> torch.fx.GraphModule:
        """As ever."""
        self.seen = copy.deepcopy(model)
        return super().annotate(model)


def uniform() -> tuple[Config, ...]:
    """The presets that everybody has."""
    return tuple(Config(f"uniform {name}", name) for name in (NARROW, WIDE, "16a4w"))
