"""A tensor that only a maximum reads takes its range from the maximum's output: :func:`observe_behind_maxima`.

A maximum shares its encoding with its input (``[[invariant]]`` in the curated facts). Values too small to be picked may
be cut off. So the range is that of the picked values, and the same bits give finer steps: about half as large, around
zero. The same holds for a minimum and what is too large.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any, Literal, TypeAlias

from torch.fx import GraphModule
from torch.fx import Node as FxNode

from qnnsolve.annotating.observers import Unobserved
from qnnsolve.rules import Facts
from qnnsolve.rules.builders import Fate

__all__ = ["observe_behind_maxima"]

_Pick: TypeAlias = Literal["largest", "smallest"]
_PICKS: Mapping[str, _Pick] = {"PoolMax2d": "largest", "ReduceMax": "largest", "ReduceMin": "smallest"}
_INDICES = frozenset({"Argmax", "Argmin"})
"""Tell where the extreme was, so that nothing may be cut off."""
_MOVES = frozenset({"Reshape", "Transpose"})


def observe_behind_maxima(model: GraphModule, facts: Facts, observers: MutableMapping[Any, Any]) -> None:
    """Take away the observer of each tensor that only maxima (or only minima) read; the maximum's output keeps it.

    ``observers`` are torchao's, by node (its output) or by edge (producer, user); where several share one, it is one
    object.
    """
    by_name = {node.name: node for node in model.graph.nodes}
    picked: dict[str, _Pick] = {}
    for node in reversed(list(facts.graph)):
        producer = by_name[node.name]
        shared = observers.get(producer)
        sharing = shared is not None and all(observers.get((producer, user)) is shared for user in producer.users)
        picks = {_picked_by(user, facts, observers, picked, shared) for user in producer.users} if sharing else set()
        pick = picks.pop() if len(picks) == 1 else None
        if pick is not None:
            picked[node.name] = pick
    unobserved: dict[Any, Unobserved] = {}
    for name in picked:
        producer = by_name[name]
        for place in (producer, *((producer, user) for user in producer.users)):
            shared = observers[place]
            observers[place] = unobserved.setdefault(shared, Unobserved(shared))


def _picked_by(
    user: FxNode, facts: Facts, observers: Mapping[Any, Any], picked: Mapping[str, _Pick], shared: Any
) -> _Pick | None:
    """``max`` or ``min`` where ``user`` takes that of a tensor and its output has the observer ``shared``; else
    None."""
    built = facts.built.get(user.name)
    if built is None or not _INDICES.isdisjoint(built.ops):
        return None
    outputs = facts.outputs(facts.graph[user.name])
    if not outputs or not isinstance(outputs[0], tuple):
        return None
    yielded = [node for node in (user, *user.users) if node.name in {site.node for site in outputs[0]}]
    if not all(observers.get(node) is shared for node in yielded):
        return None
    if built.op is not None and built.op in _PICKS:
        return _PICKS[built.op]
    return picked.get(user.name) if built.fate is Fate.IDENTITY or built.op in _MOVES else None
