"""Where wishes find their nodes: :func:`matching`."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from qnnsolve.errors import UsageError, suggestion
from qnnsolve.facts.graph import Graph, NodeKind
from qnnsolve.rules.alike import nodes_again
from qnnsolve.rules.wishes import FOUND_BY, By, Where, Wish, around

__all__ = ["matching", "nodes_at"]


def matching(wishes: Sequence[Wish], graph: Graph) -> dict[str, tuple[Wish, ...]]:
    """The wishes of each node, by its name, in the order in which they were made; nodes without any are left out.

    Raises:
        UsageError: a wish finds no node; names the nearest.
    """
    found: dict[str, list[Wish]] = {}
    again = _saved_nodes(wishes, graph)
    for wish in wishes:
        where = _settled(wish.where, graph)
        places = again[where] if where.by is By.SAVED else where.names(graph)
        if not places and not wish.may_miss:
            raise UsageError(_nothing(wish.words, wish.where, graph))
        for name in places:
            found.setdefault(name, []).append(wish)
    return {name: tuple(each) for name, each in found.items()}


def nodes_at(where: Where, graph: Graph, words: str) -> list[str]:
    """The nodes that stand at ``where``, in the order of the graph.

    Raises:
        UsageError: there are none; names the nearest.
    """
    names = _settled(where, graph).names(graph)
    if not names:
        raise UsageError(_nothing(words, where, graph))
    return names


def _nothing(words: str, where: Where, graph: Graph) -> str:
    if where.by is By.QUESTION:
        return f"{words}: no node of the model answers '{where.key}'"
    return f"{words}: nothing in the model is '{where}'; {_near(where, graph)}"


def _saved_nodes(wishes: Sequence[Wish], graph: Graph) -> dict[Where, list[str]]:
    """By place of a saved node: the node that it is now, or none. Those of one earlier graph are aligned together."""
    of_graph: dict[str, list[Where]] = {}
    for wish in wishes:
        if wish.where.by is By.SAVED:
            of_graph.setdefault(wish.where.graph, []).append(wish.where)
    found: dict[Where, list[str]] = {}
    for drawn_for, places in of_graph.items():
        again = nodes_again((where.key for where in places), drawn_for, graph)
        found |= {where: [again[where.key]] if where.key in again else [] for where in places}
    return found


def _settled(where: Where, graph: Graph) -> Where:
    """``where``, with the kind of name that it is."""
    if where.by is not By.ANY:
        return where
    if where.key in graph.nodes:
        return attrs.evolve(where, by=By.NODE)
    settled = (attrs.evolve(where, by=by) for by in FOUND_BY[1:])
    return next((each for each in settled if any(map(each.finds, graph))), where)


def _near(where: Where, graph: Graph) -> str:
    names = {
        By.NODE: {node.name for node in graph},
        By.OP: {node.target for node in graph if node.kind is NodeKind.CALL},
        By.MODULE: {path for node in graph for path in around(node.module_path)},
        By.TYPE: {name.rpartition(".")[2] for node in graph for name in node.module_types},
    }
    kinds = {By.REGEX: (By.MODULE,), By.ANY: FOUND_BY}.get(where.by, (where.by,))
    return suggestion(where.key, {name for kind in kinds for name in names[kind]})
