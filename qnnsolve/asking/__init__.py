"""Questions with variables, asked of a kept run: :func:`ask`. See ``docs/questions.md``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from qnnsolve.asking.declared import OF_THE_SOLUTION, RELATIONS, RUN_RELATIONS
from qnnsolve.asking.relations import RunRelations
from qnnsolve.errors import QuestionError
from qnnsolve.foreign import printable
from qnnsolve.logic import Answers, Clause, answered, read_question, read_rules
from qnnsolve.logic.reading import LONGEST
from qnnsolve.results import Status
from qnnsolve.runs import Run, load_run

__all__ = ["OF_THE_SOLUTION", "RELATIONS", "RUN_RELATIONS", "RunRelations", "ask", "rules_in", "without_config"]


def ask(
    run: Run | str | os.PathLike[str],
    question: str,
    *,
    rules: str | Sequence[str] = (),
    rule_files: Sequence[str | os.PathLike[str]] = (),
    limit: int | None = None,
    proofs: bool = True,
) -> Answers:
    """Every answer of ``question``, in the order of the graph, with its proof.

    Args:
        run: a kept run, or its file.
        question: goals with commas between, such as ``node(N, "MatMul"), chosen(N, "in[1]", E), bits(E, 8)``.
        rules: of your own, such as ``late(N) :- node(N, "Softmax"), reaches(N, "output").``
        rule_files: files of such rules.
        limit: so many answers are told; ``total`` counts all of them.
        proofs: whether each comes with its proof.

    Raises:
        RunError: the run cannot be read.
        QuestionError: the question or a rule cannot be; with the place and the nearest name.
        UsageError: a file of rules cannot be read.
    """
    texts = (rules,) if isinstance(rules, str) else rules
    clauses = [*_typed(texts), *(clause for path in rule_files for clause in rules_in(path))]
    asked = read_question(question)
    loaded = run if isinstance(run, Run) else load_run(run)
    relations = RunRelations(loaded)
    return answered(asked, clauses, relations.database(), relations.order, limit, proofs=proofs)


def _typed(texts: Sequence[str]) -> Iterable[Clause]:
    for number, text in enumerate(texts, 1):
        yield from read_rules(text, "rule" if len(texts) == 1 else f"rule {number}")


def rules_in(path: str | os.PathLike[str]) -> tuple[Clause, ...]:
    """The rules in a file.

    Raises:
        QuestionError: it cannot be read, or they are no rules; with the place.
    """
    called = printable(os.fspath(path))
    try:
        with Path(path).open("rb") as file:
            text = file.read(4 * LONGEST + 1).decode("utf-8-sig")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise QuestionError(f"rules {called}", f"cannot be read: {why}") from error
    return read_rules(text, called)


def without_config(run: Run) -> str | None:
    """Why a run has nothing that was chosen; None where it has."""
    return None if run.status is Status.SATISFIABLE else f"the run has no config: {run.status.value}"
