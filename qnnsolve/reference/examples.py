"""For each rule a config that breaks it and the mended one, found by the solver over a graph of a few nodes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

import attrs

from qnnsolve.constraints import Allow, Constraint, Prefer, Problem, Site
from qnnsolve.encodings import FLOAT, Encoding
from qnnsolve.reasons import Reason
from qnnsolve.reference.example_graphs import EXAMPLES, Example
from qnnsolve.rules import backend_rules, problem_of
from qnnsolve.rules.base import Facts
from qnnsolve.solver import Solution, check, solve

__all__ = ["BrokenConfig", "broken_config"]


@attrs.frozen
class BrokenConfig:
    """A graph, a line for each call, and at some of its ports what breaks a rule and what does not.

    ``only``: nothing but this rule stands against the broken config; ``dearer``: it is legal, and costs more for it.
    ``ports`` are (port, broken, mended).
    """

    graph: tuple[str, ...]
    where: str
    only: bool
    dearer: bool
    ports: tuple[tuple[str, str, str], ...]


def broken_config(code: str) -> BrokenConfig | None:
    """The example of a rule; None for one that has none (a rule of a backend from elsewhere)."""
    example = EXAMPLES.get(code)
    if example is None:
        return None
    facts = example.facts()
    problem = problem_of(facts)
    mended = solve(problem)
    assert isinstance(mended, Solution), code
    shown, broken, only = _broken(code, example, facts, problem, mended)
    ports = tuple(
        (f"{facts.owner(site)} {facts.port(site).name}", broken[site].name, mended.encodings[site].name)
        for site in shown
    )
    soft = {each.reason.rule for each in problem.constraints if isinstance(each, Prefer)}
    return BrokenConfig(example.lines, example.where, only, code in soft, ports)


def _broken(
    code: str, example: Example, facts: Facts, problem: Problem, mended: Solution
) -> tuple[tuple[Site, ...], Mapping[Site, Encoding], bool]:
    """The sites that break the rule, a config that has them, and whether all other rules accept it."""
    if example.no_candidate is not None:
        name, encoding = example.no_candidate
        site = Site(name)
        assert problem.left_out(site).why(encoding) is not None and encoding not in problem.domains[site]
        return (site,), {site: encoding}, True
    rule = next(each for each in backend_rules(facts.operators.backend) if each.code == code)
    own = tuple(rule.generate(facts))
    others = tuple(each for each in problem.constraints if each.reason.rule != code)
    for floats, (rest, only) in itertools.product((False, True), ((others, True), ((), False))):
        found = [
            (outcome.cost, at, constraint, outcome.encodings)
            for at, (constraint, pins) in enumerate(_breaking(own, problem, mended, floats=floats))
            if isinstance(outcome := solve(Problem(problem.domains, (*rest, *pins))), Solution)
        ]
        if found:
            _, _, constraint, encodings = min(found, key=lambda each: each[:2])
            return tuple(dict.fromkeys(constraint.sites)), encodings, only
    raise AssertionError(f"no config breaks {code} in its example")


def _breaking(
    own: tuple[Constraint, ...], problem: Problem, mended: Solution, *, floats: bool
) -> Iterator[tuple[Constraint, tuple[Constraint, ...]]]:
    """A constraint of the rule, and pins under which it does not hold, with or without a port that is not quantized."""
    for constraint in own:
        sites = tuple(dict.fromkeys(constraint.sites))
        alone = Problem({site: problem.domains[site] for site in sites}, (constraint,))
        best = check(alone, {site: mended.encodings[site] for site in sites}).cost
        for row in itertools.product(*(problem.domains[site] for site in sites)):
            chosen = dict(zip(sites, row, strict=True))
            verdict = check(alone, chosen)
            dearer = isinstance(constraint, Prefer) and verdict.cost is not None and verdict.cost > (best or 0)
            if (not verdict.legal or dearer) and (FLOAT in row) is floats:
                yield constraint, tuple(Allow(site, frozenset({each}), _PIN) for site, each in chosen.items())


_PIN = Reason.in_words("example", "the example has it so")
