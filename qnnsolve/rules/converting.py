"""Rules about what is between an op and its readers: converts, and constants that lowering folds."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import partial

from qnnsolve.constraints import Constraint, Convertible, Prefer, Site
from qnnsolve.encodings import FLOAT, FP16, Encoding
from qnnsolve.facts.accepted import Accepted
from qnnsolve.facts.graph import NodeKind
from qnnsolve.opinfo_facts import port_code
from qnnsolve.reasons import Reason, Says
from qnnsolve.rules import costs
from qnnsolve.rules.builders import Fate
from qnnsolve.rules.kinds import Call
from qnnsolve.rules.repeating import call_rule

__all__ = ["an_edge_equals_its_producer_or_converts", "constants_are_not_read_across_the_border"]


_LOST_BEFORE = frozenset(("Reshape", "Resize", "TopK", "UnPack", "aten.im2col.default", "aten.col2im.default"))
"""Operators and targets that are taken apart or renamed between the two passes that find and insert converts; and
bicubic resizing (``Resize``)."""


@call_rule("QC004", rests_on=("no_convert_after",))
def an_edge_equals_its_producer_or_converts(call: Call) -> Iterator[Constraint]:
    """An edge carries its producer's encoding, or one that a convert can reach.

    Why: where the two differ ExecuTorch inserts a convert, and not every pair has one: none behind a sigmoid, and
    none that compiles behind a constant. Nor can one, or a dequantize, stand before a node that lowering removes: it
    would land on the op after that, which the backend then rejects. None is found again before a Reshape, a TopK, a
    fold or an unfold: ExecuTorch (1.5.1) remembers by name where it belongs, and renames these or takes them apart.
    Before an unbind, which torch takes apart into slices, the first slice alone would read it. One before a bicubic
    resize is 28 % off (measured on V79, QNN 2.51), as if it stood behind the resize. At the border to the CPU a
    quantize or dequantize is inserted instead. An input of the graph that several nodes read is quantized once, since
    ExecuTorch (1.5.1, ``annotate_quant_attrs.py``) declares it with one encoding.

    Instead: the producer's encoding on the edge.
    """
    facts, name = call.facts, call.node.name
    convert = facts.operators.accepted("Convert", "rank4")
    sources = convert.known_from if convert is not None else ()
    removed = call.built.fate is Fate.IDENTITY
    lost = not _LOST_BEFORE.isdisjoint((call.built.op, call.node.target))
    for edge in (site for site in call.sites if site.user == name and site in facts.domains):
        producer, node = Site(edge.node), facts.graph[edge.node]
        if producer not in facts.domains:
            continue
        constant = edge.node in facts.built and facts.built[edge.node].fate is Fate.CONSTANT
        fixed = constant or removed or lost or node.target in facts.operators.curated.no_convert_after
        once = node.kind is NodeKind.INPUT and len(facts.graph.users[edge.node]) > 1
        ends = facts.domains[producer], facts.domains[edge]
        key = (_pairs, *ends, fixed, once, removed)
        pairs = call.once(key, partial(_pairs, convert, *ends, fixed=fixed, once=once, removed=removed))
        price = costs.convert(node.tensor.numel if node.tensor is not None else None)
        reason = Reason.of("QC004", Says.NO_CONVERT if fixed else Says.CONVERTS, sources)
        yield Convertible(producer, edge, pairs, price, reason)


def _pairs(
    convert: Accepted | None,
    sources: tuple[Encoding, ...],
    targets: tuple[Encoding, ...],
    *,
    fixed: bool,
    once: bool,
    removed: bool,
) -> frozenset[tuple[Encoding, Encoding]]:
    """The encodings of a producer and an edge between which a convert can stand."""
    return frozenset(
        pair
        for pair in itertools.product(sources, targets)
        if _bridged(convert, *pair, fixed) and not (once and pair[0] == FLOAT) and not (removed and pair[1] == FLOAT)
    )


def _bridged(convert: Accepted | None, source: Encoding, target: Encoding, fixed: bool) -> bool:
    if source == target:
        return False
    if FLOAT in (source, target):
        return FP16 not in (source, target) or not (source.quantized or target.quantized)
    if fixed or convert is None or not (source.quantized and target.quantized):
        return False
    return convert.admits((port_code(source), port_code(target)), {0: source, 1: target})


@call_rule("QC007")
def constants_are_not_read_across_the_border(call: Call) -> Iterator[Constraint]:
    """A constant that lowering folds is better quantized: left float, it costs almost as much as a convert.

    Why: a folded constant is a static tensor with one encoding, and each user that reads it otherwise needs a convert.
    The price is below that of one convert, so a constant that the CPU alone reads stays float.

    Instead: nothing. This rule only prices what QC004 allows.
    """
    node = call.node
    if call.built.fate is Fate.CONSTANT and Site(node.name) in call.facts.domains and node.kind is NodeKind.CALL:
        # Quantized, a constant that the CPU alone reads would need one convert: that has to cost more.
        price = costs.convert(node.tensor.numel if node.tensor is not None else None) - 1
        if price:
            yield Prefer(Site(node.name), ((FLOAT, price),), Reason.of("QC007", Says.FOLDS))
