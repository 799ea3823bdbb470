"""A random sample of the shipped facts, as questions."""

from __future__ import annotations

import random
from collections.abc import Mapping

import attrs

from qnnsolve.facts.tables import OpTable, ProbeVerdict, TableRow
from qnnsolve.probe.ops import OPS
from qnnsolve.probe.questions import CaseSpec
from qnnsolve.probe.trial import Variant

__all__ = ["TableQuestion", "sample"]


@attrs.frozen
class TableQuestion:
    """One tuple of port codes of one case of an op, and what its table says of it.

    ``symmetric`` and ``same`` are the ports whose encodings the table restricts there; ``fixed``: one of them has one
    encoding only.
    """

    op: str
    case: str
    codes: tuple[str, ...]
    verdict: ProbeVerdict
    symmetric: frozenset[str] = frozenset()
    same: frozenset[str] = frozenset()
    fixed: bool = False

    @property
    def spec(self) -> CaseSpec:
        """The probe that asks it."""
        return next(case for case in OPS[self.op].cases if case.name == self.case)

    @property
    def variant(self) -> Variant | None:
        """How the table says that it is right; None where it says that it is not."""
        if self.verdict is not ProbeVerdict.ACCEPTED:
            return None
        same = tuple(index for index, port in enumerate(self.spec.port_names) if port in self.same)
        return Variant(same, OPS[self.op].fixed if self.fixed else None)


def sample(tables: Mapping[str, OpTable], samples: int, seed: int, arch: str) -> list[TableQuestion]:
    """Return ``samples`` questions, half of them about tuples in some row, half about any; the same for one seed."""
    chance = random.Random(f"{seed} {arch}")
    cases = [(table, case) for _, table in sorted(tables.items()) for case in table.cases if table.op in OPS]
    rows = [
        (table, case, row.codes) for table, case in cases for row in (*case.rows, *case.wrong, *case.validator_only)
    ]
    questions: list[TableQuestion] = []
    while len(questions) < samples:
        if len(questions) % 2:
            table, case = chance.choice(cases)
            codes = tuple(chance.choice(asked) for asked in case.asked)
        else:
            table, case, codes = chance.choice(rows)
        verdict = table.verdict(case, codes, arch)
        if verdict is ProbeVerdict.UNKNOWN:
            continue
        row = next((row for row in case.rows if row.codes == codes), TableRow((), (), frozenset()))
        name = chance.choice(case.name.split("|"))
        questions.append(TableQuestion(table.op, name, codes, verdict, row.symmetric, row.same, bool(row.fixed)))
    return questions
