"""The five example models: kept, read and solved again in a process that has no torch, with the same bytes."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
AGAIN = """
import hashlib, sys
from qnnsolve import load_run
from tests.runs.kept import text
run = load_run(sys.argv[1])
assert text(run.solve()) == text(run.result), "solved again, it is something else"
assert not {"torch", "torchao", "executorch", "onnxruntime_qnn"} & set(sys.modules), "torch is there"
print(hashlib.sha256(text(run.result).encode()).hexdigest())
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "vit", "bert", "whisper"])
def test_a_model_is_solved_again_without_torch(name: str, tmp_path: Path) -> None:
    from examples import models
    from qnnsolve import solve
    from tests.runs.kept import text

    model, example, _ = getattr(models, name)()
    result = solve(model, example, soc="SM8350", precision="16a8w", strict=False, save=tmp_path / "run.qnn")
    assert any(node.deviations for node in result.nodes) or name in ("resnet18", "mobilenet_v2")
    done = subprocess.run(
        [sys.executable, "-c", AGAIN, str(tmp_path / "run.qnn")], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.stdout.strip() == hashlib.sha256(text(result).encode()).hexdigest()
