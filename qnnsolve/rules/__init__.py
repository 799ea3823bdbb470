"""Rules: pure generators that turn facts into constraints, common ones and those of one backend."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Iterable
from functools import cache

from qnnsolve.constraints import Constraint, Constraints, Problem
from qnnsolve.errors import PluginError, RuleError
from qnnsolve.facts.backends import backend as backend_of
from qnnsolve.facts.backends import loaded
from qnnsolve.rules import common
from qnnsolve.rules.base import Facts
from qnnsolve.rules.kinds import Call
from qnnsolve.rules.left_out import LeftOuts
from qnnsolve.rules.registry import Rule, rule
from qnnsolve.rules.repeating import call_rule
from qnnsolve.rules.wished_ports import refuse_missing_ports

__all__ = ["Call", "Facts", "Rule", "backend_rules", "call_rule", "of_own_rules", "own_rules", "problem_of", "rule"]


@cache
def backend_rules(backend: str) -> tuple[Rule, ...]:
    """The common rules, then those of ``backend``, which are loaded now.

    Raises:
        UnknownNameError: there is no such backend; names those that exist.
        PluginError: its rules cannot be loaded.
        RuleError: two rules have one code.
    """
    found = (*common.RULES, *own_rules(backend))
    by_code = sorted(found, key=lambda each: each.code)
    for first, second in itertools.pairwise(by_code):
        if first.code == second.code:
            raise RuleError(first.code, f"backend {backend}", f"both {first.name} and {second.name} have this code")
    return found


@cache
def own_rules(backend: str) -> tuple[Rule, ...]:
    """The rules of ``backend`` alone.

    Raises:
        UnknownNameError: there is no such backend; names those that exist.
        PluginError: its rules cannot be loaded.
    """
    where = backend_of(backend).rules
    module, _, attribute = where.partition(":")
    rules = loaded(lambda: getattr(importlib.import_module(module), attribute), backend, where)
    if not isinstance(rules, tuple) or not all(isinstance(each, Rule) for each in rules):
        raise PluginError(backend, where, "is not a tuple of rules")
    return rules


def problem_of(facts: Facts, own: Iterable[Rule] = (), more: Iterable[Constraint] = ()) -> Problem:
    """The constraints that all rules of the facts' backend yield, over the facts' sites; then those of the user's
    ``own`` rules, and ``more``.

    Raises:
        UsageError: a wish is for a port that no node at its place has.
        RuleError: a rule of the user's own raises, or yields what no problem can take.
    """
    refuse_missing_ports(facts)
    rules = (*backend_rules(facts.operators.backend), *own)
    parts = itertools.chain.from_iterable(each.parts(facts) for each in rules)
    return Problem(facts.domains, Constraints((*parts, tuple(more))), LeftOuts(facts))


def of_own_rules(problem: Problem, backend: str) -> tuple[Constraint, ...]:
    """The constraints of a kept problem that no rule of the backend yields: those of the user's own rules."""
    known = {entry.code for entry in backend_rules(backend)}
    return tuple(each for each in problem.constraints if each.reason.rule not in known)
