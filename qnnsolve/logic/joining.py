"""Goals that hold together: :class:`Join` orders them, and finds what holds row by row."""

from __future__ import annotations

import fnmatch
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias

import attrs

from qnnsolve.logic.relations import Database, Rows
from qnnsolve.logic.terms import Atom, Compare, Goal, Not, Row, Term, Value, Variable, variables_of

__all__ = ["Bound", "Join", "RowsOf", "holds"]

Bound: TypeAlias = dict[Variable, Value]
"""Values of variables."""
RowsOf: TypeAlias = Callable[[int, Atom], Rows]
"""The rows of a goal, by its position among the goals."""

_ORDERED: Mapping[str, Callable[[Any, Any], bool]] = MappingProxyType(
    {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
)


def holds(left: Value, compared: str, right: Value) -> bool:
    """Whether a comparison holds; of a text and a number only ``!=`` does."""
    if compared == "like":
        return isinstance(left, str) and isinstance(right, str) and fnmatch.fnmatchcase(left, right)
    if compared in ("==", "!="):
        return (left == right) == (compared == "==")
    return isinstance(left, str) == isinstance(right, str) and _ORDERED[compared](left, right)


@attrs.frozen(eq=False)
class _Step:
    """One goal, where it is looked up: which columns are known by then, which bind variables."""

    position: int
    goal: Goal
    rows: Rows | None
    columns: tuple[int, ...] = ()
    key: tuple[Term, ...] = ()
    binds: tuple[tuple[int, Variable], ...] = ()
    repeats: tuple[tuple[int, int], ...] = ()
    """Columns that are one variable."""

    def matching(self, bound: Bound, database: Database) -> Iterator[Row]:
        assert self.rows is not None
        key = tuple([bound[each] if isinstance(each, Variable) else each for each in self.key])
        database.step(1 if self.columns else len(self.rows))
        found = self.rows.matching(self.columns, key)
        database.step(len(found) if self.columns else 0)
        for row in found:
            if all(row[one] == row[other] for one, other in self.repeats):
                yield row

    def is_met(self, bound: Bound, database: Database) -> bool:
        """Whether a goal that binds nothing holds."""
        if isinstance(self.goal, Compare):
            left, right = (bound[each] if isinstance(each, Variable) else each for each in self.goal.terms)
            database.step(1)
            return holds(left, self.goal.operator, right)
        return next(self.matching(bound, database), None) is None


class Join:
    """Finds what makes ``goals`` hold: the goal with the fewest rows first, then each by what is known by then.

    Args:
        goals: the goals.
        database: where steps are counted.
        rows_of: the rows of each goal with a relation.
        bound: variables whose values are given.
        wanted: variables whose values are told; None: all of them. Of what differs in others only, one is found.
    """

    def __init__(
        self,
        goals: Sequence[Goal],
        database: Database,
        rows_of: RowsOf,
        bound: Sequence[Variable] = (),
        wanted: Sequence[Variable] | None = None,
    ) -> None:
        self._goals, self._database, self._rows_of = goals, database, rows_of
        self._rows: dict[int, Rows] = {}
        self._wanted = None if wanted is None else tuple(each for each in wanted if each not in bound)
        self._steps = tuple(self._ordered(set(bound)))

    def _ordered(self, bound: set[Variable]) -> Iterator[_Step]:
        left = dict(enumerate(self._goals))
        while left:
            for at in [at for at, goal in left.items() if self._is_test(goal, bound)]:
                yield self._step(at, left.pop(at), bound)
            atoms = {at: goal for at, goal in left.items() if isinstance(goal, Atom)}
            if not atoms:
                continue
            best = min(atoms, key=lambda at: (self._expected(at, atoms[at], bound), at))
            yield self._step(best, left.pop(best), bound)
            bound.update(variables_of((atoms[best],)))

    def _is_test(self, goal: Goal, bound: set[Variable]) -> bool:
        if isinstance(goal, Atom):
            return False
        others = set(variables_of(each for each in self._goals if isinstance(each, Atom)))
        return all(each in bound for each in variables_of((goal,)) if each in others)

    def _expected(self, at: int, goal: Atom, bound: set[Variable]) -> float:
        step = self._step(at, goal, bound)
        assert step.rows is not None
        constants = tuple(each for each in step.key if not isinstance(each, Variable))
        key = constants if len(constants) == len(step.key) else None
        return step.rows.expected(step.columns, key)

    def _step(self, at: int, goal: Goal, bound: set[Variable]) -> _Step:
        if isinstance(goal, Compare):
            return _Step(at, goal, None)
        atom = goal.atom if isinstance(goal, Not) else goal
        if at not in self._rows:
            self._rows[at] = self._rows_of(at, atom)
        known = [column for column, term in enumerate(atom.terms) if not isinstance(term, Variable) or term in bound]
        first: dict[Variable, int] = {}
        repeats = []
        for column, term in enumerate(atom.terms):
            if isinstance(term, Variable) and term not in bound:
                if term in first:
                    repeats.append((first[term], column))
                first.setdefault(term, column)
        return _Step(
            at,
            goal,
            self._rows[at],
            tuple(known),
            tuple(atom.terms[column] for column in known),
            () if isinstance(goal, Not) else tuple((column, variable) for variable, column in first.items()),
            tuple(repeats),
        )

    def found(self, given: Mapping[Variable, Value] | None = None) -> Iterator[tuple[Bound, tuple[Row | None, ...]]]:
        """What holds: the values of the variables, and the row of each goal (None: a comparison, or negated).

        Where ``wanted`` was said, each of its values comes once.
        """
        bound: Bound = dict(given or {})
        rows: list[Row | None] = [None] * len(self._goals)
        seen: set[tuple[Value, ...]] = set()
        cut = self._cut()

        def walk(depth: int) -> Iterator[None]:
            if depth == cut and self._wanted is not None:
                value = tuple([bound[each] for each in self._wanted])
                if value not in seen and next(go(depth), False) is None:
                    seen.add(value)
                    yield
            else:
                yield from go(depth)

        def go(depth: int) -> Iterator[None]:
            if depth == len(self._steps):
                yield
                return
            step = self._steps[depth]
            if not isinstance(step.goal, Atom):
                if step.is_met(bound, self._database):
                    yield from walk(depth + 1)
                return
            for row in step.matching(bound, self._database):
                for column, variable in step.binds:
                    bound[variable] = row[column]
                rows[step.position] = row
                yield from walk(depth + 1)

        for _ in walk(0):
            yield dict(bound), tuple(rows)

    def _cut(self) -> int:
        """The first step by which all that is wanted is bound: what comes after it need only hold."""
        left = set(self._wanted or ())
        for depth, step in enumerate(self._steps):
            if not left:
                return depth
            left -= {variable for _, variable in step.binds}
        return len(self._steps)
