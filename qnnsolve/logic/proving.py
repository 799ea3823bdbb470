"""Why an answer holds: the rows that it rests on, each once, with their sources: :class:`Prover`.

A proof is sufficient: of its given rows alone the same goals give the same answer. So what is negated rests on rows,
too, where rules stand behind it: those that keep the rules from holding.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence

import attrs

from qnnsolve.logic.deriving import DerivedDatabase, ground
from qnnsolve.logic.joining import Bound
from qnnsolve.logic.relations import REACHES
from qnnsolve.logic.terms import Atom, Clause, Goal, Not, Row, TextPlace, Value, Variable, quoted
from qnnsolve.sources import Source

__all__ = ["Proven", "Prover"]


@attrs.frozen
class Proven:
    """One line of a proof: a row that is ``given``, ``derived`` by a rule or over a way, ``absent``, or one of those
    beside which there is no ``other``.

    ``open`` are the positions of the values that are left open in what is absent. ``sources`` and ``because`` are those
    of what is given; ``rule`` is the rule of what is derived. ``needs`` are the numbers of the lines that it rests on.
    """

    kind: str
    relation: str
    row: Row
    sources: tuple[Source, ...] = ()
    because: str = ""
    rule: str = ""
    needs: tuple[int, ...] = ()
    open: tuple[int, ...] = ()

    def __str__(self) -> str:
        terms = ("_" if at in self.open else quoted(each) for at, each in enumerate(self.row))
        return f"{_SAID.get(self.kind, '')}{self.relation}({', '.join(terms)})"


_SAID = {"absent": "not ", "other": "no other "}


@attrs.frozen
class _Want:
    """A row that is to be proven, or the absence of all rows that have these values (``None``: any)."""

    relation: str
    row: tuple[Value | None, ...]
    negated: bool = False


class Prover:
    """Proves answers of ``derived``."""

    def __init__(self, derived: DerivedDatabase) -> None:
        self._derived = derived
        self._program, self._database = derived.program, derived.database

    def proof(self, goals: Sequence[Goal], bound: Bound, rows: Sequence[Row | None]) -> tuple[Proven, ...]:
        """The lines of the proof of one answer, each after those that it needs."""
        lines: list[Proven] = []
        numbers: dict[_Want, int] = {}
        opened: set[_Want] = set()
        waiting = [*reversed(list(self._wants(goals, bound, rows)))]
        while waiting:
            want = waiting[-1]
            if want in numbers:
                waiting.pop()
                continue
            needs, rule = self._needs(want)
            missing = [] if want in opened else [each for each in needs if each not in numbers]
            opened.add(want)
            if missing:
                waiting += reversed(missing)
                continue
            waiting.pop()
            numbers[want] = len(lines)
            at = tuple(dict.fromkeys(numbers[each] for each in needs if each in numbers and each != want))
            lines.append(self._line(want, rule, at))
        return tuple(lines)

    def _wants(
        self, goals: Sequence[Goal], bound: Mapping[Variable, Value], rows: Sequence[Row | None]
    ) -> Iterator[_Want]:
        for goal, row in zip(goals, rows, strict=True):
            if isinstance(goal, Atom):
                assert row is not None
                yield _Want(goal.relation, row)
            elif isinstance(goal, Not):
                yield self._absent(goal.atom, bound)

    @staticmethod
    def _absent(atom: Atom, bound: Mapping[Variable, Value]) -> _Want:
        terms = ground(atom, bound)
        return _Want(atom.relation, tuple(None if isinstance(each, Variable) else each for each in terms), negated=True)

    def _needs(self, want: _Want) -> tuple[list[_Want], str]:
        own = self._program.is_own(want.relation)
        if want.negated:
            return (list(dict.fromkeys(self._refuting(want))) if own else []), ""
        row = tuple(each for each in want.row if each is not None)
        if want.relation == REACHES.name:
            way = self._database.reaching.way(str(row[0]), str(row[1]))
            return [_Want("feeds", pair) for pair in itertools.pairwise(way)], ""
        if not own:
            return [], ""
        why = self._derived.premises(want.relation, row)
        return list(self._wants(why.clause.body, why.bound, why.rows)), str(why.clause)

    def _line(self, want: _Want, rule: str, needs: tuple[int, ...]) -> Proven:
        row: Row = tuple("" if each is None else each for each in want.row)
        if want.negated:
            left_open = tuple(at for at, each in enumerate(want.row) if each is None)
            kind = "other" if self._has(want) else "absent"
            return Proven(kind, want.relation, row, needs=needs, open=left_open)
        if self._program.is_own(want.relation) or want.relation == REACHES.name:
            return Proven("derived", want.relation, row, rule=rule, needs=needs)
        sources, because = self._database.support(want.relation, row)
        return Proven("given", want.relation, row, sources, because)

    def _has(self, want: _Want) -> bool:
        terms = tuple(Variable(f"_{at}") if each is None else each for at, each in enumerate(want.row))
        atom = Atom(want.relation, terms, _NOWHERE)
        return next(self._derived.join((atom,)).found(), None) is not None

    def _refuting(self, want: _Want) -> Iterator[_Want]:
        """What keeps a relation from having more such rows where less is known: each of its rules that rests on
        something negated could give more there."""
        known = self._derived.rows(0, Atom(want.relation, (), _NOWHERE))
        for clause in self._program.clauses[want.relation]:
            bound = _matched(clause.head, want.row)
            if bound is None or not self._can_grow(clause):
                continue
            for goal in clause.body:
                if isinstance(goal, Atom) and goal.relation in self._growing:
                    yield self._absent(goal, bound)
            positive = [goal for goal in clause.body if not isinstance(goal, Not)]
            for found, _ in self._derived.join(positive, tuple(bound)).found(bound):
                head = tuple([found[each] if isinstance(each, Variable) else each for each in clause.head.terms])
                if not known.matching(tuple(range(len(head))), head):
                    yield self._standing_against(clause, found)

    def _standing_against(self, clause: Clause, bound: Bound) -> _Want:
        """A row of what is negated in a rule."""
        for goal in clause.body:
            if isinstance(goal, Not):
                for _, (row,) in self._derived.join((goal.atom,), tuple(bound)).found(bound):
                    assert row is not None
                    return _Want(goal.atom.relation, row)
        raise AssertionError(f"{clause} gives a row that is not there")

    @functools.cached_property
    def _growing(self) -> frozenset[str]:
        """The relations that may have more rows where less is known."""
        found: set[str] = set()
        for _ in self._program.clauses:
            for name, clauses in self._program.clauses.items():
                if any(self._rests_on_negation(clause, found) for clause in clauses):
                    found.add(name)
        return frozenset(found)

    def _can_grow(self, clause: Clause) -> bool:
        return self._rests_on_negation(clause, self._growing)

    @staticmethod
    def _rests_on_negation(clause: Clause, growing: Collection[str]) -> bool:
        return any(
            isinstance(goal, Not) or (isinstance(goal, Atom) and goal.relation in growing) for goal in clause.body
        )


_NOWHERE = TextPlace("", 0, 0)


def _matched(head: Atom, row: tuple[Value | None, ...]) -> Bound | None:
    """The values of a rule's variables by which its head is such a row; None where it never is."""
    bound: Bound = {}
    for term, value in zip(head.terms, row, strict=True):
        if value is None:
            continue
        if isinstance(term, Variable):
            if bound.setdefault(term, value) != value:
                return None
        elif term != value:
            return None
    return bound
