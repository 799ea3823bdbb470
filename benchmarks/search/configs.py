"""Mixed-precision configs as wishes, made legal by one solve, converted, and measured: :class:`Bench`."""

from __future__ import annotations

import contextlib
import copy
import functools
import io
from collections.abc import Iterable, Sequence
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
from qnnsolve.rules import Facts, problem_of
from qnnsolve.rules.target import Target, Wanted
from qnnsolve.rules.wishes import By, Strength, What, Where, Wish
from qnnsolve.search.costs import products
from qnnsolve.solver import Limits, Solution, solve

SOC = "SM8750"
NARROW, WIDE = "8a8w", "16a8w"


@attrs.frozen
class Config:
    """What a tool chose: ``precision`` everywhere but where ``wishes`` ask for something else; the later count."""

    name: str
    precision: str = NARROW
    wishes: tuple[Wish, ...] = ()
    merit: float = 0.0
    """How good the tool itself holds it; higher is better."""


@attrs.frozen
class Point:
    """A config as it was made legal and converted. Quality is measured over the evaluation samples."""

    config: str
    bit_operations: int
    converts: int
    sqnr: float
    metric: float
    noise: tuple[float, ...] = attrs.field(repr=False)
    """The noise power at the output for each evaluation sample."""

    @property
    def record(self) -> dict[str, Any]:
        """What is kept of it."""
        return attrs.asdict(self, filter=lambda field, _: field.name != "noise")


@attrs.frozen
class Proposal:
    """What a tool has found: configs, and what they took.

    ``passes``: runs of the network over one sample, forward or backward, calibration included. ``seconds`` of a core.
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


class Bench:
    """Where configs for one network are made legal, converted and measured, each once."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._exported = exported(network.module, network.example)
        self._solved: dict[Config, Solution] = {}
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
    def products(self) -> costs.Products:
        """Its multiplications."""
        target, request = Target.of("htp", SOC, strict=False), Wanted.of(NARROW).request
        return tuple(products(Facts.of(self.graph, target.operators, request)))

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

    def converted(
        self, config: Config, fold: bool = True, only: Sequence[int] | None = None
    ) -> tuple[torch.fx.GraphModule, Keeping]:
        """The network as ``config`` has it, calibrated on the calibration samples (or ``only`` some), and its
        quantizer."""
        from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e

        quantizer = Keeping(SOC, config)
        model = self.prepared(quantizer)
        samples = self.network.calibration
        answers(model, samples if only is None else [samples[index] for index in only])
        with quiet(), torch.no_grad():
            return convert_pt2e(model, fold_quantize=fold), quantizer

    def solved(self, config: Config) -> Solution:
        """The legal config that is nearest to ``config``; nothing is calibrated."""
        if config not in self._solved:
            target, request = Target.of("htp", SOC, strict=False), Wanted.of(config.precision).request
            facts = Facts.of(self.graph, target.operators, request, config.wishes)
            outcome = solve(problem_of(facts), Limits())
            assert isinstance(outcome, Solution), f"{config.name} has no legal config"
            self._solved[config] = outcome
        return self._solved[config]

    def cost(self, config: Config) -> tuple[int, int]:
        """Bit operations and converts of ``config``."""
        solution = self.solved(config)
        return costs.bit_operations(self.products, solution), len(solution.converts)

    def measured(self, config: Config) -> Point:
        """Costs and quality of ``config``. Two that are solved alike are measured once."""
        solution = self.solved(config)
        key = tuple(sorted((site.node, site.user or "", each.name) for site, each in solution.encodings.items()))
        if key not in self._points:
            model, quantizer = self.converted(config)
            assert quantizer.solution is not None
            assert quantizer.solution.encodings == solution.encodings, f"{config.name} is solved in two ways"
            self._points[key] = self.point(config.name, self.cost(config), model)
        return attrs.evolve(self._points[key], config=config.name)

    def point(self, name: str, cost: tuple[int, int], model: torch.fx.GraphModule) -> Point:
        """What a converted model makes of the evaluation samples, beside what it costs."""
        found, network = answers(model, self.network.evaluation), self.network
        noise = (found.double() - network.expected.double()).square().flatten(1).sum(1)
        return Point(name, *cost, metrics.sqnr(network, found), metrics.of(network, found), tuple(noise.tolist()))

    def repeated(self, config: Config, seeds: int = 4) -> tuple[float, ...]:
        """The SQNR of ``config`` in dB, calibrated on a random half of the samples, per seed."""
        half = len(self.network.calibration) // 2
        draws = [
            torch.randperm(2 * half, generator=torch.Generator().manual_seed(seed))[:half] for seed in range(seeds)
        ]
        return tuple(
            metrics.sqnr(self.network, answers(self.converted(config, only=draw.tolist())[0], self.network.evaluation))
            for draw in draws
        )


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
