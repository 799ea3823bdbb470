"""The arithmetic of the comparison, and the real emulator against a model that is not the one compiled."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from qnnsolve.quantizer import SolveQuantizer
from qnnsolve.results import AT_BORDER, CpuOp, Stand, Verification, in_words
from qnnsolve.verification.comparison import OutputGrid, compare
from qnnsolve.verification.outputs import output_grids
from qnnsolve.verification.verify import converted_checks

RAMP = torch.linspace(-1.0, 3.0, 5)


def one(got: torch.Tensor, want: torch.Tensor, original: torch.Tensor | None = None) -> Verification:
    return compare([[got]], [[want]], [[want if original is None else original]])


def test_equal_outputs_agree_without_noise() -> None:
    verification = one(RAMP, RAMP)
    assert verification.agrees
    assert verification.emulator_vs_converted_max_rel == 0
    assert verification.sqnr_db == math.inf
    assert verification.note is None


def test_a_difference_counts_against_the_range_of_the_converted_output() -> None:
    verification = one(RAMP + torch.tensor([0, 0, 0.4, 0, 0]), RAMP)
    assert verification.emulator_vs_converted_max_rel == pytest.approx(0.1)
    assert verification.outputs[0].max_abs == pytest.approx(0.4)
    assert not verification.agrees
    assert verification.note is not None
    assert verification.note.splitlines()[0] == (
        "output 0 differs by up to 0.4, 10 % of its range: something else is computed at index 2 of axis 0: "
        "SQNR against the float model 19.7 dB on the emulator, inf dB when converted"
    )


@given(st.floats(0.01, 100), st.floats(-10, 10))
def test_units_and_offset_of_an_output_do_not_matter(scale: float, offset: float) -> None:
    got, want = torch.tensor([0.0, 1.0, 2.5], dtype=torch.float64), torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64)
    assert one(got * scale + offset, want * scale + offset).emulator_vs_converted_max_rel == pytest.approx(0.25)


def test_sqnr_is_ten_log_ten_of_the_power_ratio() -> None:
    assert one(torch.full((4,), 1.1), RAMP[:4], torch.ones(4)).sqnr_db == pytest.approx(20.0, abs=1e-4)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_the_float_model_returns_so_may_be_infinite_or_nan(bad: float) -> None:
    same, other = RAMP.clone(), RAMP + torch.tensor([0, 0, 0, 0.4, 0])
    same[2] = other[2] = bad
    assert one(same, same).agrees and one(same, same).sqnr_db == math.inf
    assert one(torch.full((3,), bad), torch.full((3,), bad)).agrees
    assert one(other, same).emulator_vs_converted_max_rel == pytest.approx(0.1)
    assert not one(same, same, RAMP).agrees  # the float model is finite there
    assert not one(same, same.masked_fill(same != RAMP, 3e38), same).agrees
    assert not one(torch.full((3,), bad), torch.full((3,), -bad if bad == bad else 1.0)).agrees


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("side", ["emulator", "converted model"])
def test_nan_and_infinity_never_agree(bad: float, side: str) -> None:
    broken = RAMP.clone()
    broken[2] = bad
    verification = one(broken, RAMP) if side == "emulator" else one(RAMP, broken)
    assert verification.emulator_vs_converted_max_rel == math.inf
    assert verification.note == f"output 0 holds NaN or infinity in the {side}'s values"


def test_a_scalar_comes_back_with_one_dimension() -> None:
    assert one(torch.tensor([2.0]), torch.tensor(2.0)).agrees
    assert not one(torch.tensor([3.0]), torch.tensor(2.0)).agrees


def test_another_shape_never_agrees() -> None:
    verification = one(RAMP[:4], RAMP)
    assert not verification.agrees
    assert verification.sqnr_db == -math.inf
    assert verification.note == "output 0 has shape (4,) on the emulator, (5,) when converted"


def test_a_constant_output_is_measured_by_its_magnitude_and_pointed_out() -> None:
    verification = one(torch.full((3,), 2.002), torch.full((3,), 2.0))
    assert verification.emulator_vs_converted_max_rel == pytest.approx(0.001, rel=1e-3)
    assert verification.note == "output 0 is constant, so that agreement says little"
    assert one(torch.zeros(3), torch.zeros(3)).emulator_vs_converted_max_rel == 0
    assert one(torch.full((3,), 0.5), torch.zeros(3)).emulator_vs_converted_max_rel == 0.5


def test_integers_count_how_many_differ() -> None:
    verification = one(torch.tensor([1, 2, 3, 90]), torch.tensor([1, 2, 3, 4]))
    assert verification.emulator_vs_converted_max_rel == 0.25
    assert verification.outputs[0].max_abs == 86
    assert one(torch.tensor([True, False]), torch.tensor([True, True])).emulator_vs_converted_max_rel == 0.5


def test_an_empty_output_agrees() -> None:
    assert one(torch.empty(0), torch.empty(0)).agrees


def test_the_worst_of_all_outputs_and_samples_counts() -> None:
    off = RAMP + torch.tensor([0, 0, 0, 0, 0.2])
    verification = compare([[RAMP, RAMP], [RAMP, off]], [[RAMP, RAMP]] * 2, [[RAMP, RAMP]] * 2)
    assert verification.samples == 2
    assert [check.max_rel for check in verification.outputs] == [0, pytest.approx(0.05)]
    assert verification.emulator_vs_converted_max_rel == verification.outputs[1].max_rel
    assert verification.sqnr_db == verification.outputs[1].sqnr_db < math.inf


def test_disagreement_names_the_first_ops_on_the_cpu_by_where_they_stand() -> None:
    ops = [CpuOp(f"op_{index}", "aten.add.Tensor", "", Stand.BETWEEN) for index in range(7)]
    ops += [CpuOp("late", "aten.sort.default", "", Stand.AFTER), CpuOp("early", "aten.any.default", "", Stand.BEFORE)]
    note = compare([[RAMP + 1]], [[RAMP]], [[RAMP]], cpu_ops=ops).note
    assert note is not None
    assert note.splitlines()[-3:] == [
        "on the CPU, between the delegates: op_0 (aten.add.Tensor), op_1 (aten.add.Tensor), "
        "op_2 (aten.add.Tensor), op_3 (aten.add.Tensor), op_4 (aten.add.Tensor) and 2 more",
        "on the CPU, before the delegates: early (aten.any.default)",
        "on the CPU, after the delegates: late (aten.sort.default)",
    ]
    assert compare([[RAMP]], [[RAMP]], [[RAMP]], cpu_ops=ops).note is None


def test_ops_that_compute_are_named_before_those_that_only_quantize_for_them() -> None:
    border, add = CpuOp("quantize", "quantize_per_tensor", AT_BORDER), CpuOp("add", "aten.add.Tensor", "")
    note = compare([[RAMP + 1]], [[RAMP]], [[RAMP]], cpu_ops=[border, add]).note
    assert note is not None and note.endswith("delegates: add (aten.add.Tensor)")
    alone = compare([[RAMP + 1]], [[RAMP]], [[RAMP]], cpu_ops=[border]).note
    assert alone is not None and alone.endswith("apart from the delegates: quantize (quantize_per_tensor)")


def test_a_difference_is_counted_in_steps_of_the_output_too() -> None:
    off = RAMP + torch.tensor([0, 0, 0, 0, 0.0625])
    verification = compare([[off]], [[RAMP]], [[RAMP]], grids=[OutputGrid(4 / 256, 8)])
    assert (verification.outputs[0].steps, verification.outputs[0].bits) == (4, 8)
    assert (verification.note or "").startswith(
        "output 0 differs by up to 0.0625, 1.56 % of its range, 4 steps of its 8-bit encoding"
    )
    assert in_words(compare([[RAMP]], [[RAMP]], [[RAMP]]).outputs[0]) == "0 % of its range"
    broken = compare([[RAMP * math.nan]], [[RAMP]], [[RAMP]], grids=[OutputGrid(4 / 256, 8)])
    assert broken.outputs[0].steps is None


def test_the_encoding_of_an_output_is_the_one_it_is_dequantized_from() -> None:
    model = torch.nn.Linear(8, 4).eval()
    module = torch.export.export(model, (torch.randn(2, 8),)).module()
    assert output_grids(module) == (None,)
    prepared = prepare_pt2e(module, SolveQuantizer("htp", "SM8750", precision="16a8w"))
    prepared(torch.randn(2, 8))
    (grid,) = output_grids(convert_pt2e(prepared))
    assert grid is not None and grid.bits == 16 and 0 < grid.scale < 1


def test_random_outputs_are_not_compared() -> None:
    broken = compare([[RAMP, RAMP + 1]], [[RAMP, RAMP]], [[RAMP, RAMP]])
    assert broken.agrees is False
    spared = compare([[RAMP, RAMP + 1]], [[RAMP, RAMP]], [[RAMP, RAMP]], random=[1])
    assert (spared.agrees, spared.note, spared.random_outputs) == (True, None, (1,))
    assert [check.index for check in spared.outputs] == [0]
    nothing = compare([[RAMP + 1]], [[RAMP]], [[RAMP]], random=[0])
    assert nothing.agrees is None
    assert math.isnan(nothing.emulator_vs_converted_max_rel) and math.isnan(nothing.sqnr_db)


@pytest.mark.parametrize(
    ("step", "agrees", "said"), [(0.2, True, ": rounding: SQNR"), (1.0, False, ": something else is computed: SQNR")]
)
def test_rounding_is_told_from_a_wrong_scale_by_the_distance_to_the_float_model(
    step: float, agrees: bool, said: str
) -> None:
    """The converted model is 0.2 off at every other value; rounding moves the error about, a wrong scale adds to it."""
    original = torch.linspace(-4, 4, 64)
    even = torch.arange(64) % 2 == 0
    converted = original + 0.2 * even
    verification = one(original + step * ~even, converted, original)
    assert verification.agrees is agrees
    assert verification.note is not None and said in verification.note


class Counting(torch.nn.Module):
    """Returns its own state, which the next run changes."""

    kept: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kept", torch.zeros(3))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        self.kept.add_(x)
        return self.kept, torch.rand(3) + x


def test_the_converted_model_is_compared_over_every_sample() -> None:
    """Sample 2 of 5 is a tenth off, the others a hundredth; each figure is of what it says."""
    samples = [(torch.full((3,), float(index + 1)),) for index in range(5)]

    def converted(x: torch.Tensor) -> torch.Tensor:
        return x * (1.1 if float(x[0]) == 3 else 1.01)

    (check,) = converted_checks(converted, lambda x: x, samples)
    assert (check.index, check.sqnr.samples) == (0, 5)
    assert check.sqnr.worst == pytest.approx(20, abs=0.01)
    assert check.sqnr.median == pytest.approx(40, abs=0.01)
    assert check.sqnr.together == pytest.approx(10 * math.log10(55 / (0.3**2 + 46 * 1e-4)), abs=0.01)


def test_models_that_share_their_states_each_keep_their_own() -> None:
    model = Counting()
    graph = torch.export.export(model, (torch.ones(3),)).module()
    checks = converted_checks(graph, model, [(torch.ones(3),)] * 4)
    assert [check.index for check in checks] == [0], "the other output is random"
    assert checks[0].sqnr.worst == math.inf
    shared = converted_checks(model, model, [(torch.ones(3),)] * 4)
    assert shared[0].sqnr.worst == math.inf
    assert float(model.kept.sum()) == 0, "and leave no marks"
