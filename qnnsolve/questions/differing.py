"""How one answer differs from another: :func:`difference`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from qnnsolve.constraints import Site
from qnnsolve.encodings import Encoding
from qnnsolve.questions.answers import Change, Moved, RunDifference
from qnnsolve.results import ConvertRecord, NodeRecord, SolveResult
from qnnsolve.rules.base import Facts

__all__ = ["Config", "difference", "ports_of"]

ABSENT = "absent"

Config = Mapping[tuple[str, str], str]
"""The encoding of each port, by node and port, in the order of the graph."""


def ports_of(facts: Facts, encodings: Mapping[Site, Encoding]) -> Config:
    """The encoding of every port that has a choice."""
    found = {(facts.owner(site), facts.port(site).name): encoding.name for site, encoding in encodings.items()}
    order = {node.name: index for index, node in enumerate(facts.graph)}
    return dict(sorted(found.items(), key=lambda each: order[each[0][0]]))


def difference(before: tuple[SolveResult, Facts, Config], after: tuple[SolveResult, Facts, Config]) -> RunDifference:
    """What is otherwise in ``after``; each is a result, the facts that it had, and its config."""
    one, other = before[0], after[0]
    return RunDifference(
        changes=tuple(_changes(before, after)),
        moved=tuple(_moved(_by_name(one), _by_name(other))),
        converts_added=tuple(_without(other.converts, one.converts)),
        converts_removed=tuple(_without(one.converts, other.converts)),
        cost_before=one.cost,
        cost_after=other.cost,
    )


def _by_name(result: SolveResult) -> dict[str, NodeRecord]:
    return {node.name: node for node in result.nodes}


def _changes(before: tuple[SolveResult, Facts, Config], after: tuple[SolveResult, Facts, Config]) -> Iterator[Change]:
    _, facts_before, one = before
    _, facts_after, other = after
    for key in dict.fromkeys((*one, *other)):
        name, port = key
        if one.get(key) != other.get(key):
            graph = facts_after.graph if name in facts_after.graph.nodes else facts_before.graph
            node = graph[name]
            yield Change(name, node.target, node.module_path, port, one.get(key, ABSENT), other.get(key, ABSENT))


def _moved(before: Mapping[str, NodeRecord], after: Mapping[str, NodeRecord]) -> Iterator[Moved]:
    for name in dict.fromkeys((*before, *after)):
        one, other = before.get(name), after.get(name)
        node = one or other
        was, now = (ABSENT if each is None else each.placement.value for each in (one, other))
        if node is not None and was != now:
            yield Moved(name, node.target, node.module_path, was, now)


def _without(converts: tuple[ConvertRecord, ...], others: tuple[ConvertRecord, ...]) -> Iterator[ConvertRecord]:
    there = {(each.producer, each.user, each.source, each.target) for each in others}
    return (each for each in converts if (each.producer, each.user, each.source, each.target) not in there)
