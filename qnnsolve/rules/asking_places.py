"""Places that a question names: :func:`nodes_answering`. It asks the graph alone, since a wish comes before a solve."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from qnnsolve.errors import QuestionError
from qnnsolve.facts.graph import Graph
from qnnsolve.logic import (
    REACHES,
    Database,
    Given,
    Question,
    check,
    first_values,
    node_variables,
    read_question,
    split_where,
)
from qnnsolve.rules.graph_relations import GRAPH_RELATIONS, GraphRelations

__all__ = ["is_question", "nodes_answering", "read_place"]

_QUESTION = re.compile(r"\s*(?:not\s+)?[a-z_]\w*\s*\(")
_LATE: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(
        (
            *("placed", "asked", "chosen", "deviates", "convert", "shares", "group", "constraint", "source", "wish"),
            *("bits", "encoding"),
        ),
        f"is known after a solve only; a place takes {', '.join(each.name for each in GRAPH_RELATIONS)} and reaches",
    )
)
"""The relations of a kept run that no graph has by itself, and what to say of them."""


def is_question(text: str) -> bool:
    """Whether a place is a question: a goal with its bracket, which no name and no path begins with."""
    return _QUESTION.match(text) is not None


def read_place(text: str, called: str) -> tuple[str, str, str | None]:
    """Of ``QUESTION[@PORT][=WHAT]`` the question, the port (empty: none) and what is asked for (None: not said).

    Raises:
        QuestionError: it cannot be read, asks for what only a solve knows, or its first variable is no node.
    """
    question, port, what = split_where(text, called)
    _checked(question, called)
    return question.text, port, what


def _checked(question: Question, called: str) -> None:
    database = Database((*GRAPH_RELATIONS, REACHES), lambda _: Given(()), _LATE)
    check(question, (), database)
    variables = question.variables
    if not variables or variables[0] not in node_variables(question.goals, database):
        which = f"'{variables[0]}' is none" if variables else "there is none"
        raise QuestionError(called, f"the first variable of a place is the node that is meant, and {which}")


def nodes_answering(graph: Graph, text: str) -> list[str]:
    """The values of the first variable of the question ``text``, in the order of the graph.

    Raises:
        QuestionError: it names no place in a graph.
    """
    question = read_question(text)
    _checked(question, "question")
    database = Database((*GRAPH_RELATIONS, REACHES), GraphRelations(graph).given, _LATE)
    found = first_values(question, database)
    return [name for name in graph.nodes if name in found]
