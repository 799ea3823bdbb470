"""Measures ops on every HTP arch: one child per SoC, precision and turn, and what they say as tables."""

from __future__ import annotations

import datetime
import importlib.metadata
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs

from qnnsolve.errors import HostBackendError, UnknownNameError
from qnnsolve.facts.forms import When
from qnnsolve.facts.table_writing import write_table
from qnnsolve.facts.tables import Case, FixedPort, OpTable, TableRow, load_table
from qnnsolve.probe.ask import SOCS
from qnnsolve.probe.child import journal_path, mode_of
from qnnsolve.probe.children import MODES, Child, run_child
from qnnsolve.probe.journal import Acceptance, Finding, Key, read
from qnnsolve.probe.ops import OPS
from qnnsolve.probe.questions import CaseSpec, OpSpec
from qnnsolve.sources import Source, SourceKind

__all__ = ["Measurement", "Progress", "measure", "table_of"]

Answers = Mapping[Key, Finding]
Progress = Callable[[str, int, int], None]
"""Called with a name for it all, and the operators done so far and in all, over all archs, precisions and turns."""


@attrs.frozen
class Measurement:
    """The tables that a sweep wrote, how often the compiler or the emulator killed a child, and seconds."""

    tables: tuple[Path, ...]
    deaths: int
    seconds: float


def measure(
    ops: Sequence[str],
    archs: Sequence[str],
    out_dir: Path,
    work: Path,
    progress: Progress | None = None,
    child: Child | None = None,
    workers: int = 2,
    repeats: int | None = None,
) -> Measurement:
    """Ask everything about ``ops`` on ``archs`` and write one table per op to ``out_dir``.

    Answers are kept in ``work``: a sweep that was stopped goes on where it was. ``workers`` children run at a time;
    ``progress`` is called from their threads. ``repeats`` limits in how many processes each question is put.

    Raises:
        UnknownNameError: no such operator or arch.
        HostBackendError: no backend here, or children die without asking anything.
    """
    start = time.monotonic()
    for op in ops:
        if op not in OPS:
            raise UnknownNameError("operator", op, OPS)
    for arch in archs:
        if arch not in SOCS:
            raise UnknownNameError("HTP arch", arch, SOCS)
    turns = {op: min(OPS[op].turns, repeats or OPS[op].turns) for op in ops}
    jobs = [(arch, mode, turn) for turn in range(max(turns.values())) for arch in archs for mode in MODES]
    total = sum(turns[op] > turn for _, _, turn in jobs for op in ops)
    done = dict.fromkeys(jobs, 0)

    def run(job: tuple[str, str, int]) -> int:
        arch, mode, turn = job
        asked = [op for op in (ops[::-1] if turn % 2 else ops) if turns[op] > turn]
        paths = {op: journal_path(work, SOCS[arch], mode, turn, op) for op in asked}
        due = [op for op in asked if not _complete(OPS[op], paths[op], mode)]

        def tell(finished: int | None = None) -> None:
            begun = sum(paths[op].exists() for op in due)
            done[job] = len(asked) - len(due) + (max(begun - 1, 0) if finished is None else finished)
            if progress is not None:
                progress("measure", sum(done.values()), total)

        deaths = 0
        if due:
            started = child or Child()
            command = (*started.command, SOCS[arch], mode, str(turn), str(work), *due)
            journals = {paths[op]: OPS[op].digest for op in due}
            what = f"the probe of {SOCS[arch]} ({mode})"
            deaths = run_child(attrs.evolve(started, command=command), journals, what, tell)
        tell(len(due))
        return deaths

    with ThreadPoolExecutor(max_workers=workers) as pool:
        deaths = sum(pool.map(run, jobs))
    written = tuple(_written(op, archs, out_dir, work, turns[op]) for op in ops)
    return Measurement(written, deaths, time.monotonic() - start)


def _written(op: str, archs: Sequence[str], out_dir: Path, work: Path, turns: int) -> Path:
    out_dir.mkdir(parents=True, exist_ok=True)
    path = out_dir / f"{op}.json"
    write_table(table_of(OPS[op], archs, work, turns, _provenance(turns)), path)
    load_table(path)
    return path


def _complete(spec: OpSpec, path: Path, mode: str) -> bool:
    asked = sum(mode_of(codes) == mode for case in spec.cases for codes in case.tuples())
    return len(read(path, spec.digest).answers) == asked


def table_of(spec: OpSpec, archs: Sequence[str], work: Path, turns: int, provenance: Mapping[str, str]) -> OpTable:
    """Return the table that the first ``turns`` journals in ``work`` add up to."""
    answers = {arch: _answers(spec, SOCS[arch], work, turns) for arch in archs}
    cases = _collapsed([_case(number, case, answers, spec.when(case)) for number, case in enumerate(spec.cases)])
    if len(cases) == 1 and not spec.closed:  # it measures every node, whatever its form
        cases = [attrs.evolve(cases[0], when=())]
    names = spec.cases[0].port_names
    count = len(spec.cases[0].inputs)
    return OpTable(
        op=spec.op,
        backend="htp",
        inputs=names[:count],
        outputs=names[count:],
        repeats=spec.repeats,
        cases=tuple(sorted(cases, key=lambda case: case.name)),
        source=Source(SourceKind.MEASURED, ""),
        aten=spec.aten,
        measured=tuple(sorted(provenance.items())),
        closed=spec.closed,
    )


def _answers(spec: OpSpec, soc: str, work: Path, turns: int) -> Answers:
    """What all turns say together."""
    found: dict[Key, Finding] = {}
    for turn in range(turns):
        said: dict[Key, Finding] = {}
        for mode in MODES:
            said |= read(journal_path(work, soc, mode, turn, spec.op), spec.digest).answers
        asked = sum(1 for case in spec.cases for _ in case.tuples())
        if len(said) != asked:
            raise HostBackendError(f"{spec.op} on {soc}: {len(said)} of {asked} answers; run the sweep again")
        found = {key: _agreed(found[key], said[key]) for key in found} if found else said
    return found


def _agreed(one: Finding, other: Finding) -> Finding:
    """What holds for both turns, which feed other numbers: right is only what is right with all of them."""
    if {one.answer, other.answer} == {Acceptance.ACCEPTED, Acceptance.WRONG}:
        return one if one.answer is Acceptance.WRONG else other
    if one.answer is not other.answer or one.symmetric != other.symmetric:
        return Finding(Acceptance.UNSTABLE)
    worst = one if one.steps >= other.steps else other
    if one.same == other.same and one.fixed == other.fixed:
        return worst
    if one.fixed or other.fixed:  # right in one turn with more freedom than in the other: the stricter holds
        return one if one.fixed else other
    return attrs.evolve(worst, same=tuple(sorted({*one.same, *other.same})))


_SECTIONS = {
    Acceptance.ACCEPTED: "rows",
    Acceptance.WRONG: "wrong",
    Acceptance.VALIDATOR_ONLY: "validator_only",
    Acceptance.UNSTABLE: "unstable",
}


def _case(number: int, case: CaseSpec, answers: Mapping[str, Answers], when: When) -> Case:
    rows: dict[str, list[TableRow]] = {section: [] for section in _SECTIONS.values()}
    for index, codes in enumerate(case.tuples()):
        said = {arch: of[(number, index)] for arch, of in answers.items()}
        if any(found.answer is Acceptance.UNSTABLE for found in said.values()):
            # Random on one arch: luck on the others.
            said = dict.fromkeys(said, Finding(Acceptance.UNSTABLE))
        for answer, section in _SECTIONS.items():
            found = {arch: of for arch, of in said.items() if of.answer is answer}
            if found:
                rows[section].append(_row(case, codes, found))
    accepted, wrong, late, unstable = (tuple(sorted(found, key=lambda row: row.key)) for found in rows.values())
    asked = tuple(port.codes for port in case.ports)
    return Case(case.name, case.shapes, asked, accepted, wrong, late, unstable, case.axes, (when,))


def _row(case: CaseSpec, codes: tuple[str, ...], found: Mapping[str, Finding]) -> TableRow:
    """One row for the archs that agree on the answer; what any of them asks of the ports, it asks."""
    names, count = case.port_names, len(case.inputs)
    fixed = {FixedPort(names[port], scale, zero) for of in found.values() for port, scale, zero in of.fixed}
    return TableRow(
        codes[:count],
        codes[count:],
        frozenset(found),
        frozenset(names[port] for of in found.values() for port in of.symmetric),
        frozenset(names[port] for of in found.values() for port in of.same),
        tuple(sorted(fixed)),
    )


def _collapsed(cases: Sequence[Case]) -> list[Case]:
    """Cases that differ in their shapes only become one, with the names and the shapes of all."""
    merged: list[Case] = []
    for case in cases:
        for index, other in enumerate(merged):
            if attrs.evolve(case, name=other.name, shapes=other.shapes, when=other.when) == other:
                names, shapes = f"{other.name}|{case.name}", f"{other.shapes} | {case.shapes}"
                merged[index] = attrs.evolve(other, name=names, shapes=shapes, when=(*other.when, *case.when))
                break
        else:
            merged.append(case)
    return merged


def _provenance(turns: int) -> dict[str, str]:
    from qnnsolve.host.libraries import ensure_loaded, package_version

    return {
        "kind": "measured",
        "by": "qnnsolve.probe",
        "judges": "validator, finalize, emulator",
        "processes": str(turns),
        "qnn": ensure_loaded().build_id,
        "onnxruntime_qnn": package_version() or "sdk",
        "executorch": importlib.metadata.version("executorch"),
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
    }
