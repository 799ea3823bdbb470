"""The example models, each compiled for two generations of chips and run on the emulator."""

from __future__ import annotations

from pathlib import Path

import pytest

import examples.models
from qnnsolve.pipeline import export
from qnnsolve.results import ExportResult

pytestmark = pytest.mark.slow

NO_BUILDER = {"bert": "ExecuTorch has no builder for aten.index with 2 index tensors"}
"""What ExecuTorch 1.5.1 cannot delegate in any case: BERT's mask is gathered with two index tensors."""

EIGHT_BIT = 0.25
"""At 8 bits one step of an output is 0.4 % of its range, and every layer may round a step apart; see docs/accuracy.md
for each model's figure. This bound only tells rounding from garbage."""

ROUNDING = {("mobilenet_v2", "SM8350"): 0.03}
"""V68 rounds 16-bit convolutions differently, and 52 random layers amplify it: 1.4 % here, 1.2 % with upstream's own
quantizer. Everything else stays below 1 %."""


def exported(name: str, soc: str, precision: str, out: Path, tolerance: float) -> ExportResult:
    model, inputs, _ = getattr(examples.models, name)()
    return export(model, inputs, out=out, soc=soc, precision=precision, calibration=[inputs], tolerance=tolerance)


@pytest.mark.parametrize(("soc", "precision"), [("SM8750", "8a8w"), ("SM8750", "16a8w"), ("SM8350", "16a8w")])
@pytest.mark.parametrize("name", examples.models.__all__)
def test_a_model_compiles_whole_and_computes_what_was_converted(
    name: str, soc: str, precision: str, tmp_path: Path
) -> None:
    tolerance = EIGHT_BIT if precision == "8a8w" else ROUNDING.get((name, soc), 0.01)
    result = exported(name, soc, precision, tmp_path / "model.pte", tolerance)
    assert result.delegates == 1
    reasons = {d.reason for node in result.solve.nodes for d in node.deviations if d.chosen in ("float", "CPU")}
    assert {reason for reason in reasons if not reason.startswith("only feeds")} == set(
        filter(None, [NO_BUILDER.get(name)])
    )
    assert bool(result.cpu_ops) == (name in NO_BUILDER)
    assert result.verification is not None
    assert result.verification.agrees, result.verification.note
