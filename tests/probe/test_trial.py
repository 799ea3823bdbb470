"""What the emulator is held to: encodings, expectations, and the judge."""

from __future__ import annotations

import inspect

import attrs
import numpy as np
import pytest
import torch

from qnnsolve.probe.catalog.notation import case, out, put, static
from qnnsolve.probe.converts import behind_converts, can_convert, feeder_of
from qnnsolve.probe.expected import EXPECTED
from qnnsolve.probe.grids import grid_of, packed
from qnnsolve.probe.judge import judge
from qnnsolve.probe.ops import EXCLUDED, OPS
from qnnsolve.probe.questions import CaseSpec, Fill, OpSpec
from qnnsolve.probe.trial import Trial, TrialOutcome, Variant, make_trial, variants_of

CHANCE = np.random.default_rng(0)
RELU = OpSpec("Relu", (case("only", put("8x32", "u8 s8 u16 s16"), out("8x32", "u8 s8 u16 s16")),))
MATMUL = OPS["MatMul"]


def test_every_operator_of_executorch_has_a_table_or_a_reason() -> None:
    from executorch.backends.qualcomm.builders import qnn_constants

    classes = [each for name, each in inspect.getmembers(qnn_constants, inspect.isclass) if name.startswith("Op")]
    named = {getattr(each, "op_name", each.__name__.removeprefix("Op")) for each in classes}
    probed = {spec.qnn_op for spec in OPS.values()}
    assert named - probed - set(EXCLUDED) == set()
    assert set(EXCLUDED) <= named - probed
    assert len(named) > 95
    operations = {f"ElementWiseUnary.{each.name}" for each in qnn_constants.OpElementWiseUnary.Operation}
    ours = {op.upper() for op in OPS if op.startswith("ElementWiseUnary.")}
    assert len(operations) == len(ours) == 16


def test_every_probe_has_a_reference_of_its_outputs_shapes() -> None:
    assert set(EXPECTED) >= set(OPS)
    for op, spec in OPS.items():
        for asked in spec.cases:
            codes = tuple(
                next((c for c in ("u8", "s4b", "u32", "b8") if c in p.codes), p.codes[0]) for p in asked.ports
            )
            trial = make_trial(spec, asked, codes, Variant(), 0)
            assert [real.shape for real in trial.expected] == [port.shape for port in asked.outputs], (op, asked.name)
            assert all(np.isfinite(real).all() for real in trial.expected), (op, asked.name)


def _only(spec: OpSpec) -> CaseSpec:
    return spec.cases[0]


def _perfect(trial: Trial) -> TrialOutcome:
    pairs = zip(trial.outputs, trial.expected, strict=True)
    return TrialOutcome(True, True, tuple(grid.quantize(real) for (_, grid), real in pairs), trial)


@pytest.mark.parametrize("codes", [("u8", "u8"), ("s8", "s8"), ("u16", "u16"), ("s16", "s16"), ("u16~", "u16")])
def test_what_rounds_once_is_right_and_what_keeps_the_inputs_codes_is_wrong(codes: tuple[str, ...]) -> None:
    trial = make_trial(RELU, _only(RELU), codes, Variant(), 0)
    right = judge(_perfect(trial))
    assert right.right and right.steps <= 0.51
    numbers = trial.stored[0]
    assert numbers is not None
    assert not judge(TrialOutcome(True, True, (numbers,), trial)).right
    assert not judge(TrialOutcome(True, False, (numbers,), trial)).right


def test_encodings_differ_unless_the_variant_shares_them() -> None:
    spec = OPS["Reshape"]
    apart = make_trial(spec, _only(spec), ("u8", "u8"), Variant(), 0)
    shared = make_trial(spec, _only(spec), ("u8", "u8"), Variant((0, 1)), 0)
    first, last = apart.grids
    assert first is not None and last is not None and first.step != last.step
    first, last = shared.grids
    assert first is not None and last is not None
    assert (first.step, first.zero_point) == (last.step, last.zero_point)
    numbers = shared.stored[0]
    assert numbers is not None
    moved = numbers.reshape(_only(spec).outputs[0].shape)
    assert judge(TrialOutcome(True, True, (moved,), shared)) == attrs.evolve(judge(_perfect(shared)), steps=0.0)


def test_variants_are_the_fewest_shared_ports_first_and_none_for_what_has_a_bias() -> None:
    scatter = OPS["ScatterElements"]
    found = variants_of(scatter, _only(scatter), ("u8", "i32", "u8", "u8"))
    assert [variant.same for variant in found] == [(), (0, 3), (2, 3), (0, 2, 3)]
    conv = OPS["Conv2d"]
    assert variants_of(conv, _only(conv), ("u8", "u8", "s32", "u8")) == (Variant(),)
    sigmoid = OPS["Sigmoid"]
    assert variants_of(sigmoid, _only(sigmoid), ("u8", "u8"))[-1].fixed == (0.0, 1.0)


def test_a_bias_has_the_scale_of_the_accumulator() -> None:
    conv = OPS["Conv2d"]
    trial = make_trial(conv, _only(conv), ("u8", "s8c", "s32c", "u8"), Variant(), 0)
    first, weight, bias, _ = trial.grids
    assert first is not None and weight is not None and bias is not None
    assert weight.channel_scales is not None and bias.channel_scales is not None
    assert np.allclose(bias.channel_scales, first.step * weight.channel_scales)
    assert len(set(weight.channel_scales.tolist())) > 16


def test_blocks_have_scales_of_their_own_along_the_input_channels() -> None:
    port = static("1x1x32x4", "s4b", axis=3, blocks=4, span=(-1.0, 1.0), fill=Fill.UNIFORM)
    grid = grid_of(port, "s4b", (-1.0, 1.0), (-1.0, 1.0), CHANCE)
    assert grid.block_scales is not None and grid.block_scales.shape == (4, 4)
    assert np.broadcast_shapes(grid.scale.shape, port.shape) == port.shape
    by_channel = grid.scale.reshape(32, 4)
    assert all((by_channel[start : start + 8] == by_channel[start]).all() for start in range(0, 32, 8))
    assert not (by_channel[0] == by_channel[8]).all()


def test_four_bits_lie_in_a_byte_without_a_sign() -> None:
    assert packed(np.array([-8, -1, 7], np.int8), "s4c").tolist() == [8, 15, 7]
    assert packed(np.array([-2, 1], np.int8), "s2c").tolist() == [2, 1]
    assert packed(np.array([-2, 1], np.int8), "s8").tolist() == [-2, 1]


@pytest.mark.parametrize("code", ["u8", "s8", "u16", "s16", "u16~"])
def test_a_convert_makes_the_wanted_codes_without_rounding(code: str) -> None:
    trial = make_trial(MATMUL, _only(MATMUL), ("u16", code, "u16"), Variant(), 0)
    assert can_convert(trial.grids[1])
    behind = behind_converts(trial, [1])
    feeder, made, numbers = feeder_of(behind, 1), behind.grids[1], behind.stored[1]
    assert made is not None and numbers is not None and feeder.grid.code != made.code
    assert (made.quantize(feeder.grid.real(feeder.stored)) == numbers).all()


def test_places_may_differ_where_the_values_there_are_equal() -> None:
    spec = OPS["Argmax"]
    trial = make_trial(spec, _only(spec), ("u8", "i32"), Variant(), 0)
    assert judge(_perfect(trial)).right
    worst = torch.from_numpy(trial.grids[0].real(trial.stored[0])).argmin(2, True).numpy()  # type: ignore[union-attr, arg-type]
    assert not judge(TrialOutcome(True, True, (worst.astype(np.int32),), trial)).right


def test_random_numbers_are_held_to_their_range() -> None:
    spec = OPS["RandomUniformLike"]
    trial = make_trial(spec, _only(spec), ("u32", "f32"), Variant(), 0)
    shape = trial.case.outputs[0].shape
    assert judge(TrialOutcome(True, True, (CHANCE.uniform(0, 1, shape).astype(np.float32),), trial)).right
    assert not judge(TrialOutcome(True, True, (np.full(shape, 0.5, np.float32),), trial)).right
    assert not judge(TrialOutcome(True, True, (CHANCE.uniform(0, 2, shape).astype(np.float32),), trial)).right
