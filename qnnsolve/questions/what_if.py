"""The same graph with something else asked for, or for another chip: :func:`what_if`."""

from __future__ import annotations

from qnnsolve.errors import UsageError
from qnnsolve.explain import describe
from qnnsolve.facts.backends import backend as backend_of
from qnnsolve.facts.socs import soc as soc_of
from qnnsolve.opinfo_facts import FactsSource, OperatorFacts, operator_facts
from qnnsolve.questions.answers import RunDifference
from qnnsolve.questions.differing import difference, ports_of
from qnnsolve.questions.opened import Opened
from qnnsolve.rules import of_own_rules, problem_of
from qnnsolve.rules.base import Facts
from qnnsolve.rules.builders import Fate, build
from qnnsolve.rules.request import Request, precision
from qnnsolve.rules.requested import without_pins
from qnnsolve.rules.target import PRECISION, Texts, Wanted
from qnnsolve.rules.wish_text import wish_of
from qnnsolve.rules.wishes import Strength
from qnnsolve.runs import Run, Solved
from qnnsolve.solver import Solution, Unsatisfiable, solve

__all__ = ["what_if"]


def what_if(
    opened: Opened | Solved | Run,
    *,
    soc: str | None = None,
    ask: str | None = None,
    prefer: Texts = (),
    pin: Texts = (),
    allow_float: Texts = (),
    strict: bool = True,
) -> tuple[Solved, RunDifference]:
    """The answer where something else is asked for, and how it differs.

    Args:
        opened: the answer that it is compared with; one without a config has none of its ports.
        soc: another chipset; its shipped facts count.
        ask: another preset.
        prefer: wishes as people type them, over those of the run.
        pin: wishes that must hold.
        allow_float: places that are left on the CPU.
        strict: a pin that cannot hold is a conflict; else it is given up.

    Raises:
        UnknownNameError: an unknown chipset or preset; names the nearest.
        UsageError: a wish means or finds nothing.
    """
    facts = opened.facts
    request = facts.request if ask is None else Request.of(precision(ask))
    places = (allow_float,) if isinstance(allow_float, str) else allow_float
    if not all(where.strip() for where in places):
        raise UsageError("allow-float: a place is the name of a node, a module, an op or a question, and not empty")
    typed = Wanted.of(PRECISION, prefer=prefer, pin=pin).wishes
    left = (wish_of(where, "cpu", Strength.PIN, f"allow-float {where}") for where in places)
    chip = opened.result.soc if soc is None else soc_of(soc).name
    operators = facts.operators if soc is None else _operators(facts.operators, chip)
    other = Facts.of(facts.graph, operators, request, (*facts.wanted.all, *typed, *left), _folding(facts))
    problem = problem_of(other, more=of_own_rules(opened.problem, facts.operators.backend))
    outcome = solve(problem, opened.limits)
    if isinstance(outcome, Unsatisfiable) and not strict:
        problem = without_pins(problem)
        outcome = solve(problem, opened.limits)
    result = describe(other, problem, outcome, soc=chip, timings=())
    encodings = outcome.encodings if isinstance(outcome, Solution) else {}
    before = (opened.result, facts, ports_of(facts, opened.encodings))
    found = difference(before, (result, other, ports_of(other, encodings)))
    return Solved(other, problem, outcome, result, opened.limits), found


def _operators(known: OperatorFacts, soc: str) -> OperatorFacts:
    chip = soc_of(soc)
    return operator_facts(known.backend, backend_of(known.backend).arch(chip), chip, FactsSource.MEASURED)


def _folding(facts: Facts) -> list[str]:
    """Calls that are folded into the one before them, once the model is trained."""
    gone = (name for name, built in facts.built.items() if built.fate is Fate.IDENTITY)
    return [name for name in gone if build(facts.graph[name], facts.graph).fate is not Fate.IDENTITY]
