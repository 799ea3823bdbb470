"""``qnnsolve compare``: one small net through the command, and what is refused before a model is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from qnnsolve import compare, load_run
from qnnsolve.report import json_comparing
from tests.cli.documents import Ask, document_of
from tests.nets import ConvNet, images, seeded

MODEL = """
import torch

def net():
    torch.manual_seed(0)
    layers = torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Conv2d(4, 4, 3), torch.nn.Flatten()
    samples = [(torch.randn(1, 3, 8, 8),) for _ in range(3)]
    return torch.nn.Sequential(*layers), samples[0], samples

def never():
    raise AssertionError("no model must be loaded")
"""


@pytest.fixture
def name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of models in a fresh folder."""
    found = f"compared_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{found}.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    return found


def test_each_node_is_compared_and_told(ask: Ask, name: str) -> None:
    common = ("compare", f"{name}:net", "--soc", "sm8750", "--no-emulator")
    document = document_of(ask, *common, "--precision", "8a8w", "--save", "net.qnn")
    assert [node["name"] for node in document["nodes"]] == ["input_1", "conv2d", "conv2d_1", "flatten"]
    assert document["samples"] == 3 and document["bound_db"] == 20
    assert document["first"] == dict.fromkeys(
        ("unexplained", "own", "accumulated", "emulator_own", "emulator_accumulated")
    )
    last = document["nodes"][-1]["accumulated"]
    assert last["together"] == pytest.approx(document["outputs"][0]["sqnr"]["together"], abs=1e-4)
    run = load_run("net.qnn")
    assert run.compare is not None
    assert document["timings"].pop("load") > 0  # of the command alone: the run was kept before
    assert json_comparing.compare_json(run.compare, f"{name}:net") == document
    kept = document_of(ask, *common, "--run", "net.qnn", "--bound", "80")
    assert kept["nodes"] == document["nodes"] and kept["first"]["own"] == "input_1"
    code, out, err = ask(*common, "--run", "net.qnn", "--pin", "2=16a", "--verbose")
    assert (code, err) == (0, "")
    assert "  conv2d_1 (aten.conv2d.default) in 2, u16: own " in out


def test_from_python_it_is_the_same_record() -> None:
    found = compare(seeded(ConvNet), images(1)[0], precision="16a8w", calibration=images(2), bound=200, emulator=False)
    assert found.samples == 2 and found.first_own == found.nodes[0] == found.first_accumulated
    assert [node.name for node in found.nodes if node.encoding is None] == []


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("--soc", "SM8751"), "unknown SoC 'SM8751': "),
        (("--soc", "SM8750", "--bound", "much"), "much is no number of decibels"),
        (("--soc", "SM8750", "--run", "none.qnn"), "none.qnn"),
        (("--soc", "SM8750", "--calibration", "none.npz"), "calibration none.npz does not exist"),
        (("--soc", "SM8750", "--precision", "8a9w"), "8a9w"),
    ],
)
def test_bad_input_is_one_line_before_a_model_is_loaded(ask: Ask, name: str, argv: tuple[str, ...], said: str) -> None:
    code, out, err = ask("compare", f"{name}:never", *argv)
    assert (code, out) == (2, "")
    assert err.startswith("error: ") and said in err and err.count("\n") == 1


def test_a_run_of_another_chip_is_refused(ask: Ask, name: str) -> None:
    assert ask("solve", f"{name}:net", "--soc", "SM8550", "--save", "other.qnn")[0] == 0
    code, _, err = ask("compare", f"{name}:never", "--soc", "SM8750", "--run", "other.qnn")
    assert code == 2 and "run other.qnn is for htp on SM8550, not htp on SM8750" in err
    code, _, err = ask("compare", f"{name}:net", "--soc", "SM8550", "--run", "other.qnn", "--save", "other.qnn")
    assert code == 2 and "other.qnn" in err
