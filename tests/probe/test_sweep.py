"""The sweep around a compiler that crashes, hangs and answers at random (a simulated one)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs
import pytest

from qnnsolve.errors import HostBackendError, UnknownNameError
from qnnsolve.facts.table_writing import write_table
from qnnsolve.facts.tables import ProbeVerdict, load_table, shipped_tables
from qnnsolve.probe.ask import SOCS
from qnnsolve.probe.catalog.notation import out, put
from qnnsolve.probe.child import ask_op, journal_path, mode_of
from qnnsolve.probe.children import Child, run_child
from qnnsolve.probe.claims import Claim, ask_claims
from qnnsolve.probe.journal import Acceptance, Finding, Journal, JournalContent, bury, read
from qnnsolve.probe.ops import OPS
from qnnsolve.probe.questions import CaseSpec, OpSpec
from qnnsolve.probe.recheck import Contradiction, recheck, set_aside
from qnnsolve.probe.sampling import TableQuestion, sample
from qnnsolve.probe.sweep import measure
from qnnsolve.probe.trial import Trial, TrialOutcome, Variant

CHILD = """
import os, sys, time
from pathlib import Path
import numpy as np
from qnnsolve.probe.child import ask_op, journal_path
from qnnsolve.probe.ops import OPS
from qnnsolve.probe.trial import TrialOutcome

def right(trial):
    pairs = zip(trial.outputs, trial.expected)
    return tuple(grid.quantize(real).astype(trial.kind(index)) for (index, grid), real in pairs)

class Simulated:
    def validate(self, spec, case, codes):
        return codes[0].rstrip("~") == codes[-1].rstrip("~")

    def run_together(self, trials):
        return None

    def run(self, trial, before):
        code = trial.grids[0].code
        with open(sys.argv[0] + ".asked", "a") as file:
            file.write(code + "\\n")
        if code == "u16":
            os._exit(139)
        if code == "s16":
            time.sleep(60)
        if code == "s8":
            return TrialOutcome(False, False, (), trial)
        before()
        if code == "f32":
            os._exit(139)
        return TrialOutcome(True, True, right(trial), trial)

soc, mode, turn, work, *ops = sys.argv[1:]
for op in ops:
    ask_op(Simulated(), OPS[op], mode, journal_path(Path(work), soc, mode, int(turn), op))
"""


def _run(work: Path, mode: str, child: Child) -> tuple[int, Path]:
    path, digest = journal_path(work, "SM8750", mode, 0, "ChannelShuffle"), OPS["ChannelShuffle"].digest
    command = (*child.command, "SM8750", mode, "0", str(work), "ChannelShuffle")
    return run_child(attrs.evolve(child, command=command), {path: digest}, "the probe", lambda: None), path


@pytest.fixture
def child(tmp_path: Path) -> Child:
    script = tmp_path / "child.py"
    script.write_text(CHILD)
    return Child((sys.executable, str(script)), start_seconds=120.0, silence_seconds=3.0)


@pytest.mark.slow
def test_what_kills_the_compiler_is_recorded_and_the_sweep_goes_on(tmp_path: Path, child: Child) -> None:
    deaths, path = _run(tmp_path, "quantized", child)
    known = read(path, OPS["ChannelShuffle"].digest)
    case = OPS["ChannelShuffle"].cases[0]
    said = {codes: known.answers[(0, i)].answer for i, codes in enumerate(case.tuples()) if (0, i) in known.answers}
    assert deaths == 4  # the crash twice, the hang twice
    assert known.last is None
    assert said[("u16", "u16")] is Acceptance.VALIDATOR_ONLY
    assert said[("s16", "s16")] is Acceptance.VALIDATOR_ONLY
    assert said[("s8", "s8")] is Acceptance.VALIDATOR_ONLY
    assert said[("u8", "u8")] is Acceptance.ACCEPTED
    assert said[("u8", "u16")] is Acceptance.REJECTED
    assert ("f16", "f16") not in said
    assert len(said) == sum(mode_of(codes) == "quantized" for codes in case.tuples())


@pytest.mark.slow
def test_what_kills_the_emulator_is_computed_wrongly(tmp_path: Path, child: Child) -> None:
    _, path = _run(tmp_path, "fp16", child)
    known = read(path, OPS["ChannelShuffle"].digest)
    said = {codes: known.answers.get((0, i)) for i, codes in enumerate(OPS["ChannelShuffle"].cases[0].tuples())}
    assert said[("f32", "f32")] == Finding(Acceptance.WRONG)
    assert said[("f16", "f16")] == Finding(Acceptance.ACCEPTED)


@pytest.mark.slow
def test_a_finished_sweep_asks_nothing_again(tmp_path: Path, child: Child) -> None:
    first = measure(["ChannelShuffle"], ["V79"], tmp_path / "out", tmp_path / "work", child=child, repeats=1).tables
    asked = (tmp_path / "child.py.asked").read_text()
    text = first[0].read_text()
    again = measure(["ChannelShuffle"], ["V79"], tmp_path / "out", tmp_path / "work", child=child, repeats=1)
    assert (again.tables, again.deaths) == (first, 0)
    assert (tmp_path / "child.py.asked").read_text() == asked
    assert first[0].read_text() == text
    table = load_table(first[0])
    assert table.verdict("last", ("u8", "u8"), "V79") is ProbeVerdict.ACCEPTED
    assert table.verdict("last", ("u16", "u16"), "V79") is ProbeVerdict.VALIDATOR_ONLY


def test_a_child_that_cannot_start_is_an_error_and_not_a_loop(tmp_path: Path) -> None:
    dead = Child((sys.executable, "-c", "import sys; print('no libraries', file=sys.stderr); sys.exit(139)"))
    with pytest.raises(HostBackendError, match="died before it asked anything: no libraries"):
        _run(tmp_path, "quantized", attrs.evolve(dead))


SPEC = OpSpec("Relu", (CaseSpec("only", (put("1x8", "u8 u16 s16"), out("1x8", "u8 u16 s16"))),))


class Scripted:
    """A backend whose validator is a function of the codes and of how often it was asked."""

    def __init__(self) -> None:
        self.asked: dict[tuple[str, ...], int] = {}

    def validate(self, spec: OpSpec, case: CaseSpec, codes: tuple[str, ...]) -> bool:
        self.asked[codes] = self.asked.get(codes, 0) + 1
        if codes == ("u8", "u8"):
            return self.asked[codes] == 1
        return codes in (("u16~", "u16~"), ("u16~", "u16"), ("s16", "s16"), ("s16", "s16~"))

    def run_together(self, trials: Sequence[Trial]) -> None:
        return None

    def run(self, trial: Trial, before: Callable[[], None]) -> TrialOutcome:
        first, last = trial.grids
        assert first is not None and last is not None
        if first.code != "u16":
            return TrialOutcome(False, False, (), trial)
        assert (first.zero_point, last.zero_point != 32768) == (32768, True)
        return TrialOutcome(True, True, (last.quantize(trial.expected[0]),), trial)


def test_random_answers_are_dropped_and_symmetric_ports_found(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    ask_op(Scripted(), SPEC, "quantized", path)
    answers = read(path, SPEC.digest).answers
    said = {codes: answers[(0, i)] for i, codes in enumerate(SPEC.cases[0].tuples())}
    assert said[("u8", "u8")] == Finding(Acceptance.UNSTABLE)
    assert said[("u16", "u16")] == Finding(Acceptance.ACCEPTED, (0,))
    assert said[("s16", "s16")] == Finding(Acceptance.VALIDATOR_ONLY, (0,))
    assert said[("u8", "s16")] == Finding(Acceptance.REJECTED)


class Lucky:
    """A backend that takes everything and is right where encodings are shared, or else the first time only."""

    def __init__(self) -> None:
        self.runs = 0

    def validate(self, spec: OpSpec, case: CaseSpec, codes: tuple[str, ...]) -> bool:
        return True

    def run_together(self, trials: Sequence[Trial]) -> None:
        return None

    def run(self, trial: Trial, before: Callable[[], None]) -> TrialOutcome:
        first, last = trial.grids
        assert first is not None and last is not None
        self.runs += 1
        right = self.runs == 1 or first.step == last.step
        return TrialOutcome(True, True, (last.quantize(trial.expected[0] + (0 if right else 9)),), trial)


@pytest.mark.parametrize(
    ("variant", "seeds", "answer"),
    [
        (Variant(), (0,), Acceptance.ACCEPTED),
        (Variant(), (0, 1), Acceptance.WRONG),
        (Variant((0, 1)), (0, 1), Acceptance.ACCEPTED),
        (None, (0, 1), Acceptance.ACCEPTED),
    ],
    ids=["by luck", "right once", "as claimed", "in any variant"],
)
def test_a_claim_is_right_with_all_numbers_or_wrong(
    tmp_path: Path, variant: Variant | None, seeds: tuple[int, ...], answer: Acceptance
) -> None:
    claim = Claim((0, 3), SPEC.cases[0], ("u8", "u8"), variant)
    with Journal(tmp_path / "journal", "d") as journal:
        ask_claims(Lucky(), SPEC, [claim], seeds, journal)
    found = read(tmp_path / "journal", "d").answers
    assert {key: finding.answer for key, finding in found.items()} == {(0, 3): answer}


def test_a_journal_survives_a_torn_line_and_forgets_another_digest(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with Journal(path, "d1") as journal:
        journal.answer((0, 1), Finding(Acceptance.ACCEPTED, (0, 2), (1, 3), ((3, 0.5, -128),), 0.51))
        journal.compiling((0, 2))
    with path.open("a") as file:
        file.write("0 3")
    found = Finding(Acceptance.ACCEPTED, (0, 2), (1, 3), ((3, 0.5, -128),))
    assert read(path, "d1") == JournalContent({(0, 1): found}, 0, ((0, 2), "*"))
    assert read(path, "d1").answers[(0, 1)].steps == 0.51
    assert bury(path, "d1") == (0, 2)
    assert bury(path, "d1") is None
    with Journal(path, "d1") as journal:
        journal.asking((0, 2))
    assert bury(path, "d1") == (0, 2)
    assert read(path, "d1").answers[(0, 2)] == Finding(Acceptance.REJECTED)
    assert read(path, "d2") == JournalContent({})


def test_an_soc_that_nobody_measured_is_unknown() -> None:
    with pytest.raises(UnknownNameError):
        recheck(shipped_tables(), 1, 0, ["SM1"])


def test_every_probe_is_well_formed() -> None:
    for op, spec in OPS.items():
        names = [case.name for case in spec.cases]
        assert len(set(names)) == len(names), op
        assert len({case.port_names for case in spec.cases}) == 1, op
        assert not any("|" in name for name in names), op


def test_a_sample_is_the_same_for_one_seed_and_half_accepted() -> None:
    first = sample(shipped_tables(), 200, 7, "V79")
    assert first == sample(shipped_tables(), 200, 7, "V79")
    assert first != sample(shipped_tables(), 200, 8, "V79")
    accepted = sum(question.verdict is ProbeVerdict.ACCEPTED for question in first)
    assert 60 < accepted < 140
    assert sum(question.verdict is ProbeVerdict.REJECTED for question in first) > 40


def test_what_differs_is_set_aside_on_every_arch_and_nothing_else_is(tmp_path: Path) -> None:
    tables = shipped_tables()
    table = tables["Softmax"]
    case = table.case("rank4")
    codes = ("u16", "u16")
    asked = TableQuestion("Softmax", "rank4", codes, table.verdict(case, codes, "V68"))
    changed = set_aside(tables, [Contradiction("SM8350", asked, ProbeVerdict.WRONG)])
    assert set(changed) == {"Softmax"}
    write_table(changed["Softmax"], tmp_path / "Softmax.json")
    settled = load_table(tmp_path / "Softmax.json")
    for arch in SOCS:
        assert settled.verdict("rank4", codes, arch) is ProbeVerdict.UNKNOWN
    before, after = case.verdicts, settled.case("rank4").verdicts
    assert {other: said for other, said in before.items() if other != codes} == {
        other: said for other, said in after.items() if other != codes
    }


@pytest.mark.slow
@pytest.mark.parametrize("arch", ["V68", "V79"])
def test_the_live_backend_still_says_what_the_shipped_tables_say(arch: str) -> None:
    done = recheck(shipped_tables(), 150, 20261124, [SOCS[arch]])
    assert done.accepted > 40
    assert [str(found) for found in done.differences] == []
