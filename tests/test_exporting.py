"""From a model to a program: what is refused before any work, and (slow) what comes out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from qnnsolve import pipeline
from qnnsolve.errors import HostBackendError, UsageError
from qnnsolve.lowering.lower import lower
from qnnsolve.lowering.marks import LEFT_BY_SOLVER
from qnnsolve.results import Stand
from qnnsolve.verification.verify import verify
from tests.converted import converted_net
from tests.nets import IMAGE, Attention, ConvNet, TwoConvs, images, seeded

EXAMPLE = images(1)[0]
EIGHT_BIT = 0.02
"""Five steps of an 8-bit output; single ops already round one step apart from torch."""


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
    monkeypatch.setattr(pipeline, "conversion", lambda *_: pytest.fail("long work before the check"))
    with pytest.raises(UsageError, match=message):
        export(tmp_path / "model.pte", calibration=calibration)


def test_an_output_that_cannot_be_written_is_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "conversion", lambda *_: pytest.fail("long work before the check"))
    with pytest.raises(UsageError, match="does not exist"):
        export(tmp_path / "nowhere" / "model.pte")


def test_a_dead_compiler_is_an_error_and_no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qnnsolve.lowering.lower.CHILD", "tests.rogue_child")
    monkeypatch.setenv("ROGUE", "abort")
    with pytest.raises(HostBackendError, match="died of SIGABRT"):
        export(tmp_path / "model.pte")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("net", "soc", "precision"),
    [(ConvNet, "SM8350", "8a8w"), (Attention, "SM8350", "16a8w"), (Attention, "SM8750", "16a8w")],
)
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
    """One output that depends on random numbers, and one that does not."""

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
    model = torch.nn.Sequential(torch.nn.Conv3d(4, 8, 3, groups=4), torch.nn.ReLU())
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
    names = [call.name for call in lowered.calls if not call.delegate]
    assert {"softmax", "linear"} <= set(names), names
    assert sum(call.delegate for call in lowered.calls) == 2
    others = {op.reason for op in lowered.cpu_ops} - {LEFT_BY_SOLVER}
    assert others <= {"only feeds an op on the CPU", "quantizes or dequantizes at the border of a CPU op"}
    assert verify(lowered.pte, converted, seeded(TwoConvs), samples).agrees
