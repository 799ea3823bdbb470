"""What is solved for, and what is wanted: the two records that one run carries."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeAlias

import attrs

from qnnsolve.errors import UsageError
from qnnsolve.facts.backends import backend as backend_of
from qnnsolve.facts.socs import Soc
from qnnsolve.facts.socs import soc as soc_of
from qnnsolve.facts.user import UserFacts
from qnnsolve.facts.user_file import read_user_facts
from qnnsolve.opinfo_facts import FactsSource, OperatorFacts, facts_source, operator_facts
from qnnsolve.rules import Rule, backend_rules
from qnnsolve.rules.own_files import OwnRules, own_rules_in
from qnnsolve.rules.request import Request
from qnnsolve.rules.request import precision as precision_of
from qnnsolve.rules.wish_text import parse_wish
from qnnsolve.rules.wishes import Strength, Wish

__all__ = ["BLOCK_SIZE", "PRECISION", "FactFiles", "Target", "Texts", "Wanted"]

PRECISION = "8a8w"
BLOCK_SIZE = 32

FactFiles: TypeAlias = "UserFacts | Sequence[str | os.PathLike[str]]"
"""The user's own facts, or the files in which they stand."""
Texts: TypeAlias = "str | Sequence[str]"
"""One or several wishes as people type them."""


@attrs.frozen
class Target:
    """The chip that is solved for, and on whose word: ``user`` are the user's own facts, ``source`` whose tables count.

    ``strict``: ops without facts and pins that cannot hold are refused; otherwise they are given up, and said.
    """

    backend: str
    soc: Soc
    strict: bool
    user: UserFacts
    source: FactsSource
    operators: OperatorFacts
    rules: tuple[Rule, ...] = ()
    """Of the user's own, beside those of the backend."""

    @classmethod
    def of(
        cls,
        backend: str,
        soc: str,
        *,
        strict: bool = True,
        user_facts: FactFiles = (),
        source: str | FactsSource = FactsSource.BOTH,
        rules: OwnRules = (),
    ) -> Target:
        """The target that a user names.

        Raises:
            UnknownNameError: an unknown backend, chipset or facts source; names the nearest.
            UsageError: the chipset has no such accelerator.
            FactsError: a file of the user's facts says what cannot be.
            RuleError: a rule of the user's own has the code of another; a UsageError, where its file is broken.
            HostBackendError: the facts of the SDK alone were asked for, and it does not answer.
        """
        own = own_rules_in(rules, backend_rules(backend))
        user = user_facts if isinstance(user_facts, UserFacts) else read_user_facts(user_facts, backend)
        chip = soc_of(soc, user.socs)
        counts = facts_source(source)
        operators = operator_facts(backend, backend_of(backend).arch(chip), chip, counts, user)
        return cls(backend, chip, strict, user, counts, operators, own)

    @property
    def arch(self) -> str:
        """Of the backend on the chip: ``V68`` for HTP, ``V6`` for LPAI."""
        return self.operators.arch

    @property
    def name(self) -> str:
        """``HTP V79 (SM8750)``."""
        return f"{self.backend.upper()} {self.arch} ({self.soc.name})"


@attrs.frozen
class Wanted:
    """What the user asks for: the request where no wish says anything, and the wishes, the earliest first."""

    request: Request
    wishes: tuple[Wish, ...] = ()

    @classmethod
    def of(
        cls,
        precision: str = PRECISION,
        block_size: int | None = None,
        *,
        prefer: Texts = (),
        pin: Texts = (),
        wishes: Sequence[Wish] = (),
    ) -> Wanted:
        """A preset, then ``wishes``, then what is preferred, then what is pinned: the later counts.

        Raises:
            UnknownNameError: an unknown precision; names the nearest.
            UsageError: a wish is not of the form ``WHERE=WHAT``; names the nearest word.
        """
        size = BLOCK_SIZE if block_size is None else block_size
        if type(size) is not int or size < 1:
            raise UsageError(f"a block size is a whole number above 0, like {BLOCK_SIZE}, not {size!r}")
        request = Request.of(precision_of(precision), size)
        typed = ((Strength.PREFER, prefer), (Strength.PIN, pin))
        parsed = (parse_wish(text, how, f"{how.value} {text}") for how, texts in typed for text in _each(texts))
        return cls(request, (*wishes, *parsed))

    def also(self, wish: Wish) -> Wanted:
        """This, and over it ``wish``."""
        return attrs.evolve(self, wishes=(*self.wishes, wish))


def _each(texts: Texts) -> Sequence[str]:
    return (texts,) if isinstance(texts, str) else texts
