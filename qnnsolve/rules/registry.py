"""How a rule is written down: :func:`rule`.

A rule is a pure generator over :class:`~qnnsolve.rules.base.Facts`: it yields constraints, and nothing else happens.
Its docstring has the sections *Why* and *Instead*, from which the command line and the reference are made.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator

import attrs

from qnnsolve.constraints import Constraint
from qnnsolve.constraints.repeats import Repeats
from qnnsolve.rules.base import Facts
from qnnsolve.sources import Source

__all__ = ["Rule", "rule"]

Generator = Callable[[Facts], Iterator[Constraint]]


@attrs.frozen
class Rule:
    """A rule as the registry holds it. ``code`` is stable and never reused."""

    code: str
    name: str
    generate: Generator
    rests_on: tuple[str | Source, ...] = ()
    """What it reads of the operator facts (``tables``, or kinds of curated facts such as ``invariant``), and the
    sources of what it knows itself."""
    repeated: Callable[[Facts], Iterable[tuple[Constraint, ...] | Repeats]] | None = None
    """The same constraints as ``generate``, where most of them repeat others; None where nobody says which."""

    def parts(self, facts: Facts) -> Iterator[tuple[Constraint, ...] | Repeats]:
        """What the rule yields, as few objects as it can."""
        if self.repeated is None:
            yield tuple(self.generate(facts))
        else:
            yield from self.repeated(facts)

    @property
    def doc(self) -> str:
        """The rule's docstring, dedented: a first line, then *Why* and *Instead*."""
        return inspect.getdoc(self.generate) or ""


def rule(
    code: str,
    rests_on: tuple[str | Source, ...] = (),
    repeated: Callable[[Facts], Iterable[tuple[Constraint, ...] | Repeats]] | None = None,
) -> Callable[[Generator], Rule]:
    """Register the decorated generator under ``code``; its name is the function's. The others as in :class:`Rule`."""

    def wrap(generate: Generator) -> Rule:
        return Rule(code, generate.__name__, generate, rests_on, repeated)

    return wrap
