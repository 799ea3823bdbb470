"""Every source of operator constraints, as one set of facts per backend and HTP arch.

Today there are two sources, both shipped: tables measured on the real compiler (:mod:`qnnsolve.facts.tables`)
and curated facts (:mod:`qnnsolve.facts.curated`). Port codes (``u16``, ``s8c``, ``f32``) are those of the tables.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

import attrs

from qnnsolve.encodings import FP16, Encoding
from qnnsolve.facts.accepted import Accepted, AcceptedRow
from qnnsolve.facts.combine import accepted_of
from qnnsolve.facts.curated import Curated, curated
from qnnsolve.facts.tables import OpTable, codes_of, shipped_tables

__all__ = ["Accepted", "AcceptedRow", "OperatorFacts", "operator_facts", "port_code"]


def port_code(encoding: Encoding, quantized_weight: bool = False) -> str:
    """The tables' code of ``encoding`` on a port of the op that ExecuTorch builds.

    Half-precision activations are declared ``f32`` and computed in fp16, except around a quantized weight,
    where ExecuTorch (1.5.1, ``insert_cast_for_fp_act_quantized_weight.py``) casts them to ``f16``.
    """
    if encoding == FP16:
        return "f16" if quantized_weight else "f32"
    return codes_of(encoding)


@attrs.frozen(eq=False)
class OperatorFacts:
    """Operator facts of ``backend`` on ``arch`` (``V68`` ... ``V81``)."""

    backend: str
    arch: str
    tables: Mapping[str, OpTable]
    curated: Curated
    _found: dict[tuple[str, str | None], Accepted | None] = attrs.field(factory=dict, init=False, repr=False)

    def knows(self, op: str) -> bool:
        """Whether there is any fact about ``op``; without one it is unverified."""
        return op in self.tables

    def accepted(self, op: str, case: str | None = None) -> Accepted | None:
        """What ``op`` accepts here; None where nothing is known.

        Without ``case``, or with one that was not measured apart, a tuple counts only if every measured case
        (shape class) accepts it.
        """
        if (op, case) not in self._found:
            self._found[op, case] = self._accepted(op, case)
        return self._found[op, case]

    def _accepted(self, op: str, case: str | None) -> Accepted | None:
        table = self.tables.get(op)
        return None if table is None else accepted_of(table, case, self.arch, self.curated)


@functools.cache
def operator_facts(backend: str, arch: str) -> OperatorFacts:
    """The facts for ``backend`` on ``arch``, cached for the pair.

    Raises:
        FactsError: a shipped file cannot be read.
    """
    return OperatorFacts(backend, arch, shipped_tables(backend), curated(backend))
