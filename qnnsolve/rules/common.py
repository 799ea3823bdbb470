"""Rules that hold for every backend (codes ``QC``)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from qnnsolve.constraints import Constraint, Convertible, Derived, Forbid, Prefer, Relation, Same, Site, Table
from qnnsolve.encodings import FLOAT, FP16, Encoding, QScheme
from qnnsolve.facts.accepted import Accepted
from qnnsolve.facts.graph import NodeKind
from qnnsolve.opinfo_facts import port_code
from qnnsolve.reasons import Reason, Says
from qnnsolve.rules import costs
from qnnsolve.rules.base import Facts
from qnnsolve.rules.builders import Fate
from qnnsolve.rules.registry import rule
from qnnsolve.rules.request import Role
from qnnsolve.rules.rows import emitted, one_row_of_the_operator_table
from qnnsolve.sources import Source, SourceKind

__all__ = ["RULES"]


@rule("QC002", rests_on=("invariant",))
def bits_move_unchanged(facts: Facts) -> Iterator[Constraint]:
    """Input and output of an op that only moves data share one encoding, scale and zero point included.

    Why: the backend copies the bits and ignores an output encoding that differs, at every stage and without a
    word: values come out scaled wrongly. A node that lowering removes has no output of its own at all.

    Instead: a convert before or after the run of such ops.
    """
    for node, built in facts.calls:
        if built.fate is Fate.IDENTITY:
            reason = facts.graph_reason("QC002", Says.REMOVED, target=node.target)
            edges = (edge for _, _, edge, _ in facts.float_inputs(node, built))
            yield from _same((*edges, Site(node.name)), reason, facts)
        for op in emitted(facts, node, built):
            positions, sources = facts.shared(op.op, op.form, op.inputs, len(op.ports) - op.inputs)
            ports = (port for at, port in enumerate(op.ports) if at in positions and isinstance(port, Site))
            yield from _same(tuple(ports), Reason.of("QC002", Says.MOVES_BITS, sources, op=op.op), facts)
        for sites in facts.outputs(node):
            if isinstance(sites, tuple):
                reason = facts.graph_reason("QC002", Says.ONE_OUTPUT, target=node.target)
                yield from _same(sites, reason, facts)


def _same(sites: tuple[Site, ...], reason: Reason, facts: Facts) -> Iterator[Constraint]:
    shared = tuple(dict.fromkeys(site for site in sites if site in facts.domains))
    if len(shared) > 1:
        yield Same(shared, reason)


@rule("QC003", rests_on=("derived",))
def bias_scale_is_derived(facts: Facts) -> Iterator[Constraint]:
    """A bias is quantized when input and weight are, with scale = input scale x weight scale.

    Why: the accelerator adds the bias to the accumulator; whatever scale the tensor declares is ignored.

    Instead: nothing to choose; per channel where the weight is.
    """
    relations: dict[tuple[object, ...], Relation] = {}
    for node, built in facts.calls:
        derived = facts.operators.curated.derived.get(str(built.op))
        bias = next((entry for entry in built.inputs if entry.role is Role.BIAS), None)
        if bias is None or bias.ref is None:
            continue
        sites = {entry.role: edge for _, entry, edge, _ in facts.float_inputs(node, built)}
        weight = sites.get(Role.WEIGHT)
        if derived is None or weight is None or Role.ACTIVATION not in sites:
            continue
        sources = (sites[Role.ACTIVATION], weight)
        domains = tuple(facts.domains[site] for site in (*sources, sites[Role.BIAS]))
        key = tuple(map(id, domains))
        if key not in relations:
            rows = tuple(row for row in itertools.product(*domains) if _bias_follows(*row))
            relations[key] = Relation(rows, (0,) * len(rows))
        reason = Reason.of("QC003", Says.DERIVED_SCALE, (derived.source,))
        yield Derived(sites[Role.BIAS], sources, relations[key], reason)


def _bias_follows(activation: Encoding, weight: Encoding, bias: Encoding) -> bool:
    if activation.quantized and weight.quantized:
        per_channel = weight.qscheme in (QScheme.PER_CHANNEL_SYMMETRIC, QScheme.PER_BLOCK_SYMMETRIC)
        return bias.quantized and (bias.qscheme is QScheme.PER_CHANNEL_SYMMETRIC) == per_channel
    return not bias.quantized


@rule("QC004", rests_on=("no_convert_after",))
def an_edge_equals_its_producer_or_converts(facts: Facts) -> Iterator[Constraint]:
    """An edge carries its producer's encoding, or one that a convert can reach.

    Why: where the two differ ExecuTorch inserts a convert, and not every pair has one: none behind a sigmoid, and
    none that compiles behind a constant. Nor can one, or a dequantize, stand before a node that lowering removes: it
    would land on the op after that, which the backend then rejects. None is found again before a Reshape: ExecuTorch
    (1.5.1) remembers by name where it belongs, and its passes for linears number those anew. At the border to the
    CPU a quantize or dequantize is inserted instead; but an input of the graph that several nodes read is quantized
    once, since ExecuTorch (1.5.1, ``annotate_quant_attrs.py``) declares it with one encoding.

    Instead: the producer's encoding on the edge.
    """
    convert = facts.operators.accepted("Convert", "rank4")
    sources = convert.known_from if convert is not None else ()
    reason = Reason.of("QC004", Says.CONVERTS, sources)
    stuck = Reason.of("QC004", Says.NO_CONVERT, sources)
    pairs: dict[tuple[object, ...], frozenset[tuple[Encoding, Encoding]]] = {}
    for edge, domain in facts.domains.items():
        producer = Site(edge.node)
        if not edge.user or producer not in facts.domains:
            continue
        node = facts.graph[edge.node]
        constant = edge.node in facts.built and facts.built[edge.node].fate is Fate.CONSTANT
        removed = facts.built[edge.user].fate is Fate.IDENTITY
        lost = facts.built[edge.user].op == "Reshape"
        fixed = constant or removed or lost or node.target in facts.operators.curated.no_convert_after
        once = node.kind is NodeKind.INPUT and len(facts.graph.users[edge.node]) > 1
        key = (id(facts.domains[producer]), id(domain), fixed, removed, once)
        if key not in pairs:
            both = itertools.product(facts.domains[producer], domain)
            pairs[key] = frozenset(
                pair
                for pair in both
                if _bridged(convert, *pair, fixed)
                and not (once and pair[0] == FLOAT)
                and not (removed and pair[1] == FLOAT)
            )
        price = costs.convert(node.tensor.numel if node.tensor is not None else None)
        yield Convertible(producer, edge, pairs[key], price, stuck if fixed else reason)


def _bridged(convert: Accepted | None, source: Encoding, target: Encoding, fixed: bool) -> bool:
    if source == target:
        return False
    if FLOAT in (source, target):
        return FP16 not in (source, target) or not (source.quantized or target.quantized)
    if fixed or convert is None or not (source.quantized and target.quantized):
        return False
    return convert.admits((port_code(source), port_code(target)), {0: source, 1: target})


@rule("QC005", rests_on=("one_dtype",))
def one_dtype_for_all_parts(facts: Facts) -> Iterator[Constraint]:
    """All inputs of a concatenation and its output have one dtype.

    Why: the backend checks the first input only; a second of another dtype is read as garbage.

    Instead: converts on the parts that differ.
    """
    relations: dict[tuple[object, ...], Relation] = {}
    for node, built in facts.calls:
        source = facts.operators.curated.one_dtype.get(str(built.op))
        if source is None:
            continue
        sites = tuple(dict.fromkeys(edge for _, _, edge, _ in facts.float_inputs(node, built)))
        reason = Reason.of("QC005", Says.ONE_DTYPE, (source,), op=built.op)
        for edge in sites:
            pair = (edge, Site(node.name))
            domains = tuple(facts.domains[site] for site in pair)
            key = tuple(map(id, domains))
            if key not in relations:
                rows = tuple((a, b) for a, b in itertools.product(*domains) if _one_dtype(a, b))
                relations[key] = Relation(rows, (0,) * len(rows))
            yield Table(pair, relations[key], reason)


def _one_dtype(part: Encoding, whole: Encoding) -> bool:
    return (part.dtype, part.range) == (whole.dtype, whole.range)


@rule("QC006")
def what_was_asked_for(facts: Facts) -> Iterator[Constraint]:
    """Every site prefers the encoding that the user asked for; others cost what the table of prices says.

    Why: a legal config is not enough, it has to be the nearest to the request.

    Instead: ask for another precision.
    """
    tables: dict[tuple[object, ...], tuple[tuple[Encoding, int], ...]] = {}
    reasons: dict[str, Reason] = {}
    for site, domain in facts.domains.items():
        asked = facts.asked(site)
        role = _role(facts, site)
        if role is Role.BIAS:
            continue  # follows from its table; there is nothing to ask for
        key = (asked, id(domain), role)
        if key not in tables:
            narrow, widen = _prices(role)
            # Of two second operands of equal width the affine one keeps more of the range.
            against = facts.request.precision.activation if role is Role.OPERAND else asked
            priced = ((e, 0 if e == asked else costs.deviation(against, e, narrow, widen)) for e in domain)
            tables[key] = tuple((encoding, cost) for encoding, cost in priced if cost)
        reason = reasons.setdefault(asked.name, Reason.of("QC006", Says.ASKED_FOR, encoding=asked.name))
        if tables[key]:
            yield Prefer(site, tables[key], reason)


def _role(facts: Facts, site: Site) -> Role:
    built = facts.built.get(site.user)
    for entry in built.inputs if built is not None else ():
        if entry.ref == site.node:
            return entry.role
    return Role.ACTIVATION


def _prices(role: Role) -> tuple[int, int]:
    match role:
        case Role.ACTIVATION:
            return costs.NARROW_ACT, costs.WIDEN_ACT
        case Role.OPERAND:
            return costs.NARROW_RHS, costs.WIDEN_ACT
        case Role.WEIGHT | Role.NORM | Role.BIAS:
            return costs.NARROW_PAR, costs.WIDEN_PAR


@rule("QC007")
def constants_are_not_read_across_the_border(facts: Facts) -> Iterator[Constraint]:
    """A constant that lowering folds has the encoding of its users' edges, or stays float for all of them.

    Why: a folded constant is a static tensor with one encoding; each user that reads it otherwise needs a convert.

    Instead: nothing; this rule only prices what QC004 allows.
    """
    reason = Reason.of("QC007", Says.FOLDS)
    for node, built in facts.calls:
        if built.fate is Fate.CONSTANT and Site(node.name) in facts.domains and node.kind is NodeKind.CALL:
            # Less than the one convert that a constant for the CPU alone would need if it were quantized.
            price = costs.convert(node.tensor.numel if node.tensor is not None else None) - 1
            if price:
                yield Prefer(Site(node.name), ((FLOAT, price),), reason)


_WHOLE_BLOCKS = Source(
    SourceKind.DOCUMENT, "ExecuTorch 1.5.1, per_block_param_observer.py: a weight is cut into blocks"
)


@rule("QC009", rests_on=(_WHOLE_BLOCKS,))
def blocks_divide_the_input_channels(facts: Facts) -> Iterator[Constraint]:
    """A weight is quantized per block (LPBQ) only where the block size divides its input channels.

    Why: every block has the same size, so none may be left over at the end. A depthwise convolution has one input
    channel per group, and so no blocks at all.

    Instead: another ``--block-size``, or one scale per channel.
    """
    size = facts.request.block_size
    for node, built in facts.calls if facts.request.precision.per_block else ():
        for _, entry, edge, tensor in facts.float_inputs(node, built):
            blocks = frozenset(e for e in facts.domains[edge] if e.qscheme is QScheme.PER_BLOCK_SYMMETRIC)
            channels = tensor.shape[1 if entry.ch_axis == 0 else 0] if blocks else size
            if channels is None or channels % size:
                left_over = Reason.of("QC009", Says.BLOCKS_LEFT_OVER, (_WHOLE_BLOCKS,), size=size, channels=channels)
                yield Forbid(edge, blocks, left_over)


RULES = (
    one_row_of_the_operator_table,
    bits_move_unchanged,
    bias_scale_is_derived,
    an_edge_equals_its_producer_or_converts,
    one_dtype_for_all_parts,
    what_was_asked_for,
    constants_are_not_read_across_the_border,
    blocks_divide_the_input_channels,
)
