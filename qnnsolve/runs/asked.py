"""What was asked for, as it stands in a kept run, and the facts of a solve made of it again."""

from __future__ import annotations

from typing import Any

from cattrs import Converter

from qnnsolve.facts.graph import Graph
from qnnsolve.opinfo_facts import OperatorFacts
from qnnsolve.rules.base import Facts
from qnnsolve.rules.builders import Built
from qnnsolve.rules.request import Request

__all__ = ["asked_records", "facts_of"]


def asked_records(facts: Facts, writer: Converter) -> list[Any]:
    """What was asked for, one record each: today one request, for the whole graph."""
    return [writer.unstructure(facts.request)]


def facts_of(
    graph: Graph, operators: OperatorFacts, built: dict[str, Built], records: list[Any], reader: Converter
) -> Facts:
    """The facts that a solve had."""
    (record,) = records
    return Facts(graph, operators, reader.structure(record, Request), built)
