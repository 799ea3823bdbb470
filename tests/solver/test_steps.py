"""What a solve does is counted, not timed: a step that becomes dearer, or work that is no longer shared, fails here.

Numbers are of the transformer of ``benchmarks.bench_graph``. A change that makes one smaller may lower its ceiling; one
that needs a higher ceiling costs every user, and says why.
"""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from functools import cache
from types import FrameType
from typing import Any
from unittest import mock

import pytest

from benchmarks.bench_graph import transformer
from qnnsolve.facts.graph import Graph
from qnnsolve.opinfo_facts import operator_facts
from qnnsolve.rules import Facts, problem_of
from qnnsolve.rules.request import Request, precision
from qnnsolve.rules.wish_text import parse_wish
from qnnsolve.rules.wishes import Strength, Where
from qnnsolve.solver import Solution, solve
from qnnsolve.solver.joint import Joint
from qnnsolve.solver.optimum.factors import Factors
from qnnsolve.solver.optimum.templates import Templates

SMALL, LARGE = 260, 520


def calls_of(work: Any) -> Counter[str]:
    """Calls of each wing's functions during ``work()``, by the wing's name."""
    counted: Counter[str] = Counter()

    def count(frame: FrameType, event: str, _: object) -> None:
        module = frame.f_globals.get("__name__", "")
        if event == "call" and module.startswith("qnnsolve."):
            counted[module.split(".")[1]] += 1

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return counted


@cache
def steps(ops: int) -> dict[str, int]:
    """What making and solving a graph of so many ops takes."""
    operators, nodes = operator_facts("htp", "V68"), tuple(transformer(ops))
    found: list[Any] = []
    joints: set[int] = set()
    templates: list[object] = []
    tables: list[Factors] = []
    made = Factors.__init__
    alive, placed = Joint._alive, Templates.make
    touched: Counter[str] = Counter()

    def keep(self: Factors, *given: Any, **named: Any) -> None:
        tables.append(self)
        made(self, *given, **named)

    def see(self: Templates, *given: Any) -> Any:
        templates.append(given)
        return placed(self, *given)

    def look(self: Joint, masks: tuple[int, ...]) -> int:
        joints.add(id(self))
        touched["rows touched"] += len(self.rows)
        return alive(self, masks)

    def work() -> None:
        facts = Facts.of(Graph.of(nodes), operators, Request.of(precision("16a8w")))
        problem = problem_of(facts)
        found[:] = [problem, solve(problem)]

    work()  # what is compiled once per process is compiled now
    calls = calls_of(work)
    patched = ((Factors, "__init__", keep), (Templates, "make", see), (Joint, "_alive", look))
    with contextlib.ExitStack() as stack:
        for patch in patched:
            stack.enter_context(mock.patch.object(*patch))
        solve(found[0])
    problem, answer = found
    assert isinstance(answer, Solution) and answer.optimal
    return {
        "sites": len(problem.domains),
        "constraints": len(problem.constraints),
        "eliminations": answer.statistics.nodes,
        "searched": answer.statistics.searched,
        "relations": len({id(c.relation) for c in problem.constraints if hasattr(c, "relation")}),
        "joints": len(joints),
        "templates": len(templates),
        **touched,
        "tables": sum(len(each.tables) for each in tables),
        "table entries": sum(table.size for each in tables for table in each.tables),
        **{f"calls in {wing}": number for wing, number in calls.items()},
    }


PER_BLOCK = {
    "constraints": 77,
    "eliminations": 1,
    "calls in facts": 330,
    "calls in rules": 520,
    "calls in encodings": 480,
    "calls in opinfo_facts": 110,
    "calls in solver": 75,
}
"""Ceilings for each further block of 13 ops; calls with a tenth to spare, since dictionaries compare by chance."""


@pytest.mark.parametrize("step", PER_BLOCK)
def test_a_block_more_takes_so_many_steps_more(step: str) -> None:
    more = (steps(LARGE)[step] - steps(SMALL)[step]) / ((LARGE - SMALL) / 13)
    assert 0 < more <= PER_BLOCK[step]


@pytest.mark.parametrize(
    "step", ["relations", "joints", "templates", "rows touched", "tables", "table entries", "calls in constraints"]
)
def test_blocks_that_are_alike_share_their_tables(step: str) -> None:
    assert 0 < steps(LARGE)[step] == steps(SMALL)[step]


def test_pins_by_name_are_looked_up_and_not_searched_for() -> None:
    nodes = tuple(transformer(LARGE))
    wishes = [parse_wish(f"q{block}@out=u16", Strength.PIN, "pin") for block in range(LARGE // 13)]
    graph, operators, request = Graph.of(nodes), operator_facts("htp", "V68"), Request.of(precision("16a8w"))
    with mock.patch.object(Where, "finds", autospec=True, side_effect=Where.finds) as asked:
        facts = Facts.of(graph, operators, request, wishes)
    assert asked.call_count == 0 and len(facts.wanted.nodes_of) == LARGE // 13


def test_the_count_sees_what_is_called() -> None:
    assert calls_of(lambda: parse_wish("*=16a8w", Strength.PIN, "pin"))["rules"] > 0
    assert calls_of(lambda: None) == {}
