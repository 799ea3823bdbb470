"""``--save`` and ``save=``: what is kept, when, and over what it never is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import pytest
import torch

from qnnsolve import cli, export, load_run, pipeline, solve
from qnnsolve.constraints import Problem
from qnnsolve.encodings import FLOAT
from qnnsolve.errors import HostBackendError, UnsatisfiableError, UsageError
from qnnsolve.lowering.lower import Lowered
from qnnsolve.quantizer import SolveQuantizer
from qnnsolve.results import CpuOp, Stand, Status
from qnnsolve.rules import Facts, problem_of
from qnnsolve.runs import save_run
from tests.nets import ConvNet, images, seeded
from tests.runs.kept import U8, pinned, text

EXAMPLE = images(1)[0]
MODEL = "import torch\n\ndef tiny():\n    return torch.nn.Linear(4, 2), (torch.zeros(1, 4),)\n"
FACTS = "format = 1\n"


@pytest.fixture
def lowered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A compiler that answers at once."""

    def lower(*_: Any, out: Path, **__: Any) -> Lowered:
        out.write_bytes(b"a program")
        return Lowered(1, (CpuOp("relu", "aten.relu.default", "told so", Stand.AFTER),), out, 9, 0.1)

    monkeypatch.setattr(pipeline, "lower", lower)
    monkeypatch.setattr(pipeline, "ensure_compiler", lambda _: None)


def test_a_solve_is_kept_as_it_is_answered(tmp_path: Path) -> None:
    path = tmp_path / "run.qnn"
    result = solve(seeded(ConvNet), EXAMPLE, soc="SM8350", precision="16a8w", save=path)
    run = load_run(path)
    assert run.result == result
    assert text(run.solve()) == text(result)
    assert run.about["model"] == "ConvNet" and run.export is None


def test_nodes_keep_the_line_that_called_them(tmp_path: Path) -> None:
    solve(seeded(ConvNet), EXAMPLE, save=tmp_path / "run.qnn")
    lines = [node.line for node in load_run(tmp_path / "run.qnn").facts.graph if node.target == "aten.relu.default"]
    assert lines and all(line is not None and Path(line.file).name == "nets.py" for line in lines)
    source = (Path(__file__).parents[1] / "nets.py").read_text().splitlines()
    assert all(line is not None and source[line.number - 1].strip() == line.text for line in lines)


def test_what_a_quantizer_solved_can_be_kept(tmp_path: Path) -> None:
    from torchao.quantization.pt2e.quantize_pt2e import prepare_pt2e

    quantizer = SolveQuantizer("htp", "SM8350", precision="16a8w")
    assert quantizer.solved is None
    prepared = prepare_pt2e(torch.export.export(seeded(ConvNet), EXAMPLE).module(), quantizer)
    prepared(*EXAMPLE)
    assert quantizer.solved is not None
    save_run(tmp_path / "run.qnn", quantizer.solved)
    assert load_run(tmp_path / "run.qnn").result == quantizer.result
    assert quantizer.result is not None and quantizer.result.calibration is not None


def test_an_export_keeps_what_came_of_it(tmp_path: Path, lowered: None) -> None:
    path = tmp_path / "run.qnn"
    result = export(seeded(ConvNet), EXAMPLE, out=tmp_path / "m.pte", verify=False, save=path, model_name="a net")
    run = load_run(path)
    assert run.export == result and run.result == result.solve
    assert run.result.calibration is not None and run.about["model"] == "a net"


def test_an_export_that_fails_leaves_the_earlier_run(
    tmp_path: Path, lowered: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.qnn"
    solve(seeded(ConvNet), EXAMPLE, save=path, model_name="earlier")

    def dies(*_: Any, **__: Any) -> None:
        raise HostBackendError("the compiler died")

    monkeypatch.setattr(pipeline, "lower", dies)
    with pytest.raises(HostBackendError):
        export(seeded(ConvNet), EXAMPLE, out=tmp_path / "m.pte", save=path, model_name="later")
    assert load_run(path).about["model"] == "earlier"


def test_a_solve_without_solution_is_kept_by_both(
    tmp_path: Path, lowered: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def contradictory(facts: Facts, *_: object) -> Problem:
        found = problem_of(facts)
        relu = next(node.name for node in facts.graph if node.target == "aten.relu.default")
        pins = (pinned(relu, U8, "--pin a"), pinned(relu, FLOAT, "--pin b"))
        return attrs.evolve(found, constraints=(*found.constraints, *pins))

    monkeypatch.setattr("qnnsolve.quantizer.problem_of", contradictory)
    result = solve(seeded(ConvNet), EXAMPLE, save=tmp_path / "solve.qnn")
    with pytest.raises(UnsatisfiableError):
        export(seeded(ConvNet), EXAMPLE, out=tmp_path / "m.pte", save=tmp_path / "export.qnn")
    for name in ("solve.qnn", "export.qnn"):
        run = load_run(tmp_path / name)
        assert run.status is Status.UNSATISFIABLE and run.result.conflicts == result.conflicts
        assert text(run.solve()) == text(result)


def test_where_no_run_can_be_kept_is_told_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(b"weights")
    facts = tmp_path / "facts.toml"
    facts.write_text("")
    steps: list[object] = []
    for save, match in (
        (tmp_path, "is a folder"),
        (tmp_path / "none" / "run.qnn", "does not exist"),
        (tmp_path / "weights.bin", "no kept run is there, and is not replaced"),
    ):
        with pytest.raises(UsageError, match=match):
            solve(seeded(ConvNet), EXAMPLE, save=save, progress=lambda *step: steps.append(step))
    with pytest.raises(UsageError, match=r"save .* is a file of the user's facts"):
        solve(seeded(ConvNet), EXAMPLE, save=facts, user_facts=[facts])
    with pytest.raises(UsageError, match=r"save .* is the program"):
        export(seeded(ConvNet), EXAMPLE, out=tmp_path / "one", save=tmp_path / "one")
    assert steps == [] and (tmp_path / "weights.bin").read_bytes() == b"weights"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "model.py").write_text(MODEL)
    (tmp_path / "facts.toml").write_text(FACTS)
    torch.save([(torch.zeros(1, 4),)], tmp_path / "data.pt")
    torch.export.save(torch.export.export(torch.nn.Linear(4, 2), (torch.zeros(1, 4),)), tmp_path / "model.pt2")
    (tmp_path / "link.qnn").symlink_to(tmp_path / "model.pt2")
    (tmp_path / "empty.qnn").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_command_keeps_what_it_prints(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    typed = ["solve", "model.pt2", "--soc", "SM8350", "--format", "json", "--save"]
    for save in ("run.qnn", "empty.qnn", "run.qnn"):
        assert cli.main([*typed, save]) == 0
        printed = json.loads(capsys.readouterr().out)
        run = load_run(folder / save)
        assert json.loads(text(run.result)) | {"model": "", "timings": {}} == printed | {"model": "", "timings": {}}
        assert run.about["model"] == "model.pt2"


@pytest.mark.parametrize(
    ("argv", "match"),
    [
        (["solve", "model.pt2", "--save", "model.pt2"], "--save model.pt2 is MODEL"),
        (["solve", "model.pt2", "--save", "link.qnn"], "--save link.qnn is MODEL (model.pt2)"),
        (["solve", "model.py:tiny", "--save", "./model.py"], "--save model.py is MODEL"),
        (["solve", "model.py:tiny", "--facts", "facts.toml", "--save", "facts.toml"], "is a file of --facts"),
        (["solve", "model.py:tiny", "--save", "data.pt"], "a file that is no kept run is there, and is not replaced"),
        (["export", "model.py:tiny", "--out", "x", "--calibration", "data.pt", "--save", "data.pt"], "--calibration"),
        (["export", "model.py:tiny", "--out", "x.qnn", "--save", "x.qnn"], "--save x.qnn is the --out"),
        (["solve", "model.py:tiny", "--save", "."], "--save . is a folder"),
        (["solve", "model.py:tiny", "--save", "no/run.qnn"], "--save no/run.qnn: no folder no"),
    ],
)
def test_the_command_never_saves_over_what_is_read_or_written(
    folder: Path, capsys: pytest.CaptureFixture[str], argv: list[str], match: str
) -> None:
    before = {each.name: each.read_bytes() for each in folder.iterdir()}
    assert cli.main([*argv, "--soc", "SM8350"]) == 2
    told = capsys.readouterr()
    assert match in told.err and len(told.err.splitlines()) == 1 and not told.out
    assert {each.name: each.read_bytes() for each in folder.iterdir()} == before
