"""``qnnsolve search --verify``: what it tells of a point's program is what ``export --recipe`` makes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qnnsolve import export
from tests.cli.documents import Ask, hold

MODEL = """
import torch

def net():
    torch.manual_seed(0)
    layers = torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(144, 4)
    return torch.nn.Sequential(*layers), (torch.randn(1, 3, 8, 8),)
"""


@pytest.mark.slow
def test_a_points_program_is_the_one_that_its_recipe_exports(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the command line: no op on the CPU that was not announced, the emulator near what was measured, and
    ``export --recipe`` makes a program of the same size with the same figures."""
    (tmp_path / "verified_net.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    argv = (
        "search",
        "verified_net:net",
        "--soc",
        "SM8750",
        "--candidates",
        "8a8w,16a8w,16a4w",
        "--budget",
        "weights=0.8",
    )
    code, out, err = ask(
        *argv, "--points", "2", "--verify", "--recipes", "front", "--out", "run.qnn", "--format", "json"
    )
    assert (code, err) == (0, "")
    document = json.loads(out)
    hold(document)
    programs = [point["program"] for point in document["points"]]
    for point, program in zip(document["points"], programs, strict=True):
        assert (program["delegates"], program["unannounced"], program["agrees"]) == (1, [], True)
        assert abs(program["emulator_db"] - point["measured_db"]) < 3
    from verified_net import net  # type: ignore[import-not-found]

    model, inputs = net()
    result = export(model, inputs, soc="SM8750", recipe=f"front/point-{len(programs)}.yaml", out=tmp_path / "again.pte")
    assert result.pte_bytes == programs[-1]["pte_bytes"]
    assert result.verification is not None and result.verification.outputs[0].emulator is not None
    assert result.verification.outputs[0].emulator.together == pytest.approx(programs[-1]["emulator_db"], abs=1e-6)
