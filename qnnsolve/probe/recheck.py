"""Asks the live backend again about a random sample of shipped facts."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs

from qnnsolve.errors import UnknownNameError
from qnnsolve.facts.tables import ARCHS, Case, OpTable, ProbeVerdict, TableRow
from qnnsolve.host.streams import silence_libraries
from qnnsolve.probe.ask import SOCS, LiveBackend
from qnnsolve.probe.child import mode_of
from qnnsolve.probe.children import MODES, Child, run_child
from qnnsolve.probe.claims import Claim, ask_claims
from qnnsolve.probe.journal import Acceptance, Finding, Journal, read
from qnnsolve.probe.ops import OPS
from qnnsolve.probe.sampling import TableQuestion, sample
from qnnsolve.probe.trial import Variant

__all__ = ["Contradiction", "Recheck", "recheck", "set_aside"]

_DIGEST = "verify"
_VERDICT = {
    Acceptance.ACCEPTED: ProbeVerdict.ACCEPTED,
    Acceptance.WRONG: ProbeVerdict.WRONG,
    Acceptance.VALIDATOR_ONLY: ProbeVerdict.VALIDATOR_ONLY,
    Acceptance.REJECTED: ProbeVerdict.REJECTED,
}
_SEED = 7
"""Of numbers that no usual sweep feeds; its turns count from 0, and their numbers are fed too."""


@attrs.frozen
class Contradiction:
    """The live backend on ``soc`` says ``now`` about a question whose table says something else.

    ``detail`` names ports that it wants symmetric beyond those of the table; ``steps`` is how far off it computed.
    """

    soc: str
    question: TableQuestion
    now: ProbeVerdict
    detail: str = ""
    steps: float = 0.0

    @property
    def false_accept(self) -> bool:
        """Whether the table calls legal what is not, or asks too little."""
        return self.question.verdict is ProbeVerdict.ACCEPTED

    def __str__(self) -> str:
        asked = self.question
        codes = " ".join(asked.codes)
        said = f"was {asked.verdict.value}, is {self.now.value}{self.detail}"
        return f"{asked.op} ({asked.case}) {codes} on {self.soc}: {said}"


@attrs.frozen
class Recheck:
    """How many facts were asked again, per SoC, how many of them are accepted ones, and all that differs."""

    asked: Mapping[str, int]
    accepted: int
    differences: tuple[Contradiction, ...]


def set_aside(tables: Mapping[str, OpTable], differences: Sequence[Contradiction]) -> dict[str, OpTable]:
    """The tables of all operators that answer differently, with those tuples as unstable ones on every arch.

    An answer that differs when the question is asked again depends on chance or on the numbers. Then the answers of the
    other archs cannot be trusted either.
    """
    changed: dict[str, OpTable] = {}
    for difference in differences:
        asked = difference.question
        table = changed.get(asked.op, tables[asked.op])
        case = table.case(asked.case)
        settled = _unstable(case, asked.codes, len(table.inputs))
        changed[asked.op] = attrs.evolve(
            table, cases=tuple(settled if other is case else other for other in table.cases)
        )
    return changed


def _unstable(case: Case, codes: tuple[str, ...], inputs: int) -> Case:
    def without(rows: tuple[TableRow, ...]) -> tuple[TableRow, ...]:
        return tuple(row for row in rows if row.codes != codes)

    row = TableRow(codes[:inputs], codes[inputs:], frozenset(ARCHS))
    return attrs.evolve(
        case,
        rows=without(case.rows),
        wrong=without(case.wrong),
        validator_only=without(case.validator_only),
        unstable=tuple(sorted((*without(case.unstable), row), key=lambda known: known.key)),
    )


Progress = Callable[[str, int, int], None]
"""Called with a SoC, and the facts asked so far and in all."""


def recheck(
    tables: Mapping[str, OpTable],
    samples: int,
    seed: int,
    socs: Sequence[str] = tuple(SOCS.values()),
    progress: Progress | None = None,
    workers: int = 2,
    child: Child | None = None,
) -> Recheck:
    """Ask the validator, finalize and the emulator again about ``samples`` facts on each of ``socs``.

    Raises:
        UnknownNameError: no arch was measured on one of ``socs``.
        HostBackendError: no backend here, or it dies before it is asked anything.
    """
    archs = {name: arch for arch, name in SOCS.items()}
    for soc in socs:
        if soc not in archs:
            raise UnknownNameError("SoC", soc, archs)
    asked = {soc: sample(tables, samples, seed, archs[soc]) for soc in socs}
    jobs = [(soc, mode) for soc in socs for mode in MODES]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(max_workers=workers) as pool:

        def run(job: tuple[str, str]) -> list[Contradiction]:
            soc, mode = job
            chosen = [question for question in asked[soc] if mode_of(question.codes) == mode]
            return _ask_again(
                soc, mode, chosen, Path(folder), child or Child(_COMMAND, silence_seconds=180.0), progress
            )

        found = [difference for part in pool.map(run, jobs) for difference in part]
    accepted = sum(question.verdict is ProbeVerdict.ACCEPTED for questions in asked.values() for question in questions)
    return Recheck({soc: len(questions) for soc, questions in asked.items()}, accepted, tuple(found))


_COMMAND = (sys.executable, "-m", "qnnsolve.probe.recheck")


def _ask_again(
    soc: str, mode: str, questions: list[TableQuestion], folder: Path, child: Child, progress: Progress | None
) -> list[Contradiction]:
    """What differs; a question at which two children died is answered by where they died."""
    if not questions:
        return []
    path, journal = folder / f"{soc}-{mode}.json", folder / f"{soc}-{mode}.journal"
    tuples = [
        (asked.op, asked.case, asked.codes, asked.variant and attrs.astuple(asked.variant)) for asked in questions
    ]
    path.write_text(json.dumps(tuples), encoding="utf-8")

    def tell() -> None:
        if progress is not None:
            progress(f"{soc} {mode}", len(read(journal, _DIGEST).answers), len(questions))

    command = attrs.evolve(child, command=(*child.command, soc, mode, str(path), str(journal)))
    run_child(command, {journal: _DIGEST}, f"the check of {soc} ({mode})", tell)
    answers = read(journal, _DIGEST).answers
    found = [_difference(soc, question, answers[(0, index)]) for index, question in enumerate(questions)]
    return [difference for difference in found if difference is not None]


def _difference(soc: str, question: TableQuestion, found: Finding) -> Contradiction | None:
    now = _VERDICT.get(found.answer, ProbeVerdict.UNKNOWN)
    if now is not question.verdict:
        return Contradiction(soc, question, now, steps=found.steps)
    if now is ProbeVerdict.ACCEPTED:
        names = question.spec.port_names
        symmetric = {names[port] for port in found.symmetric} - question.symmetric
        if symmetric:
            return Contradiction(soc, question, now, f", with {' '.join(sorted(symmetric))} symmetric", found.steps)
    return None


def _child(soc: str, mode: str, questions: Path, answers: Path) -> None:
    import torch

    torch.set_num_threads(1)
    backend = LiveBackend(soc, mode == "fp16")
    silence_libraries()
    known = read(answers, _DIGEST)
    claims: dict[str, list[Claim]] = {}
    for index, (op, name, codes, shared) in enumerate(json.loads(questions.read_text(encoding="utf-8"))):
        case = next(case for case in OPS[op].cases if case.name == name)
        variant = None if shared is None else Variant(tuple(shared[0]), shared[1] and (shared[1][0], shared[1][1]))
        if (0, index) not in known.answers:
            claims.setdefault(op, []).append(Claim((0, index), case, tuple(codes), variant))
    with Journal(answers, _DIGEST) as journal:
        for op in sorted(claims):
            seeds = (_SEED, *range(OPS[op].turns))
            ask_claims(backend, OPS[op], claims[op], seeds, journal, together=not known.deaths_together)
    os._exit(0)  # the adaptor's own teardown is slow and not always clean


if __name__ == "__main__":
    _child(sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
