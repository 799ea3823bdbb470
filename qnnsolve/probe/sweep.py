"""Measures ops on every HTP arch: one child per SoC and precision, restarted where the compiler kills it."""

from __future__ import annotations

import datetime
import importlib.metadata
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs

from qnnsolve.constraints import Source, SourceKind
from qnnsolve.errors import HostBackendError
from qnnsolve.facts.tables import Case, OpTable, TableRow, load_table, write_table
from qnnsolve.probe.ask import SOCS
from qnnsolve.probe.child import journal_path, mode_of
from qnnsolve.probe.journal import Answer, Key, bury, read
from qnnsolve.probe.ops import OPS
from qnnsolve.probe.specs import CaseSpec, OpSpec

__all__ = ["Child", "measure", "run_child", "table_of"]

Answers = Mapping[Key, tuple[Answer, tuple[int, ...]]]
Progress = Callable[[str], None]
MODES = ("quantized", "fp16")
"""The two precisions that ExecuTorch compiles a graph for."""


@attrs.frozen
class Child:
    """How to start a child and when to give it up: seconds without a new answer, at first and later."""

    command: tuple[str, ...] = (sys.executable, "-m", "qnnsolve.probe.child")
    start_seconds: float = 180.0
    silence_seconds: float = 40.0


def measure(
    ops: Sequence[str],
    archs: Sequence[str],
    out_dir: Path,
    work: Path,
    progress: Progress | None = None,
    child: Child | None = None,
) -> list[Path]:
    """Ask everything about ``ops`` on ``archs`` and write one table per op to ``out_dir``.

    Answers are kept in ``work``: a sweep that was stopped goes on where it was. Two children run at a time.

    Raises:
        HostBackendError: no backend here, or children die without asking anything.
    """
    tell = progress or (lambda line: None)
    started = child or Child()
    turns = max(OPS[op].turns for op in ops)
    jobs = [(arch, mode, turn) for arch in archs for mode in MODES for turn in range(turns)]

    def run(job: tuple[str, str, int]) -> None:
        arch, mode, turn = job
        due = [op for op in (ops[::-1] if turn % 2 else ops) if OPS[op].turns > turn]
        due = [op for op in due if not _complete(OPS[op], journal_path(work, SOCS[arch], mode, turn, op), mode)]
        if due:
            deaths = run_child(SOCS[arch], mode, turn, due, work, started)
            tell(f"{arch} {mode}, turn {turn + 1}: {len(due)} op(s) asked, {deaths} child death(s)")

    with ThreadPoolExecutor(max_workers=2) as pool:
        list(pool.map(run, jobs))
    out_dir.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for op in ops:
        path = out_dir / f"{op}.json"
        write_table(table_of(OPS[op], archs, work, _provenance()), path)
        load_table(path)
        written.append(path)
    return written


def _complete(spec: OpSpec, path: Path, mode: str) -> bool:
    asked = sum(mode_of(codes) == mode for case in spec.cases for codes in case.tuples())
    return len(read(path, spec.digest)[0]) == asked


def run_child(soc: str, mode: str, turn: int, ops: Sequence[str], work: Path, child: Child) -> int:
    """Run children until every op is answered for; return how many died.

    Raises:
        HostBackendError: a child died before it asked anything: it would do so for ever.
    """
    paths = {op: journal_path(work, soc, mode, turn, op) for op in ops}
    journals = list(paths.values())
    deaths = 0
    while True:
        command = [*child.command, soc, mode, str(turn), str(work), *ops]
        size = _size(journals)
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
            if _wait(process, journals, size, child):
                return deaths
            said = process.stderr.read() if process.stderr else ""
        deaths += 1
        if not any(bury(path, OPS[op].digest) for op, path in paths.items()):
            last = said.strip().splitlines()[-1:] or ["no message"]
            raise HostBackendError(f"the probe of {soc} ({mode}) died before it asked anything: {last[0]}")


def _wait(process: subprocess.Popen[str], paths: Sequence[Path], size: int, child: Child) -> bool:
    """Whether the process ends well; one that falls silent is killed. The journals hold ``size`` bytes at its start."""
    since, allowed = time.monotonic(), child.start_seconds
    while True:
        try:
            return process.wait(0.2) == 0
        except subprocess.TimeoutExpired:
            now = _size(paths)
        if now != size:
            size, since, allowed = now, time.monotonic(), child.silence_seconds
        elif time.monotonic() - since > allowed:
            process.kill()
            process.wait()
            return False


def _size(paths: Sequence[Path]) -> int:
    return sum(path.stat().st_size for path in paths if path.exists())


def table_of(spec: OpSpec, archs: Sequence[str], work: Path, provenance: Mapping[str, str]) -> OpTable:
    """Return the table that the journals in ``work`` add up to."""
    answers = {arch: _answers(spec, SOCS[arch], work) for arch in archs}
    cases = [_case(number, case, answers) for number, case in enumerate(spec.cases)]
    names = spec.cases[0].port_names
    count = len(spec.cases[0].inputs)
    return OpTable(
        op=spec.op,
        backend="htp",
        inputs=names[:count],
        outputs=names[count:],
        repeats=spec.repeats,
        cases=tuple(sorted(_collapsed(cases), key=lambda case: case.name)),
        source=Source(SourceKind.MEASURED, ""),
        aten=spec.aten,
        measured=tuple(sorted(provenance.items())),
    )


def _answers(spec: OpSpec, soc: str, work: Path) -> Answers:
    found: dict[Key, tuple[Answer, tuple[int, ...]]] = {}
    for turn in range(spec.turns):
        said: dict[Key, tuple[Answer, tuple[int, ...]]] = {}
        for mode in MODES:
            said |= read(journal_path(work, soc, mode, turn, spec.op), spec.digest)[0]
        asked = sum(1 for case in spec.cases for _ in case.tuples())
        if len(said) != asked:
            raise HostBackendError(f"{spec.op} on {soc}: {len(said)} of {asked} answers; run the sweep again")
        if not found:
            found = said
        found = {key: answer if answer == said[key] else (Answer.UNSTABLE, ()) for key, answer in found.items()}
    return found


def _case(number: int, case: CaseSpec, answers: Mapping[str, Answers]) -> Case:
    rows: dict[Answer, list[TableRow]] = {answer: [] for answer in Answer}
    count = len(case.inputs)
    for index, codes in enumerate(case.tuples()):
        said = {arch: of[(number, index)] for arch, of in answers.items()}
        ports = {port for _, symmetric in said.values() for port in symmetric}
        named = frozenset(case.port_names[port] for port in ports)
        if any(answer is Answer.UNSTABLE for answer, _ in said.values()):  # random on one arch: luck on the others
            said = dict.fromkeys(said, (Answer.UNSTABLE, ()))
        for answer in (Answer.ACCEPTED, Answer.VALIDATOR_ONLY, Answer.UNSTABLE):
            archs = frozenset(arch for arch, (given, _) in said.items() if given is answer)
            if archs:
                rows[answer].append(TableRow(codes[:count], codes[count:], archs, named))
    ordered = {answer: tuple(sorted(found, key=lambda row: row.key)) for answer, found in rows.items()}
    return Case(
        case.name,
        case.shapes,
        tuple(port.codes for port in case.ports),
        rows=ordered[Answer.ACCEPTED],
        validator_only=ordered[Answer.VALIDATOR_ONLY],
        unstable=ordered[Answer.UNSTABLE],
        axes=case.axes,
    )


def _collapsed(cases: Sequence[Case]) -> list[Case]:
    """Cases that differ in their shapes only become one, with the names and the shapes of all."""
    merged: list[Case] = []
    for case in cases:
        for index, other in enumerate(merged):
            if attrs.evolve(case, name=other.name, shapes=other.shapes) == other:
                names, shapes = f"{other.name}|{case.name}", f"{other.shapes} | {case.shapes}"
                merged[index] = attrs.evolve(other, name=names, shapes=shapes)
                break
        else:
            merged.append(case)
    return merged


def _provenance() -> dict[str, str]:
    from qnnsolve.host import ensure_loaded, package_version

    return {
        "kind": "measured",
        "by": "qnnsolve.probe",
        "qnn": ensure_loaded().build_id,
        "onnxruntime_qnn": package_version() or "sdk",
        "executorch": importlib.metadata.version("executorch"),
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
    }
