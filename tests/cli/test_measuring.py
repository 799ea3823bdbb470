"""The commands that ask the real backend, replaced here by one that answers as told."""

from __future__ import annotations

from pathlib import Path

import pytest

from qnnsolve.errors import HostBackendError
from qnnsolve.facts.table_types import ProbeVerdict
from qnnsolve.probe import recheck, sampling, sweep
from tests.cli.documents import Ask, document_of


def test_measure_asks_for_what_was_named(ask: Ask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[object] = []

    def measure(ops: list[str], archs: list[str], out: Path, work: Path, progress: object = None) -> sweep.Measurement:
        seen.extend((ops, archs, out, work))
        return sweep.Measurement(tuple(out / f"{op}.json" for op in ops), 0, 1.0)

    monkeypatch.setattr("qnnsolve.host.libraries.ensure_loaded", lambda: None)
    monkeypatch.setattr(sweep, "measure", measure)
    argv = ("facts", "measure", "--op", "MatMul", "--soc", "sm8350", "--soc", "V79", "--out", str(tmp_path / "o"))
    code, out, err = ask(*argv)
    assert (code, err) == (0, "")
    assert seen == [["MatMul"], ["V68", "V79"], tmp_path / "o", tmp_path / "o" / ".work"]
    assert out.startswith(f"1 table(s) for V68, V79 in {tmp_path / 'o'}")
    assert document_of(ask, *argv)["tables"] == [{"op": "MatMul", "path": str(tmp_path / "o" / "MatMul.json")}]
    (tmp_path / "file").write_text("")
    code, _, err = ask("facts", "measure", "--out", str(tmp_path / "file"))
    assert code == 2 and "is not a folder" in err


def test_verify_lists_every_difference_and_exits_1(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    question = sampling.TableQuestion("Relu", "rank4", ("u8", "u8"), ProbeVerdict.ACCEPTED)
    wrong = recheck.Contradiction("SM8350", question, ProbeVerdict.REJECTED)

    def verified(tables: object, samples: int, seed: int, socs: list[str], progress: object = None) -> recheck.Recheck:
        found = (wrong,) if "SM8350" in socs else ()
        return recheck.Recheck(dict.fromkeys(socs, samples), 1, found)

    monkeypatch.setattr("qnnsolve.host.libraries.ensure_loaded", lambda: None)
    monkeypatch.setattr(recheck, "recheck", verified)
    code, out, err = ask("facts", "verify", "--samples", "5", "--seed", "3", "--soc", "SM8350", "--soc", "SM8750")
    assert (code, err) == (1, "")
    assert out.splitlines() == [
        "V68: 5 facts asked again (seed 3), 1 differ",
        "  Relu (rank4) u8 u8 on SM8350: was accepted, is rejected",
        "V79: 5 facts asked again (seed 3), no difference",
    ]
    document = document_of(ask, "facts", "verify", "--samples", "5", "--soc", "V68")
    assert document["differences"][0]["now"] == "rejected"
    assert ask("facts", "verify", "--samples", "5", "--soc", "V79")[0] == 0


@pytest.mark.parametrize("argv", [("measure", "--out", "tables"), ("verify",)])
def test_without_the_libraries_exit_3(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, argv: tuple[str, ...]
) -> None:
    def refuse() -> None:
        raise HostBackendError("no HTP libraries")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("qnnsolve.host.libraries.ensure_loaded", refuse)
    assert ask("facts", *argv) == (3, "", "error: no HTP libraries\n")
