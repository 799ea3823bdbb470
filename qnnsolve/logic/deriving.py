"""What rules make of the rows: :class:`DerivedDatabase`, layer by layer, each round from what the last one added."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import attrs

from qnnsolve.errors import QuestionError
from qnnsolve.logic.checking import RuleProgram
from qnnsolve.logic.joining import Bound, Join
from qnnsolve.logic.relations import Database, MemoryRows, Rows
from qnnsolve.logic.terms import Atom, Clause, Goal, Row, Value, Variable, variables_of

__all__ = ["DerivedDatabase", "Premises", "ground"]

MOST_ROWS = 2_000_000
"""Rows that rules may make: about a gigabyte."""


@attrs.frozen
class Premises:
    """Why a row of a rule is there: the rule, the values of its variables, and the row of each of its goals."""

    clause: Clause
    bound: Mapping[Variable, Value]
    rows: tuple[Row | None, ...]


def ground(atom: Atom, bound: Mapping[Variable, Value]) -> tuple[Value | Variable, ...]:
    """The terms of ``atom``, with the values that are known."""
    return tuple([bound.get(each, each) if isinstance(each, Variable) else each for each in atom.terms])


class DerivedDatabase:
    """A database together with what a program derives of it. Each row knows the first premises that it was found by,
    all of which were there before it."""

    def __init__(self, program: RuleProgram, database: Database) -> None:
        self.program, self.database = program, database
        self._tables: dict[str, MemoryRows] = {name: MemoryRows() for name in program.clauses}
        self._why: dict[tuple[str, Row], tuple[Clause, tuple[Value, ...], tuple[Row | None, ...]]] = {}
        for layer in program.layers:
            self._fill(layer)

    def rows(self, _: int, atom: Atom) -> Rows:
        """The rows of a goal."""
        if atom.relation in self._tables:
            return self._tables[atom.relation]
        other = self.database.relations[atom.relation].other_names
        given = other is not None and not isinstance(atom.terms[other], Variable)
        return self.database.rows(atom.relation, by_other_names=given)

    def premises(self, relation: str, row: Row) -> Premises:
        """Why a row of a rule is there."""
        clause, values, rows = self._why[relation, row]
        return Premises(clause, dict(zip(_variables(clause), values, strict=True)), rows)

    def join(
        self, goals: Sequence[Goal], bound: Sequence[Variable] = (), wanted: Sequence[Variable] | None = None
    ) -> Join:
        """What makes these goals hold."""
        return Join(goals, self.database, self.rows, bound, wanted)

    def _fill(self, layer: Sequence[str]) -> None:
        clauses = [clause for name in layer for clause in self.program.clauses[name]]
        added = {name: MemoryRows() for name in layer}
        for clause in clauses:
            self._take(clause, self.rows, added)
        recursive = [(clause, at) for clause in clauses for at in _recursive(clause, layer)]
        while any(map(len, added.values())):
            last, added = added, {name: MemoryRows() for name in layer}
            for clause, at in recursive:
                self._take(clause, self._with_last(at, last), added)

    def _with_last(self, changed: int, last: Mapping[str, MemoryRows]) -> Callable[[int, Atom], Rows]:
        def rows(at: int, atom: Atom) -> Rows:
            return last[atom.relation] if at == changed else self.rows(at, atom)

        return rows

    def _take(self, clause: Clause, rows_of: Callable[[int, Atom], Rows], added: Mapping[str, MemoryRows]) -> None:
        name, table, variables = clause.head.relation, self._tables[clause.head.relation], _variables(clause)
        wanted = tuple(dict.fromkeys(variables_of((clause.head,))))
        found = []
        for bound, rows in Join(clause.body, self.database, rows_of, (), wanted).found():
            row = _row(clause.head, bound)
            if row not in table:
                found.append((row, tuple([bound[each] for each in variables]), rows))
        for row, values, premises in found:
            if row not in table:
                table.add(row)
                added[name].add(row)
                self._why[name, row] = clause, values, premises
        if len(self._why) > MOST_ROWS:
            raise QuestionError(str(clause.head.place), f"'{name}' has more than {MOST_ROWS:,} rows: narrow it")


def _row(head: Atom, bound: Bound) -> Row:
    return tuple([bound[each] if isinstance(each, Variable) else each for each in head.terms])


def _variables(clause: Clause) -> tuple[Variable, ...]:
    """Those that a row of the rule has values of."""
    return tuple(dict.fromkeys(variables_of(goal for goal in clause.body if isinstance(goal, Atom))))


def _recursive(clause: Clause, layer: Iterable[str]) -> list[int]:
    names = set(layer)
    return [at for at, goal in enumerate(clause.body) if isinstance(goal, Atom) and goal.relation in names]
