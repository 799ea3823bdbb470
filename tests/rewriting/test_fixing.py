"""Sizes that may vary are fixed and floats become float32, by every door, and each is said."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from qnnsolve import solve
from qnnsolve.errors import UnsupportedGraphError, UsageError
from qnnsolve.models.files import load_model
from qnnsolve.models.locating import locate
from qnnsolve.models.samples import calibration_samples
from qnnsolve.models.tracing import single
from qnnsolve.quantizer import SolveQuantizer
from qnnsolve.rewriting.fixing import fix
from qnnsolve.rewriting.notes import notes_of
from qnnsolve.rewriting.opening import opened

UP_TO_8 = ({0: torch.export.Dim("batch", min=1, max=8)},)


class Batched(nn.Module):
    """Computes with the size that varies: in shapes, in numbers and in what it makes."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        size = x.shape[0]
        y = self.linear(x).view(size * 2, 4).reshape(size, 2, 4).sum(1)
        result: torch.Tensor = y / size + torch.arange(size)[:, None]
        return result


class Mixed(nn.Module):
    """Every dtype, in every place: parameters, a state, constants, casts, autocast."""

    state: torch.Tensor
    angles: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.narrow = nn.Linear(8, 8), nn.Linear(8, 8).half()
        self.register_buffer("state", torch.zeros(8, dtype=torch.float16))
        self.register_buffer("angles", torch.arange(8).double())

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        with torch.autocast("cpu", torch.bfloat16):
            y = self.linear(x).relu()
        z = y.half()
        z.mul_(2)
        self.state.add_(z[0])
        masked = y.double().masked_fill(y > 1, torch.finfo(torch.float64).min).clamp(-5)
        return self.narrow(z), y.to(z.dtype) + self.state, masked * (self.angles * 0.1).cos()


def exported(model: nn.Module, inputs: tuple[Any, ...], sizes: Any = None) -> torch.fx.GraphModule:
    graph = torch.export.export(model.eval(), inputs, dynamic_shapes=sizes).module()
    assert isinstance(graph, torch.fx.GraphModule)
    return graph


@pytest.mark.parametrize("batch", [2, 5])
def test_sizes_are_those_that_are_named(batch: int) -> None:
    x, model = torch.rand(batch, 8), Batched()
    graph = fix(opened(exported(model, (torch.rand(2, 8),), UP_TO_8)), [x])
    assert notes_of(graph) == (f"input x: size 0 (up to 8) is fixed at {batch}",)
    values = [node.meta["val"] for node in graph.graph.nodes if node.op != "output"]
    assert all(type(size) is int for value in values for size in value.shape), "no size is computed any more"
    torch.testing.assert_close(graph(x), model(x))


def test_a_size_beyond_what_the_model_takes_is_refused() -> None:
    graph = opened(exported(Batched(), (torch.rand(2, 8),), UP_TO_8))
    with pytest.raises(UsageError, match="input x: size 0 is 9, the model takes 8 at most"):
        fix(graph, [torch.rand(9, 8)])


class Repeating(nn.Module):
    def forward(self, x: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
        return x.repeat_interleave(counts, 0) * 2


class Counting(nn.Module):
    def forward(self, x: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
        return x * torch.bincount(counts).sum()


class Choosing(nn.Module):
    def forward(self, x: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
        return x[x > 0] * counts.sum()


@pytest.mark.parametrize(("model", "node"), [(Repeating(), "repeat_interleave"), (Counting(), "bincount")])
def test_a_size_that_values_decide_and_nothing_bounds_is_refused_by_its_line(model: nn.Module, node: str) -> None:
    inputs = (torch.randn(3, 4), torch.tensor([1, 2, 1]))
    said = rf"{node}: the values of a tensor decide its size, and nothing bounds it; give .*: .*test_fixing\.py:\d+: "
    with pytest.raises(UnsupportedGraphError, match=said):
        solve(model, inputs, soc="SM8350")
    with pytest.raises(UnsupportedGraphError, match=said):
        prepare_pt2e(torch.export.export(model, inputs).module(), SolveQuantizer(soc_model="SM8350"))


def test_a_size_that_values_decide_within_a_bound_is_taken() -> None:
    assert solve(Choosing(), (torch.randn(3, 4), torch.tensor([1, 2, 1])), soc="SM8350").nodes


def test_what_is_fixed_already_stays() -> None:
    graph = opened(exported(nn.Linear(8, 4), (torch.rand(2, 8),)))
    before = str(graph.graph)
    assert notes_of(fix(graph)) == ()
    assert str(graph.graph) == before


def test_floats_become_float32_wherever_they_stand() -> None:
    model, x = Mixed(), torch.rand(2, 8)
    graph = fix(opened(exported(copy.deepcopy(model), (x,))))
    graph.graph.lint()
    assert [note.split(":")[0] for note in notes_of(graph)] == [
        f"{dtype} is taken to float32" for dtype in ("float16", "float64", "bfloat16")
    ]
    for _ in range(2):
        for got, wanted in zip(graph(x), model(x), strict=True):
            assert got.dtype == torch.float32
            torch.testing.assert_close(got, wanted.float(), atol=0.02, rtol=0.02)
    assert model.state.dtype == torch.float16, "the model itself stays as it is"


def test_what_is_computed_from_constants_keeps_its_precision() -> None:
    class Rotary(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * (torch.arange(8, dtype=torch.float64) * 1e7).sin()

    graph = fix(opened(exported(Rotary(), (torch.ones(8),))))
    expected = (torch.arange(8, dtype=torch.float64) * 1e7).sin().float()
    torch.testing.assert_close(graph(torch.ones(8)), expected, atol=1e-6, rtol=0)


def test_bits_read_as_another_dtype_are_refused() -> None:
    class Bits(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.half().view(torch.int16)

    with pytest.raises(UnsupportedGraphError, match=r"node view\w*: it reads the bits of a number as another dtype"):
        fix(opened(exported(Bits(), (torch.rand(8),))))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("precision", ["16a8w", "fp16a8w"])
def test_the_quantizer_takes_samples_in_the_models_own_dtype(dtype: torch.dtype, precision: str) -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU()).to(dtype)
    x = torch.rand(1, 3, 8, 8).to(dtype)
    quantizer = SolveQuantizer("htp", "SM8750", precision=precision)
    with pytest.warns(UserWarning, match=f"{str(dtype)[6:]} is taken to float32: _0_weight"):
        prepared = prepare_pt2e(exported(model, (x,)), quantizer)
    assert quantizer.result is not None
    assert len(quantizer.result.notes) == 1
    assert not quantizer.cpu_nodes
    prepared(x)
    converted = convert_pt2e(prepared)
    for sample in (x, x.float()):
        torch.testing.assert_close(converted(sample), model(x).float(), atol=0.02, rtol=0.02)


def test_the_quantizer_fixes_sizes_at_those_of_the_export_and_takes_no_others() -> None:
    quantizer, model = SolveQuantizer("htp", "SM8750", precision="16a8w", strict=False), Batched()
    x = torch.rand(2, 8)
    with pytest.warns(UserWarning, match="size 0"):
        prepared = prepare_pt2e(exported(model, (x,), UP_TO_8), quantizer)
    prepared(x)
    for graph in (prepared, convert_pt2e(prepared)):
        torch.testing.assert_close(graph(x), model(x), atol=0.01, rtol=0.01)
        with pytest.raises(AssertionError, match=r"input x has the shape \(3, 8\); its sizes are fixed at \(2, 8\)"):
            graph(torch.rand(3, 8))


@pytest.mark.parametrize("strict", [False, True])
def test_a_program_of_varying_sizes_takes_those_of_the_samples(tmp_path: Path, strict: bool) -> None:
    program = torch.export.export(Batched().eval(), (torch.rand(2, 8),), dynamic_shapes=UP_TO_8, strict=strict)
    torch.export.save(program, tmp_path / "varying.pt2")
    torch.save([(torch.rand(4, 8),) for _ in range(2)], tmp_path / "four.pt")
    model = load_model(locate(str(tmp_path / "varying.pt2"), "model", (".pt2",)))
    assert model.varying == (frozenset({0}),)
    samples = calibration_samples(model, locate(str(tmp_path / "four.pt"), "calibration", (".pt",)))

    def notes(given: Any) -> tuple[str, ...]:
        return solve(model.model, given, strict=False).notes

    assert notes(samples[0]) == ("input x: size 0 (up to 8) is fixed at 4",)
    assert notes(None) == ("input x: size 0 (up to 8) is fixed at 2",)
    torch.save([(torch.rand(2, 9),)], tmp_path / "wide.pt")
    with pytest.raises(UsageError, match=r"shape \(2, 9\), the model takes \(2, 8\)"):
        calibration_samples(model, locate(str(tmp_path / "wide.pt"), "calibration", (".pt",)))


def test_inputs_in_single() -> None:
    inputs = (torch.rand(2), torch.tensor([1]), None)
    assert single(inputs) is inputs
    assert [leaf.dtype for leaf in single((torch.rand(2).half(), [torch.rand(2).double()], torch.tensor([1])))[1]] == [
        torch.float32
    ]
