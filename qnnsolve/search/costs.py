"""What a config costs: :func:`costs`, one measure each. Counted from shapes and widths, so all but bytes of weights are
estimates of what a chip spends.

================  ======================================================================================
``weights``       bytes of all parameters that an op reads, at their widths; one that two readers have in one
                  encoding counts once. Scales are not counted.
``activations``   bytes of every tensor that an op or a convert writes, at its width
``bit-ops``       of convolutions, linears and matrix products: multiplications, each times the bits of both
                  factors
``converts``      edges on which a convert stands
``wide-ops``      share of the ops on the accelerator that write more than 8 bits
``weight-bits``   mean bits of a weight
================  ======================================================================================
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping

from qnnsolve.constraints import Convertible, Site
from qnnsolve.encodings import Encoding
from qnnsolve.facts.graph import Node
from qnnsolve.rules import Facts
from qnnsolve.rules.builders import Built, Fate
from qnnsolve.rules.request import Role
from qnnsolve.search.spaces import Space
from qnnsolve.solver import Measure, Term

__all__ = ["COSTS", "costs", "multiplications", "products"]

COSTS = ("weights", "activations", "bit-ops", "converts", "wide-ops", "weight-bits")
"""Their names."""


def costs(space: Space) -> tuple[Measure, ...]:
    """All measures of cost over the sites of ``space``, by the names of :data:`COSTS`."""
    weights = _weights(space)
    ops = [(node, site) for node, built in space.facts.calls if built.fate is Fate.OP for site in _outputs(space, node)]
    count = sum(numel for _, numel in weights)
    return (
        Measure("weights", tuple(_bytes_of_weights(space, weights))),
        Measure("activations", tuple(_bytes_of_activations(space, ops))),
        Measure("bit-ops", tuple(_bit_operations(space))),
        Measure("converts", tuple(_converts(space, lambda _, target: 1.0))),
        Measure("wide-ops", tuple(_each(space, site, lambda e: (e.bits > 8) / len(ops)) for _, site in ops)),
        Measure("weight-bits", tuple(_bits(space, edge, numel / count) for edge, numel in weights)),
    )


def _each(space: Space, site: Site, amount: Callable[[Encoding], float]) -> Term:
    return Term((site,), {(e,): float(amount(e)) for e in space.choices[site] if amount(e)})


def _bits(space: Space, site: Site, each: float) -> Term:
    """So much for each bit at ``site``."""
    return _each(space, site, lambda encoding: encoding.bits * each)


def _outputs(space: Space, node: Node) -> Iterator[Site]:
    for sites in space.facts.outputs(node):
        if isinstance(sites, tuple) and sites[0] in space.choices:
            yield sites[0]


def _numel(node: Node) -> int:
    return (node.tensor.numel or 0) if node.tensor is not None else 0


def _weights(space: Space) -> list[tuple[Site, int]]:
    """Edges from parameters to the ops that read them, biases left out, and how many numbers each has."""
    facts = space.facts
    return [
        (edge, _numel(facts.graph[edge.node]))
        for edge in space.choices
        if edge.user and facts.graph.is_param(edge.node)
        if facts.built[edge.user].fate is Fate.OP and facts.port(edge).role is not Role.BIAS
    ]


def _bytes_of_weights(space: Space, weights: Iterable[tuple[Site, int]]) -> Iterator[Term]:
    before: dict[str, Site] = {}
    for edge, numel in weights:
        size = {e: float(-(-numel * e.bits // 8)) for e in space.choices[edge]}
        other = before.get(edge.node)
        before[edge.node] = edge
        if other is None:
            yield Term((edge,), {(e,): amount for e, amount in size.items()})
        else:
            pairs = itertools.product(space.choices[other], size)
            yield Term((other, edge), {(a, b): size[b] for a, b in pairs if a != b})


def _bytes_of_activations(space: Space, ops: Iterable[tuple[Node, Site]]) -> Iterator[Term]:
    graph = space.facts.graph
    for _, site in ops:
        yield _bits(space, site, _numel(graph[site.node]) / 8)
    yield from _converts(space, lambda producer, target: _numel(producer) * target.bits / 8)


def _converts(space: Space, amount: Callable[[Node, Encoding], float]) -> Iterator[Term]:
    graph = space.facts.graph
    for c in space.problem.constraints:
        if isinstance(c, Convertible):
            pairs = itertools.product(space.choices[c.source], space.choices[c.target])
            between = [(a, b) for a, b in pairs if a != b and a.quantized and b.quantized]
            if between:
                yield Term(c.sites, {(a, b): float(amount(graph[c.source.node], b)) for a, b in between})


def _bit_operations(space: Space) -> Iterator[Term]:
    for sites, count in products(space.facts):
        pairs = itertools.product(space.choices[sites[0]], space.choices[sites[1]])
        amounts: Mapping[tuple[Encoding, ...], float] = {(a, b): float(count * a.bits * b.bits) for a, b in pairs}
        if sites[0] == sites[1]:
            amounts = {(a,): float(count * a.bits**2) for a in space.choices[sites[0]]}
        yield Term(tuple(dict.fromkeys(sites)), amounts)


def products(facts: Facts) -> Iterator[tuple[tuple[Site, Site], int]]:
    """Of each op that has products: the two edges whose numbers are multiplied, and how often."""
    for node, built in facts.calls:
        found, count = _factors(facts, node, built), multiplications(facts, node, built)
        if found is not None and count:
            yield found, count


def _factors(facts: Facts, node: Node, built: Built) -> tuple[Site, Site] | None:
    """The two edges whose numbers are multiplied."""
    sites = {entry.role: edge for _, entry, edge, _ in reversed([*facts.float_inputs(node, built)])}
    second = sites.get(Role.WEIGHT, sites.get(Role.OPERAND))
    if built.fate is not Fate.OP or second is None or Role.ACTIVATION not in sites:
        return None
    return sites[Role.ACTIVATION], second


def multiplications(facts: Facts, node: Node, built: Built) -> int:
    """How often an op multiplies two of its inputs' numbers; 0 where it is no convolution, linear or matrix product, or
    where a size varies."""
    found = _factors(facts, node, built)
    if found is None or node.tensor is None:
        return 0
    first, second = facts.graph[found[0].node].tensor, facts.graph[found[1].node].tensor
    if first is None or second is None or not first.numel or not second.numel or not node.tensor.numel:
        return 0
    port = facts.port(found[1])
    if found[0] == found[1] or port.role is Role.OPERAND:
        return node.tensor.numel * (first.shape[-1] or 0)
    # Of a transposed convolution (channels on axis 1) each number of the input meets all of its channel's weights.
    times = first.numel if port.ch_axis == 1 else node.tensor.numel
    return times * second.numel // (second.shape[0] or 1)
