"""What another chip or wish would change, and how two kept runs differ."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from qnnsolve import load_run, solve
from qnnsolve.cli import main
from qnnsolve.errors import UnknownNameError, UsageError
from qnnsolve.questions import Opened, difference, ports_of, what_if
from qnnsolve.results import SolveResult, Status
from tests.nets import Attention, ConvNet, seeded

TOKENS, IMAGE = torch.randn(1, 4, 16), torch.randn(1, 3, 16, 16)


def config(result: SolveResult) -> list[object]:
    return [(n.name, n.inputs, n.output, n.placement) for n in result.nodes]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "attention.qnn"
    solve(seeded(Attention), (TOKENS,), soc="SM8350", precision="16a8w", save=path)
    return path


@pytest.mark.parametrize("soc", ["SM8350", "SM8450", "SM8550", "SM8750"])
@pytest.mark.parametrize("precision", ["16a8w", "8a4w", "16a16w"])
def test_the_answer_is_that_of_a_solve_of_the_model(run: Path, soc: str, precision: str) -> None:
    solved, found = what_if(Opened.of(load_run(run)), soc=soc, ask=precision, prefer="softmax=8a")
    fresh = solve(seeded(Attention), (TOKENS,), soc=soc, precision=precision, prefer="softmax=8a")
    assert config(solved.result) == config(fresh)
    assert (solved.result.soc, solved.result.cost) == (soc, fresh.cost)
    assert found.cost_after == fresh.cost


def test_nothing_asked_changes_nothing(run: Path) -> None:
    _, found = what_if(Opened.of(load_run(run)))
    assert found.empty and found.cost_after == found.cost_before


def test_what_is_allowed_to_stay_float_does(run: Path) -> None:
    solved, found = what_if(Opened.of(load_run(run)), allow_float=["op:aten.softmax"])
    assert [(each.node, each.after) for each in found.moved] == [("softmax", "cpu")]
    (told,) = solved.result.wishes
    assert told.words == "allow-float op:aten.softmax"


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ('node(N, "Softmax"', r"1:18: ',' or '\)' is wanted, not the end"),
        (" ", "allow-float: a place is the name of a node"),
        ("softmax=3", "nothing in the model is 'softmax=3'"),
    ],
)
def test_a_wrong_place_is_one_line(run: Path, place: str, line: str) -> None:
    with pytest.raises(UsageError, match=line):
        what_if(Opened.of(load_run(run)), allow_float=[place])


def test_a_pin_that_cannot_hold_is_a_conflict_or_given_up(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["what-if", str(run), "--pin", "op:aten.matmul@in[1]=16a"]
    assert main(asked) == 1
    assert "unsatisfiable" in capsys.readouterr().out
    assert main([*asked, "--lenient"]) == 0
    solved, _ = what_if(Opened.of(load_run(run)), pin="op:aten.matmul@in[1]=16a", strict=False)
    assert solved.result.status is Status.SATISFIABLE and solved.result.wishes[0].missed == 2


def test_another_chip_or_another_wish_for_a_run_that_has_no_config(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "none.qnn"
    assert solve(seeded(ConvNet), (IMAGE,), soc="SM8450", pin="classify=16w", save=run).status is Status.UNSATISFIABLE
    assert main(["what-if", str(run)]) == 1
    assert main(["what-if", str(run), "--soc", "SM8750"]) == 0
    out = capsys.readouterr().out
    assert out.count("is unsatisfiable: there is no config to compare with") == 2
    assert "none.qnn for SM8750" in out and "proven optimal" in out and "absent" not in out
    assert main(["what-if", str(run), "--lenient", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["cost_before"] is None and found["cost_after"] > 0
    solved, _ = what_if(load_run(run), pin="classify=8w")
    assert solved.result.status is Status.SATISFIABLE


def test_names_that_are_not_there_are_refused(run: Path) -> None:
    opened = Opened.of(load_run(run))
    with pytest.raises(UnknownNameError, match="SM8751"):
        what_if(opened, soc="SM8751")
    with pytest.raises(UnknownNameError, match="16a9w"):
        what_if(opened, ask="16a9w")
    with pytest.raises(UsageError, match="nothing in the model is 'nowhere'"):
        what_if(opened, pin="nowhere=8a")


def test_the_new_answer_can_be_kept_and_compared(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other.qnn"
    assert main(["what-if", str(run), "--soc", "SM8750", "--save", str(other)]) == 0
    assert main(["what-if", str(run), "--save", str(run)]) == 2
    capsys.readouterr()
    assert main(["diff", str(run), str(other)]) == 1
    out = capsys.readouterr().out
    assert "x2 matmul, matmul_1 (aten.matmul.default) in[1]: u8 -> s16" in out
    one, two = Opened.of(load_run(run)), Opened.of(load_run(other))
    sides = [(each.result, each.facts, ports_of(each.facts, each.encodings)) for each in (one, two)]
    forth, back = difference(sides[0], sides[1]), difference(sides[1], sides[0])
    assert [(c.node, c.port, c.before, c.after) for c in forth.changes] == [
        (c.node, c.port, c.after, c.before) for c in back.changes
    ]
    assert forth.converts_added == back.converts_removed


def test_runs_of_two_models_are_compared_by_node(tmp_path: Path) -> None:
    paths = tmp_path / "a.qnn", tmp_path / "b.qnn"
    solve(seeded(Attention), (TOKENS,), save=paths[0])
    solve(seeded(ConvNet), (IMAGE,), save=paths[1])
    one, two = (Opened.of(load_run(path)) for path in paths)
    sides = [(each.result, each.facts, ports_of(each.facts, each.encodings)) for each in (one, two)]
    found = difference(sides[0], sides[1])
    assert ("softmax", "absent") in [(each.node, each.after) for each in found.moved]
    assert ("conv2d", "absent") in [(each.node, each.before) for each in found.moved]
