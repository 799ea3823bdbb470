"""The example models, each compiled for two generations of chips and run on the emulator."""

from __future__ import annotations

from pathlib import Path

import pytest

import examples.models
from qnnsolve.pipeline import export

pytestmark = pytest.mark.slow

NO_BUILDER = {"bert": {"aten.index.Tensor"}}
"""What ExecuTorch 1.5.1 cannot delegate in any case: BERT's mask is gathered with two index tensors."""


@pytest.mark.parametrize(("soc", "precision"), [("SM8750", "8a8w"), ("SM8750", "16a8w"), ("SM8350", "16a8w")])
@pytest.mark.parametrize("name", examples.models.__all__)
def test_a_model_compiles_whole_and_computes_what_was_converted(
    name: str, soc: str, precision: str, tmp_path: Path
) -> None:
    model, inputs, calibration = getattr(examples.models, name)()
    result = export(model, inputs, out=tmp_path / "model.pte", soc=soc, precision=precision, calibration=calibration)
    unavoidable = NO_BUILDER.get(name, set())
    assert {op.target for op in result.cpu_ops} <= unavoidable
    assert result.delegates == 1 + len(unavoidable)
    assert result.verification is not None
    assert result.verification.agrees, result.verification.note
