"""The command line with its pipeline replaced: arguments, exit codes, streams."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import jsonschema
import pytest

from qnnsolve import cli
from qnnsolve.constraints import Allow, Site
from qnnsolve.errors import (
    BudgetExceededError,
    HostBackendError,
    MismatchError,
    QnnSolveError,
    RuleError,
    UnsatisfiableError,
    UnverifiedError,
)
from qnnsolve.reasons import Reason
from qnnsolve.results import Status, Unrunnable
from qnnsolve.solver import Conflict
from tests.records import export_result, solve_result

ROOT = Path(__file__).parents[2]
MODEL = """
import torch

def tiny():
    print("chatter of a model")
    return torch.nn.Linear(4, 2), (torch.zeros(1, 4),)

def tuple_of_one():
    return (torch.nn.Linear(4, 2),)

def raises():
    raise ValueError("no such checkpoint\\nmore")
"""

Fake = Callable[..., Any]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs the command in a fresh folder with ``my_model.py`` in it, on a pipeline that answers as told."""
    module = f"model_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{module}.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr("qnnsolve.host.libraries.ensure_loaded", lambda: None)

    def go(*argv: str, answer: Fake | None = None) -> int:
        fake = types.ModuleType("qnnsolve.pipeline")
        vars(fake).update(solve=answer or _never, export=answer or _never)
        monkeypatch.setitem(sys.modules, "qnnsolve.pipeline", fake)
        monkeypatch.setattr("qnnsolve.pipeline", fake, raising=False)
        return cli.main([each.replace("MODEL", module) for each in argv])

    return go


def _never(*args: object, **kwargs: object) -> object:
    raise AssertionError("the pipeline must not be reached")


def _raising(error: BaseException) -> Fake:
    def answer(*args: object, **kwargs: object) -> object:
        raise error

    return answer


SOLVE = ("solve", "MODEL:tiny", "--soc", "sm8350", "--precision", "16a8w")
EXPORT = ("export", "MODEL:tiny", "--soc", "SM8350", "--precision", "16a8w", "--out", "vit.pte")


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


ERRORS = [
    (UnverifiedError((("index", "aten.index.Tensor"),), "SM8350"), 1),
    (BudgetExceededError("60 s"), 1),
    (UnsatisfiableError((), ()), 1),
    (RuleError("QC001", "bmm", "nonsense"), 1),
    (HostBackendError("the compiler died"), 3),
    (MismatchError("output 0 differs"), 4),
]


@pytest.mark.parametrize(("error", "code"), ERRORS, ids=lambda each: type(each).__name__)
def test_our_errors_are_one_line(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str], error: QnnSolveError, code: int
) -> None:
    assert run(*EXPORT, answer=_raising(error)) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1] == f"error: {error}".strip()
    assert "Traceback" not in err


def test_conflicts_are_one_line_too(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    site = Site("bmm")
    conflict = Conflict((Allow(site, frozenset(), Reason.in_words("QC001", "takes nothing")),), ())
    assert run(*EXPORT, answer=_raising(UnsatisfiableError((conflict, conflict), ("one", "two")))) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("error: no legal quantization config exists; 2 conflict(s) at bmm; ")


@pytest.mark.parametrize(("error", "code"), [*ERRORS, (ValueError("x"), 70), (KeyboardInterrupt(), 130)])
def test_json_stays_json_for_errors(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str], error: BaseException, code: int
) -> None:
    assert run(*EXPORT, "--format=json", answer=_raising(error)) == code
    document = json.loads(capsys.readouterr().out)
    schema = json.loads((ROOT / "qnnsolve" / "schema" / "error-1.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(document)
    assert document["error"]["exit_code"] == code
    assert document["error"]["kind"] == type(error).__name__


def test_a_bug_is_one_line(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*SOLVE, answer=_raising(ZeroDivisionError("a\nb"))) == 70
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("internal error: ZeroDivisionError: a b, please report")
    assert "QNNSOLVE_TRACEBACK=1" in last


def test_a_bug_shows_its_traceback_on_request(run: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QNNSOLVE_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        run(*SOLVE, answer=_raising(ZeroDivisionError()))


def test_ctrl_c_is_130(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*SOLVE, answer=_raising(KeyboardInterrupt())) == 130
    assert capsys.readouterr().err.splitlines()[-1] == "error: interrupted"


USAGE = [
    (("solve", "MODEL:tiny", "--soc", "SM8351"), "unknown SoC 'SM8351': did you mean SM8350"),
    (("solve", "MODEL:tiny", "--soc", "SM8350", "--precision", "16a9w"), "unknown precision '16a9w': did you mean"),
    (
        ("solve", "MODEL:tiny", "--soc", "SM8350", "--backend", "lpai"),
        "SM8350 has no LPAI in ExecuTorch's table; SAR2230P, SM8850 do",
    ),
    (("solve", "MODEL:tiny", "--soc", "SM8350", "--backend", "lpia"), "unknown backend 'lpia': did you mean lpai"),
    (("solve", "MODEL:tiny", "--soc", "SM8350", "--block-size", "16"), "--block-size goes with"),
    (("solve", "MODEL:tiny", "--soc", "SM8350", "--block-size", "0"), "--block-size: 0 is not"),
    (("solve", "MODEL:tiny"), "required: --soc"),
    (("frobnicate",), "invalid choice: 'frobnicate'"),
    (("solve", "MODEL:tiny", "--soc", "SM8350", "--format", "xml"), "invalid choice: 'xml'"),
    (("solve", "MODEL:tuple_of_one", "--soc", "SM8350"), "returned a tuple of 1, not (nn.Module"),
    (("solve", "MODEL:raises", "--soc", "SM8350"), "raised: ValueError: no such checkpoint"),
    (("solve", "absent.pt2", "--soc", "SM8350"), "model absent.pt2 does not exist"),
    ((*EXPORT[:-1], "no/such/folder/vit.pte"), "--out no/such/folder/vit.pte: no folder no/such/folder"),
    ((*EXPORT[:-1], "."), "--out . is a folder"),
    ((*EXPORT, "--tolerance", "nan"), "--tolerance: nan is not a fraction"),
    ((*EXPORT, "--tolerance", "x"), "--tolerance: x is not a fraction"),
    ((*EXPORT, "--calibration", "absent.npz"), "calibration absent.npz does not exist"),
]


@pytest.mark.parametrize(("argv", "message"), USAGE)
def test_usage_errors_are_one_line_and_exit_2(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str], argv: tuple[str, ...], message: str
) -> None:
    assert run(*argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1, err
    assert err.startswith("error: ")
    assert message in err


def test_a_folder_that_cannot_be_written(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**kwargs: object) -> object:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    assert run(*EXPORT) == 2
    assert capsys.readouterr().err == "error: --out vit.pte: the folder . cannot be written: Permission denied\n"


def test_no_libraries_is_3_before_the_model_is_loaded(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qnnsolve.host.libraries.ensure_loaded", _raising(HostBackendError("no HTP libraries")))
    assert run("export", "MODEL:raises", *EXPORT[2:]) == 3
    assert capsys.readouterr().err == "error: no HTP libraries\n"


def _command(*argv: str, cwd: Path, code: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("PYTHONUNBUFFERED", None)  # it would empty C's buffers too, and hide what comes out of them late
    command = [sys.executable, "-c", code, *argv] if code else [sys.executable, "-m", "qnnsolve", *argv]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


NO_TORCH = """
import sys
sys.modules["torch"] = None
from qnnsolve.cli import main
try:
    code = main(sys.argv[1:])
except SystemExit as exit:
    code = exit.code
sys.exit(code)
"""


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (("--help",), 0),
        (("--version",), 0),
        (("export", "--help"), 0),
        (("solve", "x:y", "--soc", "SM8351"), 2),
        (("solve", "absent.pt2", "--soc", "SM8350"), 2),
    ],
)
def test_names_and_help_need_no_torch(tmp_path: Path, argv: tuple[str, ...], code: int) -> None:
    done = _command(*argv, cwd=tmp_path, code=NO_TORCH)
    assert (done.returncode, done.stderr.count("\n")) == (code, 1 if code else 0), done.stderr
    assert bool(done.stdout) == (code == 0)


NOISY = """
import ctypes, os, sys, types
from qnnsolve.results import Status, Unrunnable
from qnnsolve.solver import Conflict
from tests.records import solve_result
def solve(*args, **kwargs):
    print("python noise")
    os.write(1, b"native noise")
    ctypes.CDLL(None).printf(b"buffered noise")
    return solve_result()
pipeline = types.ModuleType("qnnsolve.pipeline")
pipeline.solve = solve
import qnnsolve
sys.modules["qnnsolve.pipeline"] = qnnsolve.pipeline = pipeline
from qnnsolve.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_stdout_is_the_report_alone_even_when_libraries_write_to_it(tmp_path: Path) -> None:
    (tmp_path / "noisy_model.py").write_text(MODEL)
    argv = ("solve", "noisy_model:tiny", "--soc", "SM8350", "--format", "json")
    done = _command(*argv, cwd=tmp_path, code=NOISY)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["schema"] == "qnnsolve/solve/1"
    assert all(f"{kind} noise" in done.stderr for kind in ("native", "python", "buffered"))


LOADS = """
from qnnsolve.host.libraries import ensure_loaded
from qnnsolve.cli.terminal import report_stream
with report_stream(verbose=False) as stdout:
    ensure_loaded()
    print("{}", file=stdout)
"""


@pytest.mark.slow
def test_the_htp_libraries_greet_neither_on_stdout_nor_on_stderr(tmp_path: Path) -> None:
    """They print with C's buffer, which is emptied when the process ends: with a pipe, behind the report."""
    done = _command(cwd=tmp_path, code=LOADS)
    assert (done.returncode, done.stdout, done.stderr) == (0, "{}\n", "")
    assert _command(cwd=tmp_path, code="from qnnsolve.host import libraries; libraries.ensure_loaded()").stdout == ""
