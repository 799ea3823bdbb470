"""A random sample of the shipped facts, as questions."""

from __future__ import annotations

import random
from collections.abc import Mapping

import attrs

from qnnsolve.facts.tables import OpTable, TableRow, Verdict
from qnnsolve.probe.ops import OPS
from qnnsolve.probe.questions import CaseSpec
from qnnsolve.probe.trial import Variant

__all__ = ["Question", "sample"]


@attrs.frozen
class Question:
    """One tuple of port codes of one case of an op, and what its table says of it.

    ``symmetric`` and ``same`` are the ports whose encodings the table restricts there; ``fixed``: one of them has one
    encoding only.
    """

    op: str
    case: str
    codes: tuple[str, ...]
    verdict: Verdict
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
        if self.verdict is not Verdict.ACCEPTED:
            return None
        same = tuple(index for index, port in enumerate(self.spec.port_names) if port in self.same)
        return Variant(same, OPS[self.op].fixed if self.fixed else None)


def sample(tables: Mapping[str, OpTable], samples: int, seed: int, arch: str) -> list[Question]:
    """Return ``samples`` questions, half of them about tuples in some row, half about any; the same for one seed."""
    chance = random.Random(f"{seed} {arch}")
    cases = [(table, case) for _, table in sorted(tables.items()) for case in table.cases if table.op in OPS]
    rows = [
        (table, case, row.codes) for table, case in cases for row in (*case.rows, *case.wrong, *case.validator_only)
    ]
    questions: list[Question] = []
    while len(questions) < samples:
        if len(questions) % 2:
            table, case = chance.choice(cases)
            codes = tuple(chance.choice(asked) for asked in case.asked)
        else:
            table, case, codes = chance.choice(rows)
        verdict = table.verdict(case, codes, arch)
        if verdict is Verdict.UNKNOWN:
            continue
        row = next((row for row in case.rows if row.codes == codes), TableRow((), (), frozenset()))
        name = chance.choice(case.name.split("|"))
        questions.append(Question(table.op, name, codes, verdict, row.symmetric, row.same, bool(row.fixed)))
    return questions
