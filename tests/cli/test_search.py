"""``qnnsolve search``: one real search over a small net, and every refusal that comes before a model is loaded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qnnsolve import cli
from qnnsolve.recipes import read_recipes
from tests.cli.documents import Ask, hold

MODEL = """
import torch

def net():
    torch.manual_seed(0)
    layers = torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Conv2d(4, 4, 3), torch.nn.Flatten()
    return torch.nn.Sequential(*layers), (torch.randn(1, 3, 8, 8),)

def never():
    raise AssertionError("no model must be loaded")

def minus(model):
    return -float(model(torch.ones(1, 3, 8, 8)).abs().max())
"""
CANDIDATES = ("--candidates", "8a8w,16a8w,16a4w")


@pytest.fixture
def name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of models in a fresh folder."""
    found = f"searched_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{found}.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    return found


def test_a_front_is_told_kept_and_valid(ask: Ask, name: str) -> None:
    common = ("search", f"{name}:net", "--soc", "sm8750", *CANDIDATES, "--budget", "weights=0.9")
    argv = (*common, "--points", "3", "--recipes", "kept", "--out", "front.qnn", "--metric", f"{name}:minus")
    code, out, err = ask(*argv, "--format", "json")
    document = json.loads(out)
    assert (code, err) == (0, "")
    hold(document)
    assert (document["soc"], document["axis"]) == ("SM8750", "weights")
    count = len(document["points"])
    assert 1 <= count <= 3, "of neighbours with the same config one is listed"
    for point in document["points"]:
        assert point["amounts"]["weights"] <= point["budgets"]["weights"] * (1 + 1e-9)
        assert point["measured_db"] is not None and point["metric"] < 0
    assert sorted(path.name for path in Path("kept").iterdir()) == [f"point-{n}.yaml" for n in range(1, count + 1)]
    assert read_recipes([f"kept/point-{count}.yaml"]).wishes
    assert ask("ask", "front.qnn", 'node(N, "Conv2d")')[0] == 0
    code, out, err = ask(*common, "--target", "sqnr>=10", "--no-measure", "--axis", "bit-ops")
    assert (code, err) == (0, "")
    assert "the cheapest config in bit-ops is predicted to reach 10 dB" in out.splitlines()[1]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("--soc", "SM8751"), "unknown SoC 'SM8751': "),
        (("--budget", "weigths=0.6"), "unknown cost 'weigths': did you mean weights"),
        (("--budget", "weights"), "a budget is like weights=0.6"),
        (("--axis", "bitops"), "unknown cost 'bitops': did you mean bit-ops"),
        (("--candidates", "8a8w,16a9w"), "16a9w"),
        (("--candidates", "8a8w,fp16a8w"), "half precision"),
        (("--target", "sqnr=30"), "a target is like sqnr>=30"),
        (("--target", "my:accuracy"), "a target is like sqnr>=30"),
        (("--target", "no_such_module:accuracy>=0.9"), "no_such_module"),
        (("--target", "sqnr>=30", "--points", "3"), "not allowed with"),
        (("--weight", "logits=x"), "logits=x is no weight such as 0=1"),
        (("--positions", "0:3"), "positions are like 0[:, -1]"),
        (("--sensitivities", "none.csv"), "sensitivities none.csv cannot be read"),
        (("--measured", "--directions", "2"), "not allowed with"),
        (("--alternatives", "0"), "0 is not a number of configs"),
        (("--points", "0"), "0 is not a number of points"),
        (("--metric", "accuracy"), "a metric is module:callable"),
        (("--recipes", "no/such"), "there is no folder no"),
        (("--calibration", "none.npz"), "calibration none.npz does not exist"),
    ],
)
def test_bad_input_is_one_line_before_a_model_is_loaded(ask: Ask, name: str, argv: tuple[str, ...], said: str) -> None:
    code, out, err = ask("search", f"{name}:never", "--soc", "SM8750", *argv)
    assert (code, out) == (2, "")
    assert err.startswith("error: ") and said in err and err.count("\n") == 1


def test_what_cannot_be_met_is_one_line(ask: Ask, name: str) -> None:
    common = ("search", f"{name}:net", "--soc", "SM8750", *CANDIDATES)
    code, out, err = ask(*common, "--budget", "weights=0.01")
    assert (code, out) == (2, "") and err.count("\n") == 1 and "weights" in err
    code, _, err = ask(*common, "--positions", "0[5]")
    assert code == 2 and "positions of output 0: it has the shape" in err and err.count("\n") == 1
    code, _, err = ask(*common, "--alternatives", "1", "--target", "sqnr>=3")
    assert code == 2 and "not with a target" in err
    code, _, err = ask(*common, "--weight", "7=1")
    assert code == 2 and "weight of output 7: no such output" in err
    code, _, err = ask(*common, "--weight", "0=0")
    assert code == 2 and "no output counts" in err


def test_options_without_a_meaning_are_not_there(ask: Ask, name: str) -> None:
    for option in ("--precision", "--save", "--rules"):
        assert cli.main(["search", f"{name}:never", "--soc", "SM8750", option, "x"]) == 2
