"""A limit of time that the user sets, through every door, with a solver that really stops."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import attrs
import jsonschema
import pytest
import torch
from torchao.quantization.pt2e.quantize_pt2e import prepare_pt2e

from qnnsolve import cli, pipeline
from qnnsolve.constraints import Forbid, Problem
from qnnsolve.encodings import FLOAT
from qnnsolve.errors import BudgetExceededError, UsageError
from qnnsolve.quantizer import SolveQuantizer
from qnnsolve.reasons import Reason
from qnnsolve.results import Placement, Status
from qnnsolve.rules import Facts, problem_of
from qnnsolve.solver import TIME_LIMIT, Limits, limits_of
from tests.nets import ConvNet, images, seeded

EXAMPLE = images(1)[0]
MODEL = """
import torch

def tiny():
    return torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2)), (torch.zeros(1, 4),)
"""
SCHEMAS = Path(cli.__file__).parents[1] / "schema"


def without_float(facts: Facts, *_: object) -> Problem:
    """The problem of a graph of which nothing may stay on the CPU, so that no config is found at once."""
    problem = problem_of(facts)
    why = Reason.in_words("QC000", "this test wants none")
    sites = (site for site, domain in problem.domains.items() if domain != (FLOAT,))
    forbids = [Forbid(site, frozenset((FLOAT,)), why) for site in sites]
    return attrs.evolve(problem, constraints=(*problem.constraints, *forbids))


def test_the_best_config_found_comes_with_its_gap() -> None:
    stopped = pipeline.solve(seeded(ConvNet), EXAMPLE, time_limit=0)
    assert (stopped.status, stopped.limit) == (Status.SATISFIABLE, "seconds=0")
    assert stopped.proof is not None and 0 < float(stopped.proof) <= 1
    assert not any(node.placement is Placement.NPU for node in stopped.nodes)
    done = pipeline.solve(seeded(ConvNet), EXAMPLE, time_limit=60)
    assert (done.limit, done.proof) == (None, "optimal")
    assert stopped.cost is not None and done.cost is not None and stopped.cost > done.cost


def test_without_any_config_the_answer_is_unknown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("qnnsolve.quantizer.problem_of", without_float)
    assert pipeline.solve(seeded(ConvNet), EXAMPLE, time_limit=60).status is Status.SATISFIABLE
    stopped = pipeline.solve(seeded(ConvNet), EXAMPLE, time_limit=0)
    assert (stopped.status, stopped.limit, stopped.proof) == (Status.UNKNOWN, "seconds=0", None)
    monkeypatch.setattr("qnnsolve.pipeline.ensure_compiler", lambda backend: None)
    with pytest.raises(BudgetExceededError, match="seconds=0") as caught:
        pipeline.export(seeded(ConvNet), EXAMPLE, time_limit=0, out=tmp_path / "net.pte")
    assert caught.value.exit_code == 1
    assert not (tmp_path / "net.pte").exists()


def test_a_quantizer_takes_seconds_or_limits() -> None:
    for given in ({"time_limit": 0.0}, {"limits": Limits(seconds=0)}):
        quantizer = SolveQuantizer("htp", "SM8750", **given)
        prepare_pt2e(torch.export.export(seeded(ConvNet), EXAMPLE).module(), quantizer)
        assert quantizer.result is not None and quantizer.result.limit == "seconds=0"
    with pytest.raises(UsageError, match="not both"):
        SolveQuantizer("htp", "SM8750", time_limit=5, limits=Limits())


@pytest.mark.parametrize("wrong", [-1, math.nan, -math.inf, "5", True])
def test_what_is_no_time_is_refused_in_one_line(wrong: Any) -> None:
    with pytest.raises(UsageError, match=r"^time_limit .* is not a number of seconds such as 60$"):
        limits_of(wrong)


def test_a_limit_is_set_where_none_is_given_and_none_where_infinity_is() -> None:
    assert limits_of(None).seconds == TIME_LIMIT
    assert limits_of(math.inf).seconds is None
    with pytest.raises(ValueError, match="seconds must not be negative"):
        Limits(seconds=math.nan)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "my_net.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    return tmp_path


SOLVE = ("solve", "my_net.py:tiny", "--soc", "SM8750", "--precision", "8a8w", "--time-limit")


def test_the_first_lines_say_what_stopped_the_solve(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main((*SOLVE, "0")) == 0
    first = capsys.readouterr().out.splitlines()[:3]
    assert any(
        "not proven optimal (stopped at seconds=0): the least possible cost is at most " in line for line in first
    )
    assert cli.main((*SOLVE, "inf")) == 0
    assert ", proven optimal" in capsys.readouterr().out


def test_json_names_the_limit_where_one_was_hit(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    schema = json.loads((SCHEMAS / "solve-1.json").read_text())
    assert cli.main((*SOLVE, "0", "--format", "json")) == 0
    stopped = json.loads(capsys.readouterr().out)
    jsonschema.validate(stopped, schema)
    assert stopped["limit"] == "seconds=0" and 0 < float(stopped["proof"]) <= 1
    assert cli.main((*SOLVE, "60", "--format", "json")) == 0
    done = json.loads(capsys.readouterr().out)
    jsonschema.validate(done, schema)
    assert "limit" not in done and done["proof"] == "optimal"


def test_a_limit_without_any_config_exits_with_1(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("qnnsolve.quantizer.problem_of", without_float)
    assert cli.main((*SOLVE, "0")) == 1
    out, err = capsys.readouterr()
    assert out.splitlines()[1].startswith("unknown: stopped at seconds=0 before any legal config was found")
    assert err.splitlines()[-1] == "error: unknown: no config to use; the report says why"
    assert cli.main((*SOLVE, "0", "--format", "json")) == 1
    stopped = json.loads(capsys.readouterr().out)
    jsonschema.validate(stopped, json.loads((SCHEMAS / "solve-1.json").read_text()))
    assert (stopped["status"], stopped["limit"], stopped["nodes"]) == ("unknown", "seconds=0", [])


@pytest.mark.parametrize("wrong", ["-1", "nan", "soon", ""])
def test_no_number_of_seconds_is_a_usage_error(folder: Path, wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main((*SOLVE[:-1], f"--time-limit={wrong}")) == 2
    assert "is not a number of seconds such as 60" in capsys.readouterr().err
