"""The sweep around a compiler that crashes, hangs and answers at random (a simulated one)."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from qnnsolve.errors import HostBackendError, UnknownNameError
from qnnsolve.facts.tables import Verdict, load_table, shipped_tables
from qnnsolve.probe.ask import SOCS
from qnnsolve.probe.child import ask_op, journal_path, mode_of
from qnnsolve.probe.journal import Answer, Journal, bury, read
from qnnsolve.probe.ops import OPS
from qnnsolve.probe.specs import CaseSpec, OpSpec, out, put
from qnnsolve.probe.sweep import Child, measure, run_child
from qnnsolve.probe.verify import sample, verify_sample

CHILD = """
import os, sys, time
from pathlib import Path
from qnnsolve.probe.child import ask_op, journal_path
from qnnsolve.probe.ops import OPS

class Simulated:
    def validate(self, spec, case, codes):
        return codes[0].rstrip("~") == codes[-1].rstrip("~")

    def compiles(self, spec, case, codes):
        with open(sys.argv[0] + ".asked", "a") as file:
            file.write(" ".join(codes) + "\\n")
        if codes[0] == "u16":
            os._exit(139)
        if codes[0] == "s16":
            time.sleep(60)
        return codes[0] != "s8"

soc, mode, turn, work, *ops = sys.argv[1:]
for op in ops:
    ask_op(Simulated(), OPS[op], mode, journal_path(Path(work), soc, mode, int(turn), op))
"""


@pytest.fixture
def child(tmp_path: Path) -> Child:
    script = tmp_path / "child.py"
    script.write_text(CHILD)
    return Child((sys.executable, str(script)), start_seconds=30.0, silence_seconds=1.0)


def test_what_kills_the_compiler_is_recorded_and_the_sweep_goes_on(tmp_path: Path, child: Child) -> None:
    deaths = run_child("SM8750", "quantized", 0, ["PoolMax2d"], tmp_path, child)
    answers, last = read(journal_path(tmp_path, "SM8750", "quantized", 0, "PoolMax2d"), OPS["PoolMax2d"].digest)
    case = OPS["PoolMax2d"].cases[0]
    said = {codes: answers[(0, i)][0] for i, codes in enumerate(case.tuples()) if (0, i) in answers}
    assert deaths == 4  # the crash twice, the hang twice
    assert last is None
    assert said[("u16", "u16")] is Answer.VALIDATOR_ONLY
    assert said[("s16", "s16")] is Answer.VALIDATOR_ONLY
    assert said[("s8", "s8")] is Answer.VALIDATOR_ONLY
    assert said[("u8", "u8")] is Answer.ACCEPTED
    assert said[("u8", "u16")] is Answer.REJECTED
    assert ("f16", "f16") not in said
    assert len(said) == sum(mode_of(codes) == "quantized" for codes in case.tuples())


def test_a_finished_sweep_asks_nothing_again(tmp_path: Path, child: Child) -> None:
    first = measure(["PoolMax2d"], ["V79"], tmp_path / "out", tmp_path / "work", child=child)
    asked = (tmp_path / "child.py.asked").read_text()
    text = first[0].read_text()
    assert measure(["PoolMax2d"], ["V79"], tmp_path / "out", tmp_path / "work", child=child) == first
    assert (tmp_path / "child.py.asked").read_text() == asked
    assert first[0].read_text() == text
    table = load_table(first[0])
    assert table.verdict("2x2", ("u8", "u8"), "V79") is Verdict.ACCEPTED
    assert table.verdict("2x2", ("u16", "u16"), "V79") is Verdict.VALIDATOR_ONLY


def test_a_child_that_cannot_start_is_an_error_and_not_a_loop(tmp_path: Path) -> None:
    dead = Child((sys.executable, "-c", "raise SystemExit('no libraries')"))
    with pytest.raises(HostBackendError, match="died before it asked anything: no libraries"):
        run_child("SM8750", "quantized", 0, ["PoolMax2d"], tmp_path, dead)


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

    def compiles(self, spec: OpSpec, case: CaseSpec, codes: tuple[str, ...]) -> bool:
        return codes == ("u16~", "u16")


def test_random_answers_are_dropped_and_symmetric_ports_found(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    ask_op(Scripted(), SPEC, "quantized", path)
    answers = read(path, SPEC.digest)[0]
    said = {codes: answers[(0, i)] for i, codes in enumerate(SPEC.cases[0].tuples())}
    assert said[("u8", "u8")] == (Answer.UNSTABLE, ())
    assert said[("u16", "u16")] == (Answer.ACCEPTED, (0,))
    assert said[("s16", "s16")] == (Answer.VALIDATOR_ONLY, (0,))
    assert said[("u8", "s16")] == (Answer.REJECTED, ())


def test_a_journal_survives_a_torn_line_and_forgets_another_digest(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with Journal(path, "d1") as journal:
        journal.answer((0, 1), Answer.ACCEPTED, (0, 2))
        journal.compiling((0, 2))
    with path.open("a") as file:
        file.write("0 3")
    assert read(path, "d1") == ({(0, 1): (Answer.ACCEPTED, (0, 2))}, ((0, 2), "*"))
    assert bury(path, "d1") == (0, 2)
    assert bury(path, "d1") is None
    with Journal(path, "d1") as journal:
        journal.asking((0, 2))
    assert bury(path, "d1") == (0, 2)
    assert read(path, "d1")[0][(0, 2)] == (Answer.REJECTED, ())
    assert read(path, "d2") == ({}, None)


def test_an_soc_that_nobody_measured_is_unknown() -> None:
    with pytest.raises(UnknownNameError):
        verify_sample(shipped_tables(), 1, 0, "SM1")


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
    accepted = sum(question.verdict is Verdict.ACCEPTED for question in first)
    assert 60 < accepted < 140
    assert sum(question.verdict is Verdict.REJECTED for question in first) > 40


@pytest.mark.slow
@pytest.mark.parametrize("arch", ["V68", "V79"])
def test_the_live_backend_still_says_what_the_shipped_tables_say(arch: str) -> None:
    assert [str(found) for found in verify_sample(shipped_tables(), 300, 20261123, SOCS[arch])] == []
