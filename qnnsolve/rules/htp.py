"""Rules of the HTP backend alone (codes ``QH``)."""

from __future__ import annotations

from collections.abc import Iterator

from qnnsolve.constraints import Constraint, Forbid, Reason
from qnnsolve.opinfo_facts import port_code
from qnnsolve.rules.base import Facts, rule

__all__ = ["RULES"]


@rule("QH001")
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
                text = f"{encoding} is computed right from {fact[0]} on"
                yield Forbid(site, frozenset({encoding}), Reason("QH001", text, (fact[1],)))


RULES = (arch_computes_the_weight_right,)
