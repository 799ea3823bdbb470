"""Nodes of an earlier graph, found again in another one: a model that was changed names its nodes otherwise."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher

from qnnsolve.facts.graph import Graph, Node, NodeKind

__all__ = ["fingerprint", "identity", "identity_of", "label", "nodes_again", "parts"]

_BETWEEN = "\n"


def identity(node: Node) -> str:
    """What a node is known by: its name, what it calls (of an input: its kind), and the path of its module."""
    called = node.target if node.kind is NodeKind.CALL else node.kind.value
    return identity_of(node.name, called, node.module_path)


def identity_of(name: str, called: str, module: str) -> str:
    """The identity of the node with that name, what it calls, and the path of its module."""
    return _BETWEEN.join((name, called, module))


def parts(key: str) -> tuple[str, str, str]:
    """Name, what is called, and module of an identity."""
    name, called, module = key.split(_BETWEEN, 2)
    return name, called, module


def label(key: str) -> str:
    """A node's identity as people read it."""
    name, called, module = parts(key)
    return f"{name} ({called} in {module})" if module else f"{name} ({called})"


def fingerprint(graph: Graph) -> str:
    """The same for two graphs of the same nodes in the same order, by their identities: 12 hexadecimal digits."""
    return hashlib.sha256("\0".join(map(identity, graph)).encode("utf-8", "surrogatepass")).hexdigest()[:12]


def nodes_again(keys: Iterable[str], drawn_for: str, graph: Graph) -> Mapping[str, str]:
    """For each identity the node of ``graph`` that it is now; those that are no more are left out.

    In the graph whose fingerprint was ``told`` each is itself; so it is where nothing was told, and all are there.
    Otherwise the nodes of both graphs are aligned like the lines of two texts, by what they call and in which module.
    So another head, or another stem, leaves the rest as it was.
    """
    earlier = list(dict.fromkeys(keys))
    now = {identity(node): node.name for node in graph}
    if drawn_for == fingerprint(graph) or (not drawn_for and all(key in now for key in earlier)):
        return {key: now[key] for key in earlier if key in now}
    names, kinds = list(now.values()), [_kind(key) for key in now]
    before = [_kind(key) for key in earlier]
    start = _agreeing(before, kinds)
    end = _agreeing(before[start:][::-1], kinds[start:][::-1])
    found = {earlier[i]: names[i] for i in range(start)}
    found |= {earlier[-i]: names[-i] for i in range(1, end + 1)}
    middle, there = before[start : len(before) - end], kinds[start : len(kinds) - end]
    for one, other, size in SequenceMatcher(None, middle, there, autojunk=False).get_matching_blocks():
        found |= {earlier[start + one + i]: names[start + other + i] for i in range(size)}
    return found


def _kind(key: str) -> str:
    return key.partition(_BETWEEN)[2]


def _agreeing(one: list[str], other: list[str]) -> int:
    """How many elements from the start on are equal."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((index for index, (a, b) in pairs if a != b), min(len(one), len(other)))
