"""Sensitivities of layers as those of tensors: :func:`spread`."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from qnnsolve.constraints import Site
from qnnsolve.encodings import Encoding
from qnnsolve.errors import UsageError, suggestion
from qnnsolve.search.layers import LayerPart, Layers
from qnnsolve.search.origins import origins
from qnnsolve.search.spaces import Space

__all__ = ["spread"]

_RANGE = re.compile(r"\[(\d+)-(\d+)\]")


def spread(
    layers: Layers, space: Space, keys: Iterable[tuple[Site, Encoding]]
) -> tuple[dict[tuple[Site, Encoding], float], str]:
    """The noise of each of ``keys``: a group's in equal parts on its tensors, which of a whole layer are its parameters
    and what its ops yield. And a note: what the file does not name makes none.

    Raises:
        UsageError: a layer that the model does not have; names the nearest.
    """
    nodes = {layer: _nodes(layer, space) for group in layers.groups for _, layer in group.parts}
    _refuse_unknown(layers, nodes, space)
    sites = origins(space)
    computed = {_computing(space, site) for site in sites if not space.facts.graph.is_param(site.node)}
    found: dict[Site, dict[int, float]] = {}
    for group in layers.groups:
        members = {member for part, layer in group.parts for member in _members(part, nodes[layer], space, computed)}
        tensors = [
            site for site in sites if (_computing(space, site), space.facts.graph.is_param(site.node)) in members
        ]
        for site in tensors:
            bits = group.weight_bits if space.facts.graph.is_param(site.node) else group.activation_bits
            by = found.setdefault(site, {})
            by[bits] = by.get(bits, 0.0) + group.noise / len(tensors)
    own = {_tensor(space, site): site for site in reversed(sites)}
    noise = {}
    for site, encoding in keys:
        place = site if site in found else own.get(_tensor(space, site))
        noise[site, encoding] = 0.0 if place is None else _at(found.get(place, {}), encoding.bits)
    silent = sum(site not in found for site in sites)
    note = f"sensitivities come from {layers.path}, and predicted figures are in its terms"
    return noise, note + (
        f"; it does not name {silent} of {len(sites)} tensors: they count as free of noise" * bool(silent)
    )


def _at(noise: Mapping[int, float], bits: int) -> float:
    """The noise with so many bits; where the file does not say it, as it follows from the nearest number of bits."""
    if not noise:
        return 0.0
    known = min(noise, key=lambda each: (abs(each - bits), -each))
    return noise[known] * 4.0 ** (known - bits)


def _refuse_unknown(layers: Layers, nodes: Mapping[str, set[str]], space: Space) -> None:
    unknown = next((layer for layer, found in nodes.items() if not found), None)
    if unknown is not None:
        known = {node.module_path for node in space.facts.graph if node.module_path}
        raise UsageError(f"{layers.words}: the model has no layer {unknown}; {suggestion(unknown, known)}")


def _members(part: LayerPart, nodes: Collection[str], space: Space, computed: Collection[str]) -> set[tuple[str, bool]]:
    """The tensors of a part of a layer: the node that computes each, or of a parameter that reads it, and whether it
    is one. A node that computes nothing yields what it reads."""
    graph, found = space.facts.graph, set[tuple[str, bool]]()
    if part in (LayerPart.ALL, LayerPart.WEIGHT):
        found |= {(node, True) for node in nodes}
    if part is LayerPart.ALL:
        return found | {(node, False) for node in nodes}
    for node in nodes if part is not LayerPart.WEIGHT else ():
        below = [each for each in graph[node].refs() if not graph.is_param(each)] if part is LayerPart.INPUT else [node]
        seen: set[str] = set()
        while below:
            each = space.facts.owner(Site(below.pop()))
            if each in computed:
                found.add((each, False))
            elif each not in seen:
                below += [ref for ref in graph[each].refs() if not graph.is_param(ref)]
            seen.add(each)
    return found


def _tensor(space: Space, site: Site) -> tuple[str, bool]:
    return _computing(space, site), space.facts.graph.is_param(site.node)


def _computing(space: Space, site: Site) -> str:
    """The node to whose layer a tensor belongs: of a parameter the one that reads it."""
    return site.user if space.facts.graph.is_param(site.node) else space.facts.owner(Site(site.node))


def _nodes(layer: str, space: Space) -> set[str]:
    pattern = re.compile("".join(_pattern(layer)) + r"(\..*)?")
    return {node.name for node in space.facts.graph if node.name == layer or pattern.fullmatch(node.module_path)}


def _pattern(layer: str) -> Iterable[str]:
    at = 0
    for match in _RANGE.finditer(layer):
        yield re.escape(layer[at : match.start()])
        yield "(" + "|".join(map(str, range(int(match[1]), min(int(match[2]), int(match[1]) + 10_000) + 1))) + ")"
        at = match.end()
    yield re.escape(layer[at:])
