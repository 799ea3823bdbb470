"""Questions with variables, as in Prolog without function symbols: read, checked, joined by index, and proven.

It knows nothing of graphs and configs: what is asked of is a :class:`Database`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from qnnsolve.logic.checking import checked, node_variables
from qnnsolve.logic.deriving import DerivedDatabase
from qnnsolve.logic.proving import Proven, Prover
from qnnsolve.logic.reading import read_question, read_rules, split_where
from qnnsolve.logic.relations import REACHES, Database, Given, Predicate, Support
from qnnsolve.logic.terms import Clause, Question, Row, Value, quoted
from qnnsolve.results import Shown

__all__ = [
    "REACHES",
    "Answer",
    "Answers",
    "Clause",
    "Database",
    "Given",
    "Predicate",
    "Proven",
    "Question",
    "Row",
    "Support",
    "Value",
    "answered",
    "check",
    "first_values",
    "node_variables",
    "quoted",
    "read_question",
    "read_rules",
    "split_where",
]


@attrs.frozen
class Answer:
    """The values of the variables, and the proof, each line after those that it needs."""

    values: Row
    proof: tuple[Proven, ...]


@attrs.frozen
class Answers(Shown):
    """What a question was answered: ``total`` counts the answers, of which ``answers`` are the first ones."""

    question: str
    variables: tuple[str, ...]
    answers: tuple[Answer, ...]
    total: int


def check(question: Question, clauses: Iterable[Clause], database: Database) -> None:
    """Raise where a question cannot be answered.

    Raises:
        QuestionError: see :func:`qnnsolve.logic.checking.checked`.
    """
    checked(question.goals, clauses, database)


def answered(
    question: Question,
    clauses: Iterable[Clause],
    database: Database,
    order: Mapping[str, int],
    limit: int | None = None,
    *,
    proofs: bool = True,
) -> Answers:
    """Every answer, each once; sorted by ``order`` where a value has a place there, else by value.

    Args:
        question: what is asked.
        clauses: rules that it may use.
        database: what is asked of.
        order: places of names.
        limit: so many answers are told.
        proofs: whether each comes with its proof; it is empty otherwise.

    Raises:
        QuestionError: it cannot be answered, or would take too long.
    """
    derived = DerivedDatabase(checked(question.goals, clauses, database), database)
    variables = question.variables
    found = {
        tuple([bound[each] for each in variables]): (bound, rows)
        for bound, rows in derived.join(question.goals, (), variables).found()
    }

    def place(values: Row) -> list[tuple[int, float, str]]:
        return [
            (1, each, "") if not isinstance(each, str) else (0, order[each], "") if each in order else (2, 0, each)
            for each in values
        ]

    prover = Prover(derived)
    shown = sorted(found, key=place)[:limit]
    proven = [prover.proof(question.goals, *found[values]) if proofs else () for values in shown]
    answers = tuple(map(Answer, shown, proven))
    return Answers(question.text, tuple(map(str, variables)), answers, len(found))


def first_values(question: Question, database: Database) -> set[Value]:
    """The values of the first variable of a question.

    Raises:
        QuestionError: it cannot be answered, or would take too long.
    """
    first = question.variables[:1]
    derived = DerivedDatabase(checked(question.goals, (), database), database)
    return {bound[each] for bound, _ in derived.join(question.goals, (), first).found() for each in first}
