"""What was asked for, as it stands in a kept run, and the facts of a solve made of it again."""

from __future__ import annotations

from typing import Any

from cattrs import Converter

from qnnsolve.facts.graph import Graph
from qnnsolve.opinfo_facts import OperatorFacts
from qnnsolve.rules.asked import Asked
from qnnsolve.rules.base import Facts
from qnnsolve.rules.builders import Built
from qnnsolve.rules.request import Request
from qnnsolve.rules.wishes import Wish

__all__ = ["asked_records", "facts_of"]


def asked_records(facts: Facts, writer: Converter) -> list[Any]:
    """What was asked for, one record each: the default request, then the wishes, the earliest first."""
    return [writer.unstructure(each) for each in (facts.request, *facts.wanted.all)]


def facts_of(
    graph: Graph, operators: OperatorFacts, built: dict[str, Built], records: list[Any], reader: Converter
) -> Facts:
    """The facts that a solve had."""
    request, wishes = reader.structure(records[0], Request), reader.structure(records[1:], tuple[Wish, ...])
    return Facts(graph, operators, Asked.of(request, wishes, graph), built)
