"""Rules about the ports of one op: which share an encoding, a scale or a dtype."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from qnnsolve.constraints import Constraint, Derived, Relation, Same, Site, Table
from qnnsolve.encodings import Encoding, QScheme
from qnnsolve.reasons import Reason, Says
from qnnsolve.rules.base import Facts
from qnnsolve.rules.builders import Fate
from qnnsolve.rules.builders.indexing import state_of
from qnnsolve.rules.kinds import Call, becoming
from qnnsolve.rules.registry import rule
from qnnsolve.rules.repeating import call_rule
from qnnsolve.rules.request import Role
from qnnsolve.rules.rows import emitted

__all__ = ["bias_scale_is_derived", "bits_move_unchanged", "one_dtype_for_all_parts", "states_are_read_as_written"]


@call_rule("QC002", rests_on=("invariant",))
def bits_move_unchanged(call: Call) -> Iterator[Constraint]:
    """Input and output of an op that only moves data share one encoding, scale and zero point included.

    Why: the backend copies the bits and ignores an output encoding that differs, at every stage and without a
    word: values come out scaled wrongly. A node that lowering removes has no output of its own at all.

    Instead: a convert before or after the run of such ops.
    """
    facts, node = call.facts, call.node
    if call.built.fate is Fate.IDENTITY:
        reason = facts.graph_reason("QC002", Says.REMOVED, target=node.target)
        edges = (edge for _, _, edge, _ in call.float_inputs())
        yield from _same((*edges, Site(node.name)), reason, facts)
    for op in emitted(facts, node, call.built):
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


@call_rule("QC003", rests_on=("derived",))
def bias_scale_is_derived(call: Call) -> Iterator[Constraint]:
    """A bias is quantized when input and weight are, with scale = input scale x weight scale.

    Why: the accelerator adds the bias to the accumulator; whatever scale the tensor declares is ignored.

    Instead: nothing to choose; per channel where the weight is.
    """
    built = call.built
    derived = call.facts.operators.curated.derived.get(str(built.op))
    bias = next((entry for entry in built.inputs if entry.role is Role.BIAS), None)
    if derived is None or bias is None or bias.ref is None:
        return
    sites = {entry.role: edge for _, entry, edge, _ in call.float_inputs()}
    if Role.WEIGHT not in sites or Role.ACTIVATION not in sites:
        return
    sources = (sites[Role.ACTIVATION], sites[Role.WEIGHT])
    rows = itertools.product(*call.candidates(*sources, sites[Role.BIAS]))
    following = tuple(row for row in rows if _bias_follows(*row))
    relation = Relation(following, (0,) * len(following))
    yield Derived(sites[Role.BIAS], sources, relation, Reason.of("QC003", Says.DERIVED_SCALE, (derived.source,)))


def _bias_follows(activation: Encoding, weight: Encoding, bias: Encoding) -> bool:
    if activation.quantized and weight.quantized:
        per_channel = weight.qscheme in (QScheme.PER_CHANNEL_SYMMETRIC, QScheme.PER_BLOCK_SYMMETRIC)
        return bias.quantized and (bias.qscheme is QScheme.PER_CHANNEL_SYMMETRIC) == per_channel
    return not bias.quantized


@call_rule("QC005", rests_on=("one_dtype",))
def one_dtype_for_all_parts(call: Call) -> Iterator[Constraint]:
    """All inputs of a concatenation and its output have one dtype.

    Why: the backend checks the first input only; a second of another dtype is read as garbage.

    Instead: converts on the parts that differ.
    """
    source = call.facts.operators.curated.one_dtype.get(str(call.built.op))
    if source is None:
        return
    reason = Reason.of("QC005", Says.ONE_DTYPE, (source,), op=call.built.op)
    relations: dict[tuple[tuple[Encoding, ...], ...], Relation] = {}
    for edge in dict.fromkeys(edge for _, _, edge, _ in call.float_inputs()):
        pair = (edge, Site(call.node.name))
        domains = call.candidates(*pair)
        if domains not in relations:
            rows = tuple(row for row in itertools.product(*domains) if _one_dtype(*row))
            relations[domains] = Relation(rows, (0,) * len(rows))
        yield Table(pair, relations[domains], reason)


def _one_dtype(part: Encoding, whole: Encoding) -> bool:
    return (part.dtype, part.range) == (whole.dtype, whole.range)


@rule("QC012")
def states_are_read_as_written(facts: Facts) -> Iterator[Constraint]:
    """A buffer of the model that each run writes has one encoding, wherever it is read and written.

    Why: what one run writes, the next one reads. With two encodings it is rounded anew in every run, and values that
    the narrower one cannot hold are lost. A buffer that is read as a weight is left out: it has the weight's encoding.

    Instead: converts behind what reads it, or before what is written.
    """
    for node, built in becoming(facts, None):
        state = state_of(node, facts.graph) if built.fate is Fate.IDENTITY else None
        if state is None or Site(node.name) not in facts.domains:
            continue
        readers = (Site(state, user) for user in facts.graph.users[state] if user != node.name)
        read = (edge for edge in readers if facts.port(edge).role in (Role.ACTIVATION, Role.OPERAND))
        reason = facts.graph_reason("QC012", Says.READ_AS_WRITTEN, state=state)
        yield from _same((*read, Site(node.name)), reason, facts)
