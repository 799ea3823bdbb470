"""A question as data: goals with variables, and rules that define further relations."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TypeAlias

import attrs

__all__ = [
    "Atom",
    "Clause",
    "Compare",
    "Goal",
    "Not",
    "Question",
    "Row",
    "Term",
    "TextPlace",
    "Value",
    "Variable",
    "quoted",
    "variables_of",
]

Value: TypeAlias = str | int | float
Row: TypeAlias = tuple[Value, ...]


@attrs.frozen
class TextPlace:
    """A place in what somebody wrote: in which text, and at which line and character, both from 1."""

    text: str
    line: int
    character: int

    def __str__(self) -> str:
        return f"{self.text}:{self.line}:{self.character}"


@attrs.frozen
class Variable:
    """A variable; one whose name begins with ``_`` is no part of an answer."""

    name: str

    @property
    def shown(self) -> bool:
        """Whether an answer tells its value."""
        return not self.name.startswith("_")

    def __str__(self) -> str:
        return self.name.partition("@")[0]


Term: TypeAlias = Variable | Value


def quoted(term: Term) -> str:
    """A term as it can be typed: text between double quotes, with the escapes of JSON."""
    if not isinstance(term, str):
        return str(term)
    return json.dumps(term, ensure_ascii=not term.isprintable())


@attrs.frozen
class Atom:
    """``relation(term, ...)``."""

    relation: str
    terms: tuple[Term, ...]
    place: TextPlace = attrs.field(eq=False)

    def __str__(self) -> str:
        return f"{self.relation}({', '.join(map(quoted, self.terms))})"


@attrs.frozen
class Not:
    """``not relation(term, ...)``: no such row. Variables that stand nowhere else, ``_`` among them, are any value."""

    atom: Atom

    def __str__(self) -> str:
        return f"not {self.atom}"


@attrs.frozen
class Compare:
    """``left operator right``; ``like`` is written as ``like(left, right)``."""

    left: Term
    operator: str
    right: Term
    place: TextPlace = attrs.field(eq=False)

    @property
    def terms(self) -> tuple[Term, Term]:
        """Both sides."""
        return self.left, self.right

    def __str__(self) -> str:
        if self.operator == "like":
            return f"like({quoted(self.left)}, {quoted(self.right)})"
        return f"{quoted(self.left)} {self.operator} {quoted(self.right)}"


Goal: TypeAlias = Atom | Not | Compare


@attrs.frozen
class Clause:
    """``head :- body``: the head holds where every goal of the body does."""

    head: Atom
    body: tuple[Goal, ...]

    def __str__(self) -> str:
        return f"{self.head} :- {', '.join(map(str, self.body))}." if self.body else f"{self.head}."


@attrs.frozen
class Question:
    """Goals that hold together, and the text that they were read from."""

    text: str
    goals: tuple[Goal, ...]

    @property
    def variables(self) -> tuple[Variable, ...]:
        """Those of an answer, in the order in which they first stand in the question."""
        return tuple(dict.fromkeys(each for each in variables_of(self.goals) if each.shown))


def variables_of(goals: Iterable[Goal]) -> Iterator[Variable]:
    """Every variable of these goals, as often as it stands there."""
    for goal in goals:
        terms = goal.atom.terms if isinstance(goal, Not) else goal.terms
        yield from (each for each in terms if isinstance(each, Variable))
