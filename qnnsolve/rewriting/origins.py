"""What the ops of an exported program become while its graph is rewritten: :class:`Followed`.

torch (2.13) notes in ``from_node`` which node of the program each node was copied from, and many steps hand that on.
ExecuTorch's decompositions do not, or hand on what torch noted of a graph of their own: a name that the program lacks.
So the notes are read once, before anything is rewritten. From then on it is seen when a reader is given another node
to read: where an op is gone, what most of its readers read now is its result.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from torch.fx import GraphModule, Node

from qnnsolve.facts.fx import origin_of

__all__ = ["Followed"]


class Followed:
    """Sees, inside ``with``, what each op of ``model`` is replaced by. ``model`` is as it was exported."""

    def __init__(self, model: GraphModule) -> None:
        self._model: Any = model
        self._began = _noted(model)
        self._lines = {
            origin: line
            for node in model.graph.nodes
            if (origin := origin_of(node)) is not None and (line := node.meta.get("stack_trace"))
        }
        self._read_now: dict[str, Counter[str]] = {}

    def __enter__(self) -> Followed:
        self._model._register_replace_node_hook(self._see)
        return self

    def __exit__(self, *_: object) -> None:
        self._model._unregister_replace_node_hook(self._see)

    def origins(self, model: GraphModule) -> dict[str, tuple[str, ...]]:
        """By its name in the exported program, the nodes of ``model`` that an op became, its result first.

        The others are ops that compute the result from what other ops of the program yield; each counts to one op
        alone. An op that became nothing (it was folded into a constant, or merged with others) is missing. Those of
        the nodes that have no line of the user's program get the op's.
        """
        nodes = {node.name: node for node in model.graph.nodes}
        results = {origin: found for origin, node in self._began.items() if (found := self._result(node, nodes))}
        taken = set(results.values())
        became = {origin: (name, *_computing(nodes[name], taken)) for origin, name in results.items()}
        for origin, names in became.items():
            for name in names if origin in self._lines else ():
                nodes[name].meta.setdefault("stack_trace", self._lines[origin])
        return became

    def _see(self, old: Node, new: str, user: Node) -> None:
        self._read_now.setdefault(old.name, Counter())[new] += 1

    def _result(self, began: tuple[str, Any], nodes: Mapping[str, Node]) -> str | None:
        name, target = began
        seen = set()
        while name not in seen:
            seen.add(name)
            node, now = nodes.get(name), self._read_now.get(name)
            if node is not None and (now is None or node.target == target):
                return name
            if now is None:
                return None
            name = now.most_common(1)[0][0]
            target = nodes[name].target if name in nodes else None
        return None


def _noted(model: GraphModule) -> dict[str, tuple[str, Any]]:
    """By its name in the program, the node that yields its result, and its target: the last of several."""
    noted = {origin: node for node in model.graph.nodes if (origin := origin_of(node)) is not None}
    return {origin: (node.name, node.target) for origin, node in noted.items()}


def _computing(result: Node, taken: set[str]) -> Iterator[str]:
    """The calls that ``result`` is computed with and that are not ``taken``; they are afterwards."""
    waiting = [result]
    while waiting:
        for source in waiting.pop().all_input_nodes:
            if source.op == "call_function" and source.name not in taken:
                taken.add(source.name)
                waiting.append(source)
                yield source.name
