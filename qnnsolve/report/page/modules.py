"""The tree of modules, and which numbered siblings are alike."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

import attrs

__all__ = ["Module", "module_tree", "modules_json"]


@attrs.define(eq=False)
class Module:
    """A module: its own nodes and the modules in it, by name, in the order of the graph."""

    name: str
    path: str
    nodes: list[int] = attrs.field(factory=list)
    inside: dict[str, Module] = attrs.field(factory=dict)


def module_tree(paths: Iterable[str]) -> Module:
    """The tree over nodes whose module paths these are, by index; the nameless top has those that have none."""
    top = Module("", "")
    for at, path in enumerate(paths):
        here = top
        for part in path.split(".") if path else ():
            inner = f"{here.path}.{part}" if here.path else part
            here = here.inside.setdefault(part, Module(part, inner))
        here.nodes.append(at)
    return top


def modules_json(top: Module, looks: list[Hashable]) -> list[dict[str, Any]]:
    """Each module once, a parent before what is in it; ``looks`` of each node is what has to be the same in alike ones.

    ``fold`` lists the modules in it, alike numbered neighbours together: only those are told as one.
    """
    ordered: list[Module] = []
    stack = [top]
    while stack:  # paths may be longer than Python's stack is deep
        here = stack.pop()
        ordered.append(here)
        stack.extend(reversed(here.inside.values()))
    place = {id(each): at for at, each in enumerate(ordered)}
    numbers: dict[Hashable, int] = {}
    kind: dict[int, int] = {}
    for each in reversed(ordered):  # what is inside comes first
        inside = tuple((name, kind[id(module)]) for name, module in each.inside.items())
        look = (tuple(looks[node] for node in each.nodes), inside)
        kind[id(each)] = numbers.setdefault(look, len(numbers))
    return [
        {
            "name": each.name,
            "path": each.path,
            "nodes": each.nodes,
            "fold": [[place[id(module)] for module in group] for group in _folded(each, kind)],
        }
        for each in ordered
    ]


def _folded(module: Module, kind: dict[int, int]) -> list[list[Module]]:
    groups: list[list[Module]] = []
    for each in module.inside.values():
        last = groups[-1][-1] if groups else None
        if last is not None and _numbered(last, each) and kind[id(last)] == kind[id(each)]:
            groups[-1].append(each)
        else:
            groups.append([each])
    return groups


def _numbered(one: Module, other: Module) -> bool:
    """Whether the second has the number that follows that of the first."""
    both = one.name + other.name
    return both.isascii() and one.name.isdecimal() and other.name == str(int(one.name[:9]) + 1)
