"""From a model to a config: what is refused, what is left as it was, and what is handed on."""

from __future__ import annotations

import inspect
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from qnnsolve import pipeline
from qnnsolve.errors import UnknownNameError, UnsupportedGraphError, UsageError
from qnnsolve.results import SolveResult, Status
from qnnsolve.runs import Solved
from tests.nets import ConvNet, images, seeded

EXAMPLE = images(1)[0]


def test_help_shows_every_argument_with_its_default() -> None:
    arguments = inspect.signature(pipeline.solve).parameters
    more = inspect.signature(pipeline.export).parameters
    assert list(arguments)[:3] == ["model", "example_inputs", "soc"]
    assert arguments["soc"].default == "SM8750" and arguments["soc"].kind is inspect.Parameter.KEYWORD_ONLY
    assert set(more) - set(arguments) == {"out", "calibration", "verify", "verify_samples", "tolerance", "cache"}
    assert more["out"].default is inspect.Parameter.empty
    assert all(f"        {name}: " in (pipeline.solve.__doc__ or "") for name in arguments)
    assert all(f"        {name}: " in (pipeline.export.__doc__ or "") for name in set(more) - set(arguments))
    with pytest.raises(TypeError, match="'sco'"):
        pipeline.solve(seeded(ConvNet), EXAMPLE, sco="SM8750")  # type: ignore[call-arg]


def test_a_solve_is_handed_on_with_all_that_it_was_made_from() -> None:
    kept: list[Solved] = []
    result = pipeline.solve(seeded(ConvNet), EXAMPLE, on_solved=kept.append)
    assert [solved.result for solved in kept] == [result]
    assert set(kept[0].encodings) == set(kept[0].problem.domains)
    refused: list[Solved] = []
    pipeline.solve(seeded(ConvNet), EXAMPLE, soc="SM8450", pin="classify=16w", on_solved=refused.append)
    assert [solved.result.status for solved in refused] == [Status.UNSATISFIABLE]


def test_a_solve_makes_its_page(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    pipeline.solve(seeded(ConvNet), EXAMPLE, report=page, model_name="a net")
    assert '"title":"a net for SM8750' in page.read_text()
    pipeline.solve(seeded(ConvNet), EXAMPLE, soc="SM8450", pin="classify=16w", report=page)
    assert "unsatisfiable: 1 conflict" in page.read_text()
    with pytest.raises(UsageError, match="would be overwritten"):
        pipeline.solve(seeded(ConvNet), EXAMPLE, report=tmp_path / "both", save=tmp_path / "both")
    with pytest.raises(UsageError, match="does not exist"):
        pipeline.solve(seeded(ConvNet), EXAMPLE, report=tmp_path / "none" / "page.html")


def test_wishes_go_in_by_the_library_s_door() -> None:
    """A 16-bit weight beside 16-bit activations needs V73."""

    def wished(soc: str = "SM8750", **wishes: Any) -> SolveResult:
        return pipeline.solve(seeded(ConvNet), EXAMPLE, soc=soc, precision="16a8w", **wishes)

    def weight(result: SolveResult) -> str:
        return next(dict(node.inputs)["classify_weight"] for node in result.nodes if node.name == "linear")

    assert weight(wished()) == weight(wished(prefer="classify=16w", pin=["classify=8w"])) == "s8/ch0"
    assert weight(wished(pin="classify=16w")) == weight(wished(prefer=["classify=16w"])) == "s16/ch0"
    refused = wished("SM8450", pin="classify=16w")
    assert refused.status is Status.UNSATISFIABLE and "pin classify=16w" in refused.conflicts[0].text
    given_up = wished("SM8450", pin="classify=16w", strict=False)
    assert weight(given_up) == "s8/ch0"
    assert {each.asked_by for each in given_up.deviations} == {"pin classify=16w"}
    with pytest.raises(UsageError, match=r"^pin clasify=16w: nothing in the model is 'clasify'; did you mean classify"):
        wished(pin="clasify=16w")
    with pytest.raises(UsageError, match=r"^prefer classify=17w: unknown wish '17w'"):
        wished(prefer="classify=17w")


def test_a_solve_answers_for_every_node_and_leaves_the_model_as_it_was() -> None:
    model = seeded(ConvNet).train()
    model.norm.eval()  # type: ignore[union-attr]
    training = {name: layer.training for name, layer in model.named_modules()}
    before = {name: value.clone() for name, value in model.state_dict().items()}
    result = pipeline.solve(model, EXAMPLE)
    assert result.status is Status.SATISFIABLE
    assert {"aten.relu.default", "aten.linear.default"} <= {node.target for node in result.nodes}
    assert {name: layer.training for name, layer in model.named_modules()} == training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_an_exported_program_brings_its_own_example_inputs() -> None:
    model = seeded(ConvNet)
    program = torch.export.export(model, EXAMPLE, strict=False)
    assert pipeline.solve(program).nodes == pipeline.solve(model, EXAMPLE).nodes


def test_progress_names_each_stage_from_start_to_end() -> None:
    steps: list[tuple[str, int, int | None]] = []
    pipeline.solve(seeded(ConvNet), EXAMPLE, progress=lambda *step: steps.append(step))
    assert steps == [step for stage in ("imports", "export", "solve") for step in ((stage, 0, None), (stage, 1, 1))]


def test_every_second_of_a_solve_has_a_name() -> None:
    began = time.perf_counter()
    timings = pipeline.solve(seeded(ConvNet), EXAMPLE).timings
    taken = time.perf_counter() - began
    assert [name for name, _ in timings] == [
        *("imports", "export", "passes", "facts", "rules", "solve", "explain", "annotate", "prepare", "other")
    ]
    assert 0 < sum(seconds for _, seconds in timings) <= taken


def test_a_model_without_example_inputs_is_refused() -> None:
    with pytest.raises(UsageError, match="no positional example inputs"):
        pipeline.solve(seeded(ConvNet))


def test_unknown_names_are_told() -> None:
    with pytest.raises(UnknownNameError, match="SM8750"):
        pipeline.solve(seeded(ConvNet), EXAMPLE, soc="SM8751")


class Packed(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.GRU(4, 8, batch_first=True)

    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        packed = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        outputs: torch.Tensor = torch.nn.utils.rnn.pad_packed_sequence(self.layer(packed)[0], batch_first=True)[0]
        return outputs


def test_a_packed_sequence_is_refused_with_the_way_out() -> None:
    with pytest.raises(UnsupportedGraphError, match=r"pack_padded_sequence: its shapes .* padded batch") as caught:
        pipeline.solve(Packed(), (torch.randn(2, 6, 4), torch.tensor([6, 4])))
    assert "\n" not in str(caught.value)


class Depends(torch.nn.Module):
    cache: torch.Tensor

    def __init__(self, form: str) -> None:
        super().__init__()
        self.form = form
        self.register_buffer("cache", torch.zeros(8, 4))

    def forward(self, x: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
        if self.form == "position":
            self.cache[at % 8] = x[0]
        if self.form == "branch" and x.sum() > 0:
            x = x * 2
        if self.form == "size":
            x = x[: int(at)]
        out: torch.Tensor = self.cache * x.sum()
        return out


@pytest.mark.parametrize(
    ("form", "line"),
    [("position", "self.cache[at % 8] = x[0]"), ("branch", "x.sum() > 0:"), ("size", "x = x[: int(at)]")],
)
def test_what_depends_on_data_is_refused_with_its_line_and_the_way_out(form: str, line: str) -> None:
    with pytest.raises(UnsupportedGraphError) as caught:
        pipeline.solve(Depends(form).eval(), (torch.randn(4, 4), torch.tensor(3)))
    text = str(caught.value)
    assert "a value that is computed decides a size, a branch or a position" in text and "\n" not in text
    assert line in text and "test_pipeline.py" in text


class Silent(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> int:
        return 3


def test_what_cannot_be_calibrated_or_lowered_is_refused_at_once() -> None:
    with pytest.raises(UnsupportedGraphError, match="returns no tensor"):
        pipeline.solve(Silent(), EXAMPLE)
    with pytest.raises(UsageError, match=r"an example input of shape \(0, 3, 16, 16\) holds no values"):
        pipeline.solve(seeded(ConvNet), (torch.zeros(0, 3, 16, 16),))
    broken = seeded(ConvNet)
    torch.nn.init.constant_(broken.classify.bias, float("nan"))  # type: ignore[arg-type, union-attr]
    with pytest.raises(UnsupportedGraphError, match=r"classify\.bias: its values hold NaN"):
        pipeline.solve(broken, EXAMPLE)


def test_inputs_that_do_not_fit_are_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UnsupportedGraphError, match=r"torch\.export cannot trace it: RuntimeError"):
        pipeline.solve(torch.nn.Linear(8, 8), (torch.zeros(4, 9),))
    assert capfd.readouterr() == ("", "")


def test_a_norm_without_statistics_is_no_layer_in_training_mode() -> None:
    norm = torch.nn.BatchNorm2d(3, track_running_stats=False).eval()
    result = pipeline.solve(norm, (torch.randn(2, 3, 4, 4),))
    assert {node.placement.value for node in result.nodes} == {"npu"}


def test_a_program_in_training_mode_is_refused() -> None:
    program = torch.export.export(seeded(ConvNet).train(), images(2)[0])
    with pytest.raises(UnsupportedGraphError, match=r"batch_norm is in training mode; call \.eval\(\)"):
        pipeline.solve(program)
