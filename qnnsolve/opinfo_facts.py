"""Every source of operator constraints, as one set of facts per backend and HTP arch.

Today there are two sources, both shipped: tables measured on the real compiler (:mod:`qnnsolve.facts.tables`)
and curated facts (:mod:`qnnsolve.facts.curated`). Port codes (``u16``, ``s8c``, ``f32``) are those of the tables.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Mapping

import attrs

from qnnsolve.constraints import Source
from qnnsolve.encodings import FP16, Encoding
from qnnsolve.facts.curated import Curated, curated
from qnnsolve.facts.tables import Case, FixedPort, OpTable, TableRow, codes_of, shipped_tables

__all__ = ["Accepted", "OperatorFacts", "operator_facts", "port_code"]

OUT = "out[0]"


def port_code(encoding: Encoding, quantized_weight: bool = False) -> str:
    """The tables' code of ``encoding`` on a port of the op that ExecuTorch builds.

    Half-precision activations are declared ``f32`` and computed in fp16, except around a quantized weight,
    where ExecuTorch (1.5.1, ``insert_cast_for_fp_act_quantized_weight.py``) casts them to ``f16``.
    """
    if encoding == FP16:
        return "f16" if quantized_weight else "f32"
    return codes_of(encoding)


@attrs.frozen(eq=False)
class Accepted:
    """What one operator accepts on one arch: code tuples (inputs, then output) and where that is known from.

    ``rows`` maps each tuple to the positions whose zero point must be the middle of the range; ``same`` the tuples
    whose ports at some positions must carry one encoding to those positions; ``fixed`` the tuples that are computed
    right with one encoding only at some ports to those.
    """

    rows: Mapping[tuple[str, ...], frozenset[int]]
    arity: int
    repeats: bool
    source: Source
    same: Mapping[tuple[str, ...], frozenset[int]] = attrs.field(factory=dict)
    fixed: Mapping[tuple[str, ...], tuple[FixedPort, ...]] = attrs.field(factory=dict)

    def admits(self, codes: tuple[str, ...], symmetric: Collection[int] = ()) -> bool:
        """Whether ports of these codes are accepted, those at the positions ``symmetric`` being symmetric.

        A repeated input stands for any number of inputs.
        """
        if self.repeats:
            alike = dict.fromkeys((code, port in symmetric) for port, code in enumerate(codes[:-1]))
            output = [self.arity] if len(codes) - 1 in symmetric else []
            return all(
                self._admits((code,) * self.arity + codes[-1:], [*(range(self.arity) if centred else ()), *output])
                for code, centred in alike
            )
        return self._admits(codes, symmetric)

    def _admits(self, codes: tuple[str, ...], symmetric: Collection[int]) -> bool:
        required = self.rows.get(codes)
        return required is not None and required <= frozenset(symmetric)


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
        if table is None:
            return None
        cases = [c for c in table.cases if case in c.name.split("|")] or list(table.cases)
        ports = (*table.inputs, *table.outputs)
        found = [self._rows(c) for c in cases]
        common = set(found[0]).intersection(*found[1:])
        alike = {codes: [each[codes] for each in found] for codes in common}

        def positions(names: Iterable[frozenset[str]]) -> frozenset[int]:
            return frozenset(ports.index(port) for port in frozenset[str]().union(*names))

        return Accepted(
            {codes: positions(row.symmetric for row in rows) for codes, rows in alike.items()},
            len(table.inputs),
            table.repeats in table.inputs,
            table.source,
            {codes: positions(row.same for row in rows) for codes, rows in alike.items() if any(r.same for r in rows)},
            {
                codes: tuple(sorted({fixed for row in rows for fixed in row.fixed}))
                for codes, rows in alike.items()
                if any(row.fixed for row in rows)
            },
        )

    def _rows(self, case: Case) -> dict[tuple[str, ...], TableRow]:
        return {
            row.codes: row
            for row in case.rows
            if self.arch in row.archs and all(self._computes(code) for code in row.codes)
        }

    def _computes(self, code: str) -> bool:
        since = self.curated.since.get(code)
        return since is None or int(self.arch[1:]) >= int(since[0][1:])


@functools.cache
def operator_facts(backend: str, arch: str) -> OperatorFacts:
    """The facts for ``backend`` on ``arch``, cached for the pair.

    Raises:
        FactsError: a shipped file cannot be read.
    """
    return OperatorFacts(backend, arch, shipped_tables(backend), curated(backend))
