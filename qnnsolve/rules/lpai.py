"""Rules of the LPAI backend alone (codes ``QL``): the low-power processor that a few chipsets have beside the HTP.

What becomes of an aten op, and the curated facts that ExecuTorch's annotators show, are in ``facts/data/lpai``. No
operator tables ship for it, since no compiler for it is in any package: without the SDK's every op is unverified.
"""

from __future__ import annotations

from collections.abc import Iterator

from qnnsolve.constraints import Constraint, Forbid
from qnnsolve.encodings import FP16
from qnnsolve.reasons import Reason, Says
from qnnsolve.rules.base import Facts
from qnnsolve.rules.registry import rule
from qnnsolve.sources import Source, SourceKind

__all__ = ["RULES"]


_FLOATS = Source(
    SourceKind.DOCUMENT,
    "ExecuTorch 1.5.1, backends/qualcomm/_passes/lpai_partition_fallback_support.py: floats run on the CPU",
)


@rule("QL001", rests_on=(_FLOATS,))
def half_precision(facts: Facts) -> Iterator[Constraint]:
    """No tensor is computed in half precision.

    Why: the processor has integer arithmetic only; ExecuTorch hands every float op to the CPU, between a dequantize
    and a quantize.

    Instead: 8- or 16-bit activations; with ``fp16a8w`` every op stays on the CPU.
    """
    reason = Reason.of("QL001", Says.NO_HALF_PRECISION, (_FLOATS,), backend="LPAI")
    for site, domain in facts.domains.items():
        if FP16 in domain:
            yield Forbid(site, frozenset({FP16}), reason)


RULES = (half_precision,)
