"""Questions answered the plain way, by nested loops over all rows: what the join is held to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from qnnsolve.logic import Clause, Question, Row, Value
from qnnsolve.logic.terms import Atom, Compare, Goal, Not, Term, Variable

__all__ = ["plain_answers"]

Bound = dict[Variable, Value]
Facts = dict[str, set[Row]]


def plain_answers(question: Question, clauses: Sequence[Clause], given: Mapping[str, Iterable[Row]]) -> set[Row]:
    facts: Facts = {name: set(rows) for name, rows in given.items()}
    facts["reaches"] = _closed(facts["feeds"])
    for name in dict.fromkeys(clause.head.relation for clause in clauses):  # each negates only what stands before it
        own = [clause for clause in clauses if clause.head.relation == name]
        facts[name] = set()
        while True:
            made = {_row(clause.head, bound) for clause in own for bound in _solutions(clause.body, facts)}
            if made <= facts[name]:
                break
            facts[name] |= made
    return {tuple(bound[each] for each in question.variables) for bound in _solutions(question.goals, facts)}


def _closed(edges: set[Row]) -> set[Row]:
    found = set(edges)
    while True:
        more = {(first, last) for first, middle in found for other, last in edges if middle == other} - found
        if not more:
            return found
        found |= more


def _row(atom: Atom, bound: Bound) -> Row:
    return tuple(bound[each] if isinstance(each, Variable) else each for each in atom.terms)


def _solutions(goals: Sequence[Goal], facts: Facts) -> Iterator[Bound]:
    positive = [goal for goal in goals if isinstance(goal, Atom)]
    others = [goal for goal in goals if not isinstance(goal, Atom)]

    def loop(left: list[Atom], bound: Bound) -> Iterator[Bound]:
        if not left:
            if all(_holds(goal, bound, facts) for goal in others):
                yield bound
            return
        for row in facts[left[0].relation]:
            extended = _unified(left[0].terms, row, bound)
            if extended is not None:
                yield from loop(left[1:], extended)

    return loop(positive, {})


def _unified(terms: Sequence[Term], row: Row, bound: Bound) -> Bound | None:
    extended = dict(bound)
    for term, value in zip(terms, row, strict=True):
        if isinstance(term, Variable):
            if extended.setdefault(term, value) != value:
                return None
        elif term != value:
            return None
    return extended


def _holds(goal: Not | Compare | Atom, bound: Bound, facts: Facts) -> bool:
    if isinstance(goal, Not):
        return not any(_unified(goal.atom.terms, row, bound) is not None for row in facts[goal.atom.relation])
    assert isinstance(goal, Compare)
    left, right = (bound[each] if isinstance(each, Variable) else each for each in goal.terms)
    if goal.operator == "==":
        return left == right
    if goal.operator == "!=":
        return left != right
    if isinstance(left, str) or isinstance(right, str):
        if not (isinstance(left, str) and isinstance(right, str)):
            return False
        return left < right if goal.operator == "<" else left >= right
    return left < right if goal.operator == "<" else left >= right
