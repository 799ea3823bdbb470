"""Rules: pure generators that turn facts into constraints, common ones and those of one backend."""

from __future__ import annotations

import importlib
from functools import cache

from qnnsolve.constraints import Constraint, Problem
from qnnsolve.errors import UnknownNameError
from qnnsolve.rules import common
from qnnsolve.rules.base import Facts, Rule

__all__ = ["BACKENDS", "Facts", "Rule", "backend_rules", "problem_of"]

BACKENDS = ("htp",)
"""Backends with rules of their own, each a module of this package that is loaded when it is asked for."""


@cache
def backend_rules(backend: str) -> tuple[Rule, ...]:
    """The common rules, then those of ``backend``.

    Raises:
        UnknownNameError: there is no such backend; names those that exist.
    """
    if backend not in BACKENDS:
        raise UnknownNameError("backend", backend, BACKENDS)
    own: tuple[Rule, ...] = importlib.import_module(f"qnnsolve.rules.{backend}").RULES
    return (*common.RULES, *own)


def problem_of(facts: Facts) -> Problem:
    """The constraints that all rules of the facts' backend yield, over the facts' sites."""
    constraints: list[Constraint] = []
    for entry in backend_rules(facts.operators.backend):
        constraints.extend(entry.generate(facts))
    return Problem(facts.domains, tuple(constraints))
