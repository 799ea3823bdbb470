"""Rules of the HTP backend alone (codes ``QH``)."""

from __future__ import annotations

from collections.abc import Iterator

from qnnsolve.constraints import Constraint, Forbid, Same, Site
from qnnsolve.encodings import QScheme
from qnnsolve.opinfo_facts import port_code
from qnnsolve.reasons import Reason, Says
from qnnsolve.rules.base import Facts
from qnnsolve.rules.builders import Built, Fate
from qnnsolve.rules.builders.indexing import state_of
from qnnsolve.rules.kinds import Call, becoming
from qnnsolve.rules.registry import rule
from qnnsolve.rules.repeating import call_rule
from qnnsolve.rules.request import Role
from qnnsolve.sources import Source, SourceKind

__all__ = ["FOLDED", "RULES"]


@rule("QH001", rests_on=("since",))
def arch_computes_the_weight_right(facts: Facts) -> Iterator[Constraint]:
    """No weight format on an arch that computes garbage with it (LPBQ before V69, 2 bits before V73).

    Why: validator and compiler accept it, the result is wrong in places.

    Instead: 8-bit per-channel weights, or a newer chip.
    """
    arch = int(facts.operators.arch[1:])
    since = facts.operators.curated.since
    late = {code: (first, source) for code, (first, source) in since.items() if arch < int(first[1:])}
    if not late:
        return
    for site, domain in facts.domains.items():
        for encoding in domain:
            fact = late.get(port_code(encoding)) if encoding.quantized else None
            if fact is not None:
                since_arch = Reason.of("QH001", Says.RIGHT_SINCE, (fact[1],), encoding=encoding.name, arch=fact[0])
                yield Forbid(site, frozenset({encoding}), since_arch)


_OVER_A_KERNEL = Source(
    SourceKind.MEASURED,
    "HTP emulator, QNN 2.51, V79: a 3x3 convolution is off by 46 to 67 % of its range, a 1x1 by 1 %",
)
_IN_A_LINEAR = Source(
    SourceKind.MEASURED,
    "HTP emulator, QNN 2.51, V79: a linear of 64 to 48 is off by 1.3 % in one process and by 6.7 % in another, "
    "per channel by 0.06 %",
)


@call_rule("QH004", rests_on=("tables", _OVER_A_KERNEL, _IN_A_LINEAR))
def blocks_outside_1x1_convolutions(call: Call) -> Iterator[Constraint]:
    """Weights are quantized per block (LPBQ) in 1x1 convolutions only.

    Why: validator and compiler accept blocks in any convolution and in linears. Over a kernel of more than one position
    the result is garbage, whether a block lies within a position or spans the kernel. The result of a linear differs
    from process to process. Of weights that are not two- or four-dimensional ExecuTorch writes no blocks.

    Instead: a linear written as a 1x1 convolution; or 4 bits per channel, or 8 bits where that is not enough.
    """
    for _, entry, edge, tensor in call.float_inputs():
        kernel = tensor.shape[2:]
        if entry.role is not Role.WEIGHT or kernel == (1, 1):
            continue
        source = _OVER_A_KERNEL if kernel else _IN_A_LINEAR
        blocks = frozenset(e for e in call.facts.domains[edge] if e.qscheme is QScheme.PER_BLOCK_SYMMETRIC)
        if blocks:
            yield Forbid(edge, blocks, Reason.of("QH004", Says.BLOCKS_IN_POINTS, (source,)))


_FOLDING = ("Conv2d", "DepthWiseConv2d", "FullyConnected", "ElementWiseAdd")
FOLDED = "QH002"
"""Code of the rule whose groups are observed within the bounds of their activation."""


_ROUNDS_ONCE = Source(SourceKind.MEASURED, "HTP emulator, QNN 2.51: bit-equal to a converted model that rounds once")


@rule(FOLDED, rests_on=(_ROUNDS_ONCE,))
def activation_folds_into_its_producer(facts: Facts) -> Iterator[Constraint]:
    """A ReLU or clamp that alone reads a convolution, linear or sum shares its encoding with it.

    Why: the compiler folds the two into one op that rounds once; quantizing in between rounds twice, wastes range
    on values that are cut off, and makes the converted model differ from the chip.

    Instead: nothing is lost: saturating at the bounds of the range is what the activation does.
    """
    reason = Reason.of(FOLDED, Says.ROUNDS_ONCE, (_ROUNDS_ONCE,))
    for node, built in becoming(facts, "Relu", "ReluMinMax"):
        ref = built.inputs[0].ref
        producer = _producer(facts, ref)
        if ref is None or producer is None or producer.op not in _FOLDING or facts.graph.users[ref] != (node.name,):
            continue
        if Site(ref) in facts.domains and Site(node.name) in facts.domains:
            yield Same((Site(ref), Site(ref, node.name), Site(node.name)), reason)


def _producer(facts: Facts, ref: str | None) -> Built | None:
    """What makes the values of ``ref``; a norm that is folded after training makes none, but the op before it does."""
    built = facts.built.get(str(ref))
    while built is not None and built.fate is Fate.IDENTITY and facts.graph.users[str(built.inputs[0].ref)] == (ref,):
        ref = built.inputs[0].ref
        built = facts.built.get(str(ref))
    return built


@rule("QH005")
def writes_to_one_buffer_share(facts: Facts) -> Iterator[Constraint]:
    """All writes to one buffer of the model (a cache of keys and values) have one encoding.

    Why: each reads what the one before it wrote, and moves the bits of what it does not write itself.

    Instead: converts on what is written, and behind the last write.
    """
    first: dict[str, Site] = {}
    for node, built in facts.calls:
        state, site = state_of(node, facts.graph) if built.op == "ScatterNd" else None, Site(node.name)
        if state is None or site not in facts.domains:
            continue
        if first.setdefault(state, site) != site:
            yield Same((first[state], site), facts.graph_reason("QH005", Says.ONE_BUFFER, state=state))


RULES = (
    arch_computes_the_weight_right,
    activation_folds_into_its_producer,
    blocks_outside_1x1_convolutions,
    writes_to_one_buffer_share,
)
