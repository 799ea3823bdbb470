"""A user's code may raise, exit and answer what it likes: one line, and the code of wrong input."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from qnnsolve import cli

CODE = """
import sys, torch
from torch import nn

class Rude(Exception):
    def __str__(self):
        raise ValueError("no")

class Endless(Exception):
    def __str__(self):
        return "x" * 5_000_000

class Base(BaseException):
    pass

RAISED = {
    "zero": ZeroDivisionError("a"), "import": ImportError("a"), "os": OSError(5, "a"), "memory": MemoryError(),
    "syntax": SyntaxError("a"), "stop": StopIteration("a"), "exit": SystemExit(0), "exit_text": SystemExit("bye"),
    "rude": Rude(), "endless": Endless(), "base": Base("a"), "surrogate": ValueError("caf\\udce9"),
    "generator": GeneratorExit(),
    "recursion": RecursionError("a"), "unicode": UnicodeDecodeError("utf-8", b"x", 0, 1, "a"), "empty": KeyError(),
}

def make(error, where):
    class Net(nn.Module):
        def forward(self, x):
            if where == "forward":
                raise error
            return torch.relu(x)

    def callable():
        if where == "call":
            raise error
        return Net(), (torch.ones(2, 3),)

    return callable

for name, error in RAISED.items():
    for where in ("call", "forward"):
        globals()[f"{where}_{name}"] = make(error, where)

class Cond(nn.Module):
    def forward(self, x):
        return torch.cond(x.sum() > 0, lambda y: y + 1, lambda y: y - 1, (x,))

def cond(): return Cond(), (torch.ones(2, 3),)
def meta(): return nn.ReLU(), (torch.ones(2, 3, device="meta"),)
def meta_model(): return nn.Linear(3, 2, device="meta"), (torch.ones(2, 3),)
def nan(): return nn.ReLU(), (torch.full((2, 3), float("nan")),)
def sparse(): return nn.ReLU(), (torch.eye(3).to_sparse(),)

class Rogue(nn.Module):
    def __getattribute__(self, name):
        if name == "forward":
            raise ZeroDivisionError("attribute")
        return super().__getattribute__(name)

def rogue(): return Rogue(), (torch.ones(2, 3),)

class Iterates:
    def __iter__(self):
        yield (torch.ones(2, 3),)
        sys.exit(0)

def calibration(): return nn.ReLU(), None, Iterates()
class Strange:
    @property
    def __class__(self): sys.exit(3)
def strange(): return Strange()
"""
RAISED = [
    "zero",
    "import",
    "os",
    "memory",
    "syntax",
    "stop",
    "exit",
    "exit_text",
    "rude",
    "endless",
    "base",
    "surrogate",
]
RAISED += ["generator", "recursion", "unicode", "empty"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "nets.py").write_text(CODE)
    return tmp_path


def refusal(attribute: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert cli.main(["solve", f"nets.py:{attribute}", "--soc", "SM8750"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and err.count("\n") == 1 and len(err) < 700
    err.encode("utf-8")
    return err


@pytest.mark.parametrize("where", ["call", "forward"])
@pytest.mark.parametrize("name", RAISED)
def test_what_is_raised_is_told(name: str, where: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = refusal(f"{where}_{name}", capsys)
    assert ("raised: " if where == "call" else "torch.export cannot trace it: ") in said


@pytest.mark.parametrize(
    ("attribute", "why"),
    [
        ("cond", "cond"),
        ("nan", "holds NaN"),
        ("sparse", "is no dense tensor"),
        ("rogue", "ZeroDivisionError: attribute"),
        ("strange", "SystemExit"),
    ],
)
def test_what_cannot_be_used(attribute: str, why: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert why in refusal(attribute, capsys)


@pytest.mark.parametrize("attribute", ["meta", "meta_model"])
def test_a_solve_needs_no_values(attribute: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["solve", f"nets.py:{attribute}", "--soc", "SM8750"]) == 0
    assert "satisfiable" in capsys.readouterr().out


@pytest.mark.parametrize(
    "text", ["import sys\nsys.exit(0)", "raise KeyError", "(" * 300, "\0", "import nets2", "x = 'caf\udce9'"]
)
def test_a_module_that_cannot_be_imported(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("nets.py").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert "importing nets.py failed: " in refusal("net", capsys)


def test_a_coroutine_is_one_line_without_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("waits.py").write_text("async def net():\n    return None\n")
    assert cli.main(["solve", "waits.py:net", "--soc", "SM8750"]) == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1 and "waits.py:net returned a coroutine" in err
