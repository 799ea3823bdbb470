"""What calibration showed is said: parts that one encoding does not fit, and values out of all proportion."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import attrs
import jsonschema
import pytest
import torch
from torch import nn
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from qnnsolve import SolveQuantizer, solve
from qnnsolve.errors import UsageError
from qnnsolve.report.calibration import calibration_json, calibration_lines
from qnnsolve.report.solve import head
from qnnsolve.results import CalibrationRecord, InfiniteValues, JoinRecord

SCHEMAS = Path(__file__).parents[2] / "qnnsolve" / "schema"
Samples = Sequence[tuple[torch.Tensor, ...]]
Both = Callable[[torch.Tensor, torch.Tensor], Any]


class Detector(nn.Module):
    """Boxes in hundreds and scores from 0 to 1, joined by ``join``."""

    def __init__(self, join: Both) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.boxes, self.scores = nn.Linear(8, 6), nn.Linear(8, 6)
        self.join = join

    def forward(self, x: torch.Tensor) -> Any:
        return self.join(self.boxes(x) * 300, torch.sigmoid(self.scores(x)))


class Net(nn.Module):
    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: torch.Tensor) -> Any:
        return self.function(*inputs)


def draws(count: int = 4, *shape: int) -> list[tuple[torch.Tensor, ...]]:
    generator = torch.Generator().manual_seed(1)
    return [(torch.randn(*(shape or (16, 8)), generator=generator),) for _ in range(count)]


def calibrated(model: nn.Module, samples: Samples, precision: str = "8a8w") -> tuple[CalibrationRecord, nn.Module]:
    """What a user of the library finds, and the converted model."""
    quantizer = SolveQuantizer("htp", "SM8750", strict=False, precision=precision)
    prepared = prepare_pt2e(torch.export.export(model.eval(), samples[0]).module(), quantizer)
    assert quantizer.result is not None and quantizer.result.calibration is None
    with torch.no_grad():
        for sample in samples:
            prepared(*sample)
    converted = convert_pt2e(prepared)
    assert quantizer.result.calibration is not None
    return quantizer.result.calibration, converted


def sliced(boxes: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    joined = torch.cat([boxes, boxes], -1)
    joined[:, 6:] = scores
    return joined


JOINS: dict[str, tuple[Both, tuple[int, ...]]] = {
    "cat": (lambda boxes, scores: torch.cat([boxes, scores], -1), (0,)),
    "stack": (lambda boxes, scores: torch.stack([boxes, scores], -1), (0,)),
    "hstack": (lambda boxes, scores: torch.hstack([boxes, scores]), (0,)),
    "where": (lambda boxes, scores: torch.where(scores > 0.5, boxes, scores), (0,)),
    "filled": (lambda boxes, scores: torch.masked_fill(scores, scores > 0.5, 700.0), (0,)),
    "a part is written": (sliced, (0,)),
    "moved to an output": (lambda b, s: (s * 2.0, torch.cat([b, s], -1).reshape(4, 4, 12).transpose(1, 2)), (1,)),
    "moved to it": (lambda boxes, scores: torch.cat([boxes.t(), scores.t()]), (0,)),
    "no output": (lambda boxes, scores: torch.relu(torch.cat([boxes, scores], -1) - 0.5), ()),
}


@pytest.mark.parametrize("name", JOINS)
def test_a_part_that_an_encoding_does_not_resolve_is_said(name: str) -> None:
    join, outputs = JOINS[name]
    (found,) = calibrated(Detector(join), draws())[0].joined
    assert (found.bits, found.outputs) == (8, outputs)
    lost = min(found.parts, key=lambda part: part.sqnr_db)
    kept = max(found.parts, key=lambda part: part.sqnr_db)
    assert lost.sqnr_db < 1 and lost.alone_db > 40 and lost.wide_db is not None and lost.wide_db > 30
    assert 0 <= lost.low < lost.high <= 1 and found.step > 1 and kept.sqnr_db > 30


def test_the_decibels_of_the_parts_are_those_of_the_converted_model() -> None:
    model, samples = Detector(lambda boxes, scores: torch.cat([boxes, scores * 40], -1)), draws()
    parts = _any_join(model, samples).parts
    _, converted = calibrated(model, samples)
    with torch.no_grad():
        exact = torch.cat([model(*sample)[:, 6:] for sample in samples])
        got = torch.cat([converted(*sample)[:, 6:] for sample in samples])
    measured = float(10 * torch.log10(exact.pow(2).sum() / (exact - got).pow(2).sum()))
    assert parts[1].sqnr_db == pytest.approx(measured, abs=2.0)


def _any_join(model: nn.Module, samples: Samples) -> JoinRecord:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("qnnsolve.annotating.joined.POOR_DB", math.inf)
        (found,) = calibrated(model, samples)[0].joined
    return found


@pytest.mark.parametrize("precision", ["16a8w", "8a8w"])
def test_like_parts_and_masks_are_not_said(precision: str) -> None:
    hidden = torch.ones(16, 8).triu(1).bool()

    def masked(x: torch.Tensor) -> torch.Tensor:
        return torch.softmax(torch.where(hidden, -math.inf, torch.cat([x, x * 3], -1)[:, :8]), -1)

    assert calibrated(Net(masked), draws(), precision)[0] == CalibrationRecord()
    wide = Detector(lambda boxes, scores: torch.cat([boxes, scores], -1))
    assert precision == "8a8w" or not calibrated(wide, draws(), precision)[0].joined


def test_a_sample_that_widens_a_range_is_said() -> None:
    samples = draws(4, 4, 8)
    samples[2][0][1, 3] = -1e29
    (found,) = calibrated(Net(lambda x: x * 2.0), samples)[0].outliers
    assert (found.input, found.sample) == ("inputs_0", 2) and found.value == pytest.approx(1e29)
    assert 1 < found.others < 5
    (alone,) = draws(1, 16, 8)
    alone[0][1, 3] = 1e5
    (found,) = calibrated(Net(lambda x: x * 2.0), [alone])[0].outliers
    assert found.sample == 0 and found.value == pytest.approx(1e5)


@pytest.mark.filterwarnings("ignore:.*is taken to float32")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_infinities_that_are_fed_are_refused(dtype: torch.dtype) -> None:
    samples = [(sample.to(dtype),) for (sample,) in draws()]
    samples[2][0][0, 0] = math.inf
    with pytest.raises(UsageError, match="sample 2, input 'inputs_0': holds infinity"):
        calibrated(Net(lambda x: x * 2.0), samples)


def test_what_a_choice_drops_does_not_count() -> None:
    def elu(x: torch.Tensor) -> torch.Tensor:
        return torch.where(x > 0, x, torch.exp(x * 3) - 1)

    assert calibrated(Net(elu), draws())[0].joined == ()


def test_samples_of_other_sizes_are_none() -> None:
    samples = [(sample * 10.0**index,) for index, (sample,) in enumerate(draws(3))]
    assert calibrated(Net(lambda x: x * 2.0), samples)[0] == CalibrationRecord()


def test_infinities_within_the_model_are_said() -> None:
    samples = [(torch.arange(8.0),)]
    record, converted = calibrated(Net(lambda x: torch.log(x) * 2.0), samples)
    assert record.infinite[0] == InfiniteValues("log", 1)
    assert float((converted(*samples[0]) - 2 * samples[0][0].log())[1:].abs().max()) < 0.1


def test_the_report_says_it_in_text_and_json() -> None:
    samples = draws()
    samples[1][0][0, 0] = 4e5
    record, _ = calibrated(Detector(JOINS["cat"][0]), draws())
    outlier, _ = calibrated(Net(lambda x: x * 2.0), samples)
    record = attrs.evolve(record, outliers=outlier.outliers, infinite=(InfiniteValues("log", 3),))
    solved = attrs.evolve(solve(Detector(JOINS["cat"][0]), draws()[0]), calibration=record)
    assert "but 1 join with a part that its encoding does not fit" in "\n".join(each.text for each in head(solved, "m"))
    text = "\n".join(line.text for line in calibration_lines(record))
    assert "cat (aten.cat.default), output 0: 8 bits, steps of" in text
    assert "sigmoid, 0." in text and "0.0 dB (alone 5" in text
    assert "the way out: 16 bits there, or an output for each part" in text
    assert "input 'inputs_0', sample 1: 4e+05, which takes the whole range, is" in text
    assert "log: 3 values infinite or NaN" in text
    document = json.loads(json.dumps(calibration_json(record), allow_nan=False))
    schema = json.loads((SCHEMAS / "export-1.json").read_text())["properties"]["calibration"]
    jsonschema.validate(document, schema)
    assert calibration_json(None) is None and list(calibration_lines(None)) == []
