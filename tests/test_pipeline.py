"""From a model to a config and to a program: what is refused, what is left as it was, and (slow) what comes out."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
import torch

from qnnsolve import pipeline
from qnnsolve.errors import HostBackendError, UnknownNameError, UnsupportedGraphError, UsageError
from qnnsolve.lowering.lower import lower
from qnnsolve.lowering.marks import LEFT_BY_SOLVER
from qnnsolve.results import SolveResult, Stand, Status
from qnnsolve.runs import Solved
from qnnsolve.verification.verify import verify
from tests.converted import converted_net
from tests.nets import IMAGE, Attention, ConvNet, TwoConvs, images, seeded

EXAMPLE = images(1)[0]


def test_help_shows_every_argument_with_its_default() -> None:
    arguments = inspect.signature(pipeline.solve).parameters
    more = inspect.signature(pipeline.export).parameters
    assert list(arguments)[:3] == ["model", "example_inputs", "soc"]
    assert arguments["soc"].default == "SM8750" and arguments["soc"].kind is inspect.Parameter.KEYWORD_ONLY
    assert set(more) - set(arguments) == {"out", "calibration", "verify", "verify_samples", "tolerance"}
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
    assert steps == [("export", 0, None), ("export", 1, 1), ("solve", 0, None), ("solve", 1, 1)]


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


def test_a_program_in_training_mode_is_refused() -> None:
    program = torch.export.export(seeded(ConvNet).train(), images(2)[0])
    with pytest.raises(UnsupportedGraphError, match=r"batch_norm is in training mode; call \.eval\(\)"):
        pipeline.solve(program)


def export(out: Path, **options: Any) -> Any:
    return pipeline.export(seeded(ConvNet), EXAMPLE, out=out, **options)


@pytest.mark.parametrize(
    ("calibration", "message"),
    [
        ([], "no calibration samples"),
        (
            [EXAMPLE, (torch.zeros(1, 3, 8, 8),)],
            r"sample 1 is float32\[1, 3, 8, 8\]; the model takes float32\[1, 3, 16",
        ),
        ([(torch.zeros(IMAGE, dtype=torch.int32),)], r"sample 0 is int32\[1, 3, 16, 16\]"),
        ([(*EXAMPLE, *EXAMPLE)], "sample 0 is float32"),
    ],
)
def test_calibration_that_does_not_fit_is_refused_before_any_work(
    calibration: Any, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "converted_model", lambda *_: pytest.fail("long work before the check"))
    with pytest.raises(UsageError, match=message):
        export(tmp_path / "model.pte", calibration=calibration)


def test_an_output_that_cannot_be_written_is_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "converted_model", lambda *_: pytest.fail("long work before the check"))
    with pytest.raises(UsageError, match="does not exist"):
        export(tmp_path / "nowhere" / "model.pte")


def test_a_dead_compiler_is_an_error_and_no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qnnsolve.lowering.lower.CHILD", "tests.rogue_child")
    monkeypatch.setenv("ROGUE", "abort")
    with pytest.raises(HostBackendError, match="died of SIGABRT"):
        export(tmp_path / "model.pte")
    assert list(tmp_path.iterdir()) == []


EIGHT_BIT = 0.02
"""Five steps of an 8-bit output; single ops already round one step apart from torch."""


@pytest.mark.slow
@pytest.mark.parametrize("net", [ConvNet, Attention])
@pytest.mark.parametrize(("soc", "precision"), [("SM8350", "8a8w"), ("SM8350", "16a8w"), ("SM8750", "16a8w")])
def test_what_is_solved_compiles_whole_and_computes_the_same(
    net: type[torch.nn.Module], soc: str, precision: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    generator = torch.Generator().manual_seed(1)
    shape = IMAGE if net is ConvNet else (1, 12, 16)
    samples = [(torch.randn(shape, generator=generator),) for _ in range(4)]
    model = seeded(net)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    result = pipeline.export(
        model,
        samples[0],
        out=tmp_path / "model.pte",
        soc=soc,
        precision=precision,
        calibration=samples,
        tolerance=EIGHT_BIT if precision == "8a8w" else 0.01,
    )
    assert (result.delegates, result.cpu_ops) == (1, ())
    assert result.pte_bytes == (tmp_path / "model.pte").stat().st_size
    assert result.verification is not None
    assert result.verification.agrees, result.verification.note
    assert result.verification.sqnr_db > 25
    assert result.verification.samples == 2
    assert {"export", "prepare", "calibrate", "convert", "lower", "verify", "emulator"} <= dict(result.timings).keys()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert capfd.readouterr() == ("", "")


class Noisy(torch.nn.Module):
    """One output that hangs on random numbers, and one that does not."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.relu(x), torch.rand_like(x) * x


@pytest.mark.slow
def test_a_random_output_runs_and_is_not_compared(tmp_path: Path) -> None:
    result = pipeline.export(Noisy(), (torch.rand(4, 8),), out=tmp_path / "model.pte")
    assert (result.delegates, result.cpu_ops) == (1, ())
    assert result.verification is not None
    assert (result.verification.agrees, result.verification.random_outputs) == (True, (1,))


class Sorting(torch.nn.Module):
    """Of integers, which no accelerator here has, and no kernel of ExecuTorch's runtime either."""

    def forward(self, x: torch.Tensor, i: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.relu(x), i.sort(1)[0]


@pytest.mark.slow
def test_a_program_without_a_kernel_is_kept_and_says_so(tmp_path: Path) -> None:
    out = tmp_path / "model.pte"
    sample = (torch.rand(2, 5), torch.tensor([[3, 1, 2]], dtype=torch.int32))
    result = pipeline.export(Sorting(), sample, out=out)
    assert result.verification is None
    (missing,) = result.unrunnable
    assert (missing.kernel, missing.nodes) == ("aten::sort.values", ("sort_default",))
    assert out.stat().st_size == result.pte_bytes


@pytest.mark.slow
def test_a_kernel_that_refuses_its_arguments_is_named(tmp_path: Path) -> None:
    model = torch.nn.Sequential(torch.nn.Conv3d(4, 4, 3, groups=4), torch.nn.ReLU())
    result = pipeline.export(model, (torch.rand(1, 4, 6, 6, 6),), out=tmp_path / "model.pte")
    assert result.verification is None
    assert [(each.kernel, each.nodes) for each in result.unrunnable] == [("aten::convolution.out", ("conv3d",))]


class SizedBags(torch.nn.Module):
    """Also returns how many rows each bag has."""

    def forward(self, rows: torch.Tensor, indices: torch.Tensor, offsets: torch.Tensor) -> Any:
        return torch.embedding_bag(rows, indices, offsets)[::2]


@pytest.mark.slow
def test_a_pass_of_executorch_that_fails_is_named_in_one_line(tmp_path: Path) -> None:
    sample = (torch.rand(10, 8), torch.tensor([1, 2, 4]), torch.tensor([0, 2]))
    with pytest.raises(
        HostBackendError, match=r"^ExecuTorch's pass I64toI32 fails on this model: AssertionError: [^\n]+$"
    ):
        pipeline.export(SizedBags(), sample, out=tmp_path / "model.pte", strict=False)


@pytest.mark.slow
def test_an_op_left_on_the_cpu_stays_there_and_the_rest_is_delegated(tmp_path: Path) -> None:
    samples = images(2)
    converted = converted_net(TwoConvs, samples)
    lowered = lower(
        converted,
        samples[0],
        soc="SM8750",
        fp16=False,
        cpu_nodes=frozenset({"softmax", "linear"}),
        out=tmp_path / "model.pte",
    )
    assert lowered.delegates == 2
    assert {op.name for op in lowered.cpu_ops if op.reason == LEFT_BY_SOLVER} == {"softmax", "linear"}
    stands = {op.name: op.stand for op in lowered.cpu_ops if op.reason == LEFT_BY_SOLVER}
    assert stands == {"softmax": Stand.BETWEEN, "linear": Stand.AFTER}
    others = {op.reason for op in lowered.cpu_ops} - {LEFT_BY_SOLVER}
    assert others <= {"only feeds an op on the CPU", "quantizes or dequantizes at the border of a CPU op"}
    assert verify(lowered.pte, converted, seeded(TwoConvs), samples).agrees
