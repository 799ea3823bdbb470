"""Asks the live backend again about a random sample of shipped facts."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import attrs

from qnnsolve.errors import HostBackendError, UnknownNameError
from qnnsolve.facts.tables import OpTable, Verdict
from qnnsolve.probe.ask import SOCS, Backend
from qnnsolve.probe.child import ask_one, mode_of
from qnnsolve.probe.journal import Answer
from qnnsolve.probe.ops import OPS

__all__ = ["Difference", "Question", "sample", "verify_sample"]

_SECONDS = 600
_VERDICT = {
    Answer.ACCEPTED: Verdict.ACCEPTED,
    Answer.VALIDATOR_ONLY: Verdict.VALIDATOR_ONLY,
    Answer.REJECTED: Verdict.REJECTED,
}


@attrs.frozen
class Question:
    """One tuple of port codes of one case of an op, and what its table says."""

    op: str
    case: str
    codes: tuple[str, ...]
    verdict: Verdict


@attrs.frozen
class Difference:
    """The live backend says ``now`` about a question whose table says something else."""

    question: Question
    now: Verdict

    def __str__(self) -> str:
        asked = self.question
        codes = " ".join(asked.codes)
        return f"{asked.op} ({asked.case}) {codes}: was {asked.verdict.value}, is {self.now.value}"


def sample(tables: Mapping[str, OpTable], samples: int, seed: int, arch: str) -> list[Question]:
    """Return ``samples`` questions, half of them about tuples in some row, half about any; the same for one seed."""
    chance = random.Random(seed)
    cases = [(table, case) for _, table in sorted(tables.items()) for case in table.cases if table.op in OPS]
    rows = [(table, case, row.codes) for table, case in cases for row in (*case.rows, *case.validator_only)]
    questions: list[Question] = []
    while len(questions) < samples:
        if len(questions) % 2:
            table, case = chance.choice(cases)
            codes = tuple(chance.choice(asked) for asked in case.asked)
        else:
            table, case, codes = chance.choice(rows)
        verdict = table.verdict(case, codes, arch)
        if verdict is not Verdict.UNKNOWN:
            questions.append(Question(table.op, chance.choice(case.name.split("|")), codes, verdict))
    return questions


def verify_sample(tables: Mapping[str, OpTable], samples: int, seed: int, soc: str) -> list[Difference]:
    """Ask again about ``samples`` facts on ``soc`` and return those that the backend answers differently now.

    Raises:
        UnknownNameError: no arch was measured on ``soc``.
        HostBackendError: no backend here, or it died.
    """
    archs = {name: arch for arch, name in SOCS.items()}
    if soc not in archs:
        raise UnknownNameError("SoC", soc, archs)
    questions = sample(tables, samples, seed, archs[soc])
    differences: list[Difference] = []
    for mode in ("quantized", "fp16"):
        chosen = [question for question in questions if mode_of(question.codes) == mode]
        for question, now in zip(chosen, _ask_again(soc, mode, chosen), strict=True):
            if now is not question.verdict:
                differences.append(Difference(question, now))
    return differences


def _ask_again(soc: str, mode: str, questions: list[Question]) -> list[Verdict]:
    """Answers from a child: one process per SoC and precision, and finalize may kill it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "questions.json"
        path.write_text(json.dumps([(asked.op, asked.case, asked.codes) for asked in questions]), encoding="utf-8")
        command = [sys.executable, "-m", "qnnsolve.probe.verify", soc, mode, str(path)]
        try:
            done = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False, text=True)
        except subprocess.TimeoutExpired as error:
            raise HostBackendError(f"the backend for {soc} ({mode}) did not answer within {_SECONDS} s") from error
        if done.returncode != 0:
            last = done.stderr.strip().splitlines()[-1:] or ["no message"]
            raise HostBackendError(f"the backend for {soc} ({mode}) died: {last[0]}")
        return [_VERDICT[Answer(said)] for said in json.loads(path.read_text(encoding="utf-8"))]


def _child(soc: str, mode: str, path: Path) -> None:
    backend = Backend(soc, mode == "fp16")
    answers: list[str] = []
    for op, name, codes in json.loads(path.read_text(encoding="utf-8")):
        case = next(case for case in OPS[op].cases if case.name == name)
        answers.append(ask_one(backend, OPS[op], case, tuple(codes)).value)
    path.write_text(json.dumps(answers), encoding="utf-8")
    os._exit(0)  # the adaptor's own teardown is slow and not always clean


if __name__ == "__main__":
    _child(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
