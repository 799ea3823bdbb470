"""Whether a question and its rules can be answered at all: :func:`checked`."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence

import attrs

from qnnsolve.errors import QuestionError, suggestion
from qnnsolve.logic.reading import LIKE
from qnnsolve.logic.relations import Database
from qnnsolve.logic.terms import Atom, Clause, Compare, Goal, Not, TextPlace, Variable, variables_of

__all__ = ["RuleProgram", "checked", "node_variables"]


@attrs.frozen(eq=False)
class RuleProgram:
    """Rules that can be answered, by the relation that they define, in layers.

    A relation stands in a layer above those that it negates; those of one layer may define each other.
    """

    clauses: Mapping[str, tuple[Clause, ...]]
    layers: tuple[tuple[str, ...], ...]

    def is_own(self, relation: str) -> bool:
        """Whether rules define it."""
        return relation in self.clauses


def checked(goals: Sequence[Goal], clauses: Iterable[Clause], database: Database) -> RuleProgram:
    """The rules that these goals need.

    Raises:
        QuestionError: an unknown relation, a rule that is not possible, a wrong number of arguments, a variable that
            nothing binds, or a relation that depends on its own negation; with the place and the nearest name.
    """
    defined: dict[str, list[Clause]] = {}
    for clause in clauses:
        _check_head(clause.head, defined, database)
        defined.setdefault(clause.head.relation, []).append(clause)
    for clause in itertools.chain.from_iterable(defined.values()):
        _check_goals(clause.body, defined, database)
        _check_bound(clause.body, clause.head)
    _check_goals(goals, defined, database)
    _check_bound(goals, None)
    _layers(tuple(defined), defined)  # also of what is not needed here: a file of rules is right, or it is not
    needed = _needed(goals, defined)
    return RuleProgram({name: tuple(defined[name]) for name in needed}, _layers(needed, defined))


def _fail(place: TextPlace, what: str) -> QuestionError:
    return QuestionError(str(place), what)


def _arguments(number: int) -> str:
    return f"{number} argument{'s' if number != 1 else ''}"


def _check_head(head: Atom, defined: Mapping[str, Sequence[Clause]], database: Database) -> None:
    name = head.relation
    if name in database.relations or name in database.late or name in (LIKE, "not"):
        raise _fail(head.place, f"'{name}' is there already: give the rule another name")
    if name in defined and len(defined[name][0].head.terms) != len(head.terms):
        first = defined[name][0].head
        raise _fail(head.place, f"'{name}' has {_arguments(len(first.terms))} in the rule at {first.place}")


def _check_goals(goals: Iterable[Goal], defined: Mapping[str, Sequence[Clause]], database: Database) -> None:
    for goal in goals:
        if isinstance(goal, Compare):
            continue
        atom = goal.atom if isinstance(goal, Not) else goal
        name = atom.relation
        if name in database.late:
            raise _fail(atom.place, f"'{name}' {database.late[name]}")
        if name in defined:
            wanted, form = len(defined[name][0].head.terms), str(defined[name][0].head)
        elif name in database.relations:
            wanted, form = len(database.relations[name].columns), str(database.relations[name])
        else:
            known = [*database.relations, *defined, LIKE]
            raise _fail(atom.place, f"unknown relation '{name}': {suggestion(name, known)}")
        if len(atom.terms) != wanted:
            arguments = _arguments(wanted)
            raise _fail(atom.place, f"'{name}' takes {arguments}, not {len(atom.terms)}: {form}")


def _check_bound(goals: Sequence[Goal], head: Atom | None) -> None:
    """Every variable is bound by a goal that is neither negated nor a comparison."""
    bound = set(variables_of(goal for goal in goals if isinstance(goal, Atom)))
    tested = [goal for goal in goals if not isinstance(goal, Atom)]
    for goal in (*tested, *(() if head is None else (head,))):
        atom, negated = (goal.atom, True) if isinstance(goal, Not) else (goal, False)
        for each in variables_of((atom,)):
            if each not in bound and not (negated and not each.shown):
                hint = "; '_' stands for any value" if negated else ""
                raise _fail(atom.place, f"nothing binds '{each}': no relation without 'not' has it{hint}")


def _needed(goals: Iterable[Goal], defined: Mapping[str, Sequence[Clause]]) -> tuple[str, ...]:
    """The relations of rules on which these goals rest, in the order of the rules."""
    found: set[str] = set()
    waiting = [name for name, _ in _named(goals)]
    while waiting:
        name = waiting.pop()
        if name in defined and name not in found:
            found.add(name)
            waiting += [other for clause in defined[name] for other, _ in _named(clause.body)]
    return tuple(name for name in defined if name in found)


def _named(goals: Iterable[Goal]) -> list[tuple[str, bool]]:
    """The relations that stand in goals, and whether negated."""
    return [
        (goal.atom.relation, True) if isinstance(goal, Not) else (goal.relation, False)
        for goal in goals
        if not isinstance(goal, Compare)
    ]


def _layers(needed: Sequence[str], defined: Mapping[str, Sequence[Clause]]) -> tuple[tuple[str, ...], ...]:
    height = dict.fromkeys(needed, 0)
    for _ in range(len(needed) + 1):
        risen = None
        for name in needed:
            for clause in defined[name]:
                for other, negated in _named(clause.body):
                    if other in height and height[name] < height[other] + negated:
                        height[name] = height[other] + negated
                        risen = clause
        if risen is None:
            heights = sorted(set(height.values()))
            return tuple(tuple(name for name in needed if height[name] == each) for each in heights)
    assert risen is not None
    raise _fail(risen.head.place, f"'{risen.head.relation}' rests on its own negation")


def node_variables(goals: Iterable[Goal], database: Database) -> set[Variable]:
    """The variables that stand where a relation has nodes."""
    return {
        term
        for goal in goals
        if isinstance(goal, Atom) and goal.relation in database.relations
        for at, term in enumerate(goal.terms)
        if isinstance(term, Variable) and database.relations[goal.relation].is_node(at)
    }
