"""Errors of the command line: one line, an exit code, and JSON where that is asked for."""

from __future__ import annotations

import json
from collections.abc import Callable

import jsonschema
import pytest

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
from qnnsolve.solver import Conflict
from tests.cli.documents import ROOT
from tests.cli.faked import EXPORT, SOLVE, raising

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
    assert run(*EXPORT, answer=raising(error)) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1] == f"error: {error}".strip()
    assert "Traceback" not in err


def test_conflicts_are_one_line_too(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    site = Site("bmm")
    conflict = Conflict((Allow(site, frozenset(), Reason.in_words("QC001", "takes nothing")),), ())
    assert run(*EXPORT, answer=raising(UnsatisfiableError((conflict, conflict), ("one", "two")))) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("error: no legal quantization config exists; 2 conflict(s) at bmm; ")


@pytest.mark.parametrize(("error", "code"), [*ERRORS, (ValueError("x"), 70), (KeyboardInterrupt(), 130)])
def test_json_stays_json_for_errors(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str], error: BaseException, code: int
) -> None:
    assert run(*EXPORT, "--format=json", answer=raising(error)) == code
    document = json.loads(capsys.readouterr().out)
    schema = json.loads((ROOT / "qnnsolve" / "schema" / "error-1.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(document)
    assert document["error"]["exit_code"] == code
    assert document["error"]["kind"] == type(error).__name__


def test_a_bug_is_one_line(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*SOLVE, answer=raising(ZeroDivisionError("a\nb"))) == 70
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("internal error: ZeroDivisionError: a b, please report")
    assert "QNNSOLVE_TRACEBACK=1" in last


def test_a_bug_shows_its_traceback_on_request(run: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QNNSOLVE_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        run(*SOLVE, answer=raising(ZeroDivisionError()))


def test_ctrl_c_is_130(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*SOLVE, answer=raising(KeyboardInterrupt())) == 130
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
    monkeypatch.setattr("qnnsolve.host.libraries.ensure_loaded", raising(HostBackendError("no HTP libraries")))
    assert run("export", "MODEL:raises", *EXPORT[2:]) == 3
    assert capsys.readouterr().err == "error: no HTP libraries\n"
