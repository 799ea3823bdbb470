"""Rules of the user's own, in Python: files of ``@rule`` generators. :func:`own_rules_in`.

They yield constraints as the built-in ones do. What they yield has the user as its source, and what is wrong with a
file is one line that names it.
"""

from __future__ import annotations

import os
import runpy
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import attrs

from qnnsolve.constraints import Constraint
from qnnsolve.errors import RuleError, UsageError
from qnnsolve.foreign import foreign, printable
from qnnsolve.rules.base import Facts
from qnnsolve.rules.registry import Rule
from qnnsolve.sources import Source, SourceKind, joined

__all__ = ["OwnRules", "own_rules_in"]

OwnRules: TypeAlias = "Sequence[Rule | str | os.PathLike[str]]"
"""Rules, or the Python files in which they stand."""


def own_rules_in(given: OwnRules, taken: Sequence[Rule]) -> tuple[Rule, ...]:
    """The rules of the user's own, in their order; the Python files are executed.

    Raises:
        UsageError: a file cannot be read, its code raises, or no rule stands in it.
        RuleError: two rules have one code, or one has that of a rule in ``taken``.
    """
    found: list[Rule] = []
    for each in given:
        rules = [(each, "your own")] if isinstance(each, Rule) else [(one, _called(each)) for one in _in_file(each)]
        for rule, called in rules:
            same = next((one for one in (*taken, *found) if one.code == rule.code), None)
            if same is not None:
                raise RuleError(rule.code, called, f"{same.name} has this code already: give {rule.name} another")
            found.append(_checked(rule, called))
    return tuple(found)


def _called(path: str | os.PathLike[str]) -> str:
    return f"rules {printable(os.fspath(path))}"


def _in_file(path: str | os.PathLike[str]) -> list[Rule]:
    called = _called(path)
    if not Path(path).is_file():
        raise UsageError(f"{called}: there is no such file")
    with foreign(called):
        names = runpy.run_path(os.fspath(path))
    found = list(dict.fromkeys(each for each in names.values() if isinstance(each, Rule)))
    if not found:
        raise UsageError(f"{called}: no rule stands in it; a rule is a generator with @rule('MY001') before it")
    return found


def _checked(rule: Rule, called: str) -> Rule:
    """``rule``, whose constraints are what a problem can take, with the user as a source."""
    user = Source(SourceKind.USER, f"{called}: {rule.name}")

    def generate(facts: Facts) -> Iterator[Constraint]:
        def broken(what: str) -> RuleError:
            return RuleError(rule.code, called, what)

        with foreign(f"{rule.name} raised", broken):
            yielded = list(rule.generate(facts))
        for each in yielded:
            if not isinstance(each, Constraint):
                raise broken(f"{rule.name} yields {printable(repr(each), 80)}, which is no constraint")
            for site in each.sites:
                if site not in facts.domains:
                    raise broken(f"{rule.name} names {printable(str(site), 80)}, which has no encoding to choose")
            reason = each.reason
            if reason.rule != rule.code:
                raise broken(f"{rule.name} gives a reason with the code {printable(reason.rule, 20)}")
            yield attrs.evolve(each, reason=attrs.evolve(reason, sources=joined((*reason.sources, user))))

    return attrs.evolve(rule, generate=generate, repeated=None)
