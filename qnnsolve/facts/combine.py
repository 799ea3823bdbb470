"""From tables and curated facts to what one operator accepts on one arch (:class:`Accepted`)."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from qnnsolve.facts.accepted import Accepted, AcceptedRow, Codes, FixedAt
from qnnsolve.facts.curated import Curated
from qnnsolve.facts.forms import Form
from qnnsolve.facts.tables import OpTable, TableRow
from qnnsolve.sources import Source, joined

__all__ = ["accepted_of", "counterpart", "intersected"]

Refused = dict[Codes, tuple[Source, ...]]


def accepted_of(table: OpTable, form: Form, arch: str, curated: Curated) -> Accepted:
    """What ``table`` accepts on ``arch`` of a node of this form, narrowed by the curated facts.

    A tuple is accepted if at least one case that measures the node was asked about it, and every such case accepts it.
    What one of these cases demands of a port holds for all of them. Of a node that no case of an open table measures,
    every case has to accept it.
    """
    measuring = table.measuring(form)
    cases, unmeasured = [case for case, _ in measuring], not any(names for _, names in measuring)
    ports = (*table.inputs, *table.outputs)
    found = [{row.codes: _row(table, row, dict(each.axes)) for row in each.rows if arch in row.archs} for each in cases]
    rows: dict[Codes, AcceptedRow] = {}
    refused: Refused = {}
    for codes in {codes for accepted in found for codes in accepted}:
        pairs = zip(cases, found, strict=True)
        asked = [accepted.get(codes) for case, accepted in pairs if unmeasured or codes in accepted or case.asks(codes)]
        narrowed = asked[0]
        for other in asked[1:]:
            narrowed = None if narrowed is None or other is None else narrowed.narrowed(other)
        if narrowed is None:
            continue
        late = [fact[1] for code in codes if (fact := curated.since.get(code)) and _number(arch) < _number(fact[0])]
        if late:
            refused[codes] = joined(late)
        elif (narrowed := narrowed.narrowed(_curated_row(table.op, form.name, ports, codes, curated))) is not None:
            rows[codes] = narrowed
    repeats = None if table.repeats is None else ports.index(table.repeats)
    ordered = dict(sorted(rows.items()))
    return Accepted(ordered, table.inputs, table.outputs, repeats, refused, (table.source,))


def intersected(one: Accepted, other: Accepted) -> Accepted:
    """What both accept, with the positions of ``one``: each row has the demands and the sources of both.

    Inputs beyond those that ``other`` lists must be absent; of outputs, those that both list count. A row that only
    one of the two accepts is :attr:`Accepted.refused`, by the other.
    """
    rows: dict[Codes, AcceptedRow] = {}
    refused = {**other.refused, **one.refused}
    for codes, row in one.rows.items():
        found = counterpart(codes, one, other)
        both = None if found is None else row.narrowed(found)
        if both is None:
            refused[codes] = other.known_from
        else:
            rows[codes] = both
    alike = (len(one.inputs), len(one.outputs)) == (len(other.inputs), len(other.outputs))
    for codes in other.rows if alike else ():
        if codes not in rows:
            refused.setdefault(codes, one.known_from)
    known = joined((*one.known_from, *other.known_from))
    return attrs.evolve(one, rows=rows, refused=refused, known_from=known)


def counterpart(codes: Codes, one: Accepted, other: Accepted) -> AcceptedRow | None:
    """The row of ``other`` for these codes, which are ``one``'s, with its positions counted as ``one`` counts."""
    arity, results = len(one.inputs), len(one.outputs)
    alike = (one.repeats, one.inputs, one.outputs) == (other.repeats, other.inputs, other.outputs)
    if other.repeats is None or alike:
        ins, outs = min(arity, len(other.inputs)), min(results, len(other.outputs))
        if any(code != "-" for code in codes[ins:arity]):
            return None
        wanted = codes[:ins], codes[arity : arity + outs]
        split = len(other.inputs)
        matching = (r for c, r in other.rows.items() if (c[:ins], c[split : split + outs]) == wanted)
        found = next(matching, None)
    else:
        found = None
        for spelled in other.instances(codes):
            row = other.rows.get(spelled)
            if row is None:
                return None
            found = row if found is None else found.narrowed(row)
            if found is None:
                return None
    if found is None or alike:
        return found
    return found.moved(lambda at: other.places(at, arity, results))


_WEIGHT_LAYOUT = {
    "Conv2d": (2, 3, 1, 0),
    "DepthWiseConv2d": (2, 3, 1, 0),
    "Conv3d": (2, 3, 4, 1, 0),
    "TransposeConv2d": (2, 3, 0, 1),
    "TransposeConv3d": (2, 3, 4, 0, 1),
}
"""Torch's axis at each of QNN's, of the weights that ExecuTorch 1.5.1 lays out anew (``builders/op_conv.py``)."""


def _row(table: OpTable, row: TableRow, measured: Mapping[str, int]) -> AcceptedRow:
    ports = (*table.inputs, *table.outputs)
    axis = {port: frozenset({at}) for port, at in measured.items() if row.codes[ports.index(port)][-1] in "cb"}
    for port, axes in row.axis:
        axis[port] = axis.get(port, axes) & axes
    layout = _WEIGHT_LAYOUT.get(table.op, ())
    placed = {
        ports.index(port): frozenset(_placed(at, layout if port == "in[1]" else ()) for at in axes)
        for port, axes in axis.items()
    }
    return AcceptedRow(
        frozenset(map(ports.index, row.symmetric)),
        frozenset(map(ports.index, row.same)),
        tuple(sorted(FixedAt(ports.index(fixed.port), fixed.scale, fixed.zero_point) for fixed in row.fixed)),
        tuple(sorted(placed.items(), key=lambda entry: entry[0])),
        (table.source,),
    )


def _placed(axis: int, layout: tuple[int, ...]) -> int:
    """Torch's axis; one that the weight does not have stays as it is, and nothing matches it."""
    return layout[axis] if -len(layout) <= axis < len(layout) else axis


def _curated_row(op: str, case: str | None, ports: tuple[str, ...], codes: Codes, curated: Curated) -> AcceptedRow:
    """What the curated facts ask of a row of this case of ``op``, and only the sources that ask something."""
    symmetric: set[int] = set()
    same: set[int] = set()
    fixed: dict[int, FixedAt] = {}
    sources: list[Source] = []
    for position, port in enumerate(ports):
        centred = curated.symmetric.get((op, port))
        if centred is not None and codes[position] in centred[0]:
            symmetric.add(position)
            sources.append(centred[1])
    if op in curated.invariant:
        shared, source = curated.invariant[op]
        same = {ports.index(port) for port in shared if port in ports}  # a source may list fewer ports than there are
        sources.append(source)
    facts = curated.fixed.get(op, ())
    for fact in [fact for fact in facts if fact.case == case] or [fact for fact in facts if fact.case is None]:
        if fact.port in ports and codes[ports.index(fact.port)] == fact.code:
            position = ports.index(fact.port)
            fixed[position] = FixedAt(position, fact.scale, fact.zero_point)
            sources.append(fact.source)
    ordered = tuple(fixed[position] for position in sorted(fixed))
    return AcceptedRow(frozenset(symmetric), frozenset(same), ordered, (), joined(sources))


def _number(arch: str) -> int:
    return int(arch[1:])
