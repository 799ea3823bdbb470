"""The command line with its pipeline replaced: arguments, exit codes, streams."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from qnnsolve.results import Status, Unrunnable
from tests.cli.faked import EXPORT, SOLVE
from tests.records import export_result, solve_result

ROOT = Path(__file__).parents[2]


def test_solve_reports_and_exits_0(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    seen: dict[str, Any] = {}

    def answer(model: object, examples: object, **request: object) -> object:
        seen.update(request, model=model, examples=examples)
        return solve_result()

    assert run(*SOLVE, answer=answer) == 0
    out, err = capsys.readouterr()
    assert "satisfiable" in out
    assert "chatter" not in out and "chatter" in err
    request = {name: seen[name] for name in ("soc", "precision", "backend", "strict", "block_size")}
    assert request == {
        "soc": "SM8350",
        "precision": "16a8w",
        "backend": "htp",
        "strict": False,
        "block_size": None,
    }
    assert len(seen["examples"]) == 1


def test_export_hands_everything_to_the_pipeline(run: Callable[..., int]) -> None:
    seen: dict[str, Any] = {}

    def answer(model: object, examples: object, **request: object) -> object:
        seen.update(request)
        return export_result()

    options = ("--no-verify", "--tolerance", "0.05", "--strict", "--unroll", "300", "--verify-samples", "5")
    assert (
        run(
            *EXPORT[:5],
            "16a4w_block",
            *EXPORT[6:],
            "--block-size",
            "16",
            *options,
            "--time-limit",
            "2.5",
            answer=answer,
        )
        == 1
    )
    assert seen["out"] == "vit.pte"
    assert seen["verify"] is False
    assert seen["tolerance"] == 0.05
    assert seen["verify_samples"] == 5
    assert seen["strict"] is True
    assert seen["block_size"] == 16
    assert seen["unroll_limit"] == 300
    assert seen["time_limit"] == 2.5
    assert len(seen["calibration"]) == 1


def test_export_that_disagrees_reports_and_exits_4(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*EXPORT, answer=lambda *_, **__: export_result(max_rel=0.5)) == 4
    out, err = capsys.readouterr()
    assert "DISAGREES" in out
    assert err.splitlines()[-1].startswith("error: the emulator differs")
    assert "vit.pte is kept" in err


def test_a_program_that_runs_on_the_cpu_alone_exits_with_1(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*EXPORT, answer=lambda *_, **__: attrs.evolve(export_result(), delegates=0)) == 1
    assert "error: nothing of this model runs on the accelerator; the report says why; " in capsys.readouterr().err


@pytest.mark.parametrize(("least", "code"), [("30", 0), ("35.8", 5), ("36.6", 5)])
def test_a_least_sqnr_that_is_not_reached_exits_5(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str], least: str, code: int
) -> None:
    """35.75 dB on the emulator, 36.5 converted."""
    assert run(*EXPORT, "--min-sqnr", least, answer=lambda *_, **__: export_result()) == code
    out, err = capsys.readouterr()
    assert ("POOR: output 0" in out) is ("error: output 0 has 3" in err) is bool(code)
    assert not code or f"less than {least} dB; vit.pte is kept" in err
    assert run(*EXPORT, "--min-sqnr", least, answer=lambda *_, **__: export_result(max_rel=0.5)) == 4


UNRUNNABLE = attrs.evolve(
    export_result(),
    verification=None,
    unrunnable=(Unrunnable("aten::sort.values", ("sort", "sort_1"), "ExecuTorch's runtime has no such kernel"),),
)


def test_a_program_that_cannot_run_here_reports_and_exits_3(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*EXPORT, answer=lambda *_, **__: UNRUNNABLE) == 3
    out, err = capsys.readouterr()
    said = "sort, sort_1 (aten::sort.values): ExecuTorch's runtime has no such kernel"
    assert "Emulator: not run" in out and said in out and "--no-verify" not in out
    assert err.splitlines()[1:] == [f"error: the program cannot run here: {said}; vit.pte is kept"]
    assert run(*EXPORT, "--no-verify", answer=lambda *_, **__: UNRUNNABLE) == 0
    out, err = capsys.readouterr()
    assert said in out and "error" not in err


def test_a_nan_from_the_emulator_is_a_disagreement(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*EXPORT, "--format", "json", answer=lambda *_, **__: export_result(max_rel=float("nan"))) == 4
    assert json.loads(capsys.readouterr().out)["verification"]["agrees"] is False


@pytest.mark.parametrize("status", [Status.UNSATISFIABLE, Status.UNKNOWN])
def test_without_a_config_exit_1(run: Callable[..., int], capsys: pytest.CaptureFixture[str], status: Status) -> None:
    assert run(*SOLVE, answer=lambda *_, **__: attrs.evolve(solve_result(), status=status)) == 1
    out, err = capsys.readouterr()
    assert status.value in out and f"error: {status.value}" in err


def test_strict_and_unverified_exit_1_and_lenient_exit_0(run: Callable[..., int]) -> None:
    result = solve_result()
    assert result.unverified
    assert run(*SOLVE, "--strict", answer=lambda *_, **__: result) == 1
    assert run(*SOLVE, "--lenient", answer=lambda *_, **__: result) == 0
