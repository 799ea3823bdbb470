"""Solves to keep, made without torch: blocks over the shipped facts, and one in which pins contradict each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs

from qnnsolve.constraints import Allow, Constraint, Site
from qnnsolve.encodings import FLOAT, DType, Encoding
from qnnsolve.explain import describe
from qnnsolve.facts.graph import CodeLine, Graph, Node, Ref
from qnnsolve.facts.socs import soc
from qnnsolve.opinfo_facts import FactsSource, operator_facts
from qnnsolve.reasons import Reason, Says
from qnnsolve.report.json_results import dumps, solve_json
from qnnsolve.results import SolveResult
from qnnsolve.rules import Facts, problem_of
from qnnsolve.rules.request import Request, precision
from qnnsolve.rules.wishes import Wish
from qnnsolve.runs import Solved
from qnnsolve.solver import Limits, solve
from qnnsolve.sources import Source, SourceKind
from tests.rules.graphs import call, param, placeholder

U8, U16 = Encoding.affine(DType.UINT8), Encoding.affine(DType.UINT16)
OPS = 8
"""Calls in one block."""


def blocks(number: int, width: int = 8) -> Graph:
    """Attention without projections of its own, a norm and a linear, so many times."""
    return Graph.of(tuple(_nodes(number, width)))


def _nodes(number: int, width: int) -> Iterator[Node]:
    shape, scores = (1, 4, width), (1, 4, 4)
    yield placeholder("x", *shape)
    last = "x"
    for at in range(number):
        where = f"layers.{at}"

        def inside(node: Node, place: str = where, number: int = at) -> Node:
            return attrs.evolve(node, module_path=place, line=CodeLine("model.py", 10 + number % 7, f"x = {node.name}"))

        weight, bias, scale, shift = f"w_{at}", f"b_{at}", f"g_{at}", f"h_{at}"
        yield param(weight, width, width)
        yield param(bias, width)
        yield param(scale, width)
        yield param(shift, width)
        before = Ref(last)
        for name, target, args, size in (
            ("norm", "layer_norm.default", (before, (width,), Ref(scale), Ref(shift), 1e-5), shape),
            ("linear", "linear.default", (Ref(f"norm_{at}"), Ref(weight), Ref(bias)), shape),
            ("turned", "permute.default", (Ref(f"linear_{at}"), (0, 2, 1)), (1, width, 4)),
            ("scores", "matmul.default", (Ref(f"linear_{at}"), Ref(f"turned_{at}")), scores),
            ("soft", "softmax.int", (Ref(f"scores_{at}"), -1), scores),
            ("mixed", "matmul.default", (Ref(f"soft_{at}"), Ref(f"linear_{at}")), shape),
            ("gelu", "gelu.default", (Ref(f"mixed_{at}"),), shape),
            ("add", "add.Tensor", (Ref(f"gelu_{at}"), before), shape),
        ):
            yield inside(call(f"{name}_{at}", target, *args, shape=size))
        last = f"add_{at}"


def facts(graph: Graph, chip: str = "SM8350", ask: str = "16a8w", wishes: Sequence[Wish] = ()) -> Facts:
    chipset = soc(chip)
    arch = {"SM8350": "V68", "SM8750": "V79"}[chip]
    operators = operator_facts("htp", arch, chipset, FactsSource.MEASURED)
    return Facts.of(graph, operators, Request.of(precision(ask)), wishes)


def solved(given: Facts, *more: Constraint, limits: Limits | None = None) -> Solved:
    rules = problem_of(given)
    problem = attrs.evolve(rules, constraints=(*rules.constraints, *more))
    outcome = solve(problem, limits or Limits())
    result = describe(given, problem, outcome, soc="SM8350", timings=(("solve", 0.5),))
    return Solved(given, problem, outcome, result, limits or Limits())


def pinned(node: str, encoding: Encoding, words: str) -> Allow:
    """What a user insists on at the output of a node."""
    reason = Reason.of("QC900", Says.IN_WORDS, (Source(SourceKind.USER, words),), text=f"{words} asks for {encoding}")
    return Allow(Site(node), frozenset({encoding}), reason)


def contradiction() -> Solved:
    """Two pins on what a permutation reads and writes, which are one encoding."""
    return solved(facts(blocks(1)), pinned("soft_0", U8, "--pin a"), pinned("soft_0", FLOAT, "--pin b"))


def text(result: SolveResult) -> str:
    """The result as JSON, without its seconds."""
    return dumps({**solve_json(result, "m"), "timings": None})
