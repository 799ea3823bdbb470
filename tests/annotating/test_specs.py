"""Observers see every sample, and keep scales to what the chip can multiply with."""

from __future__ import annotations

import math

import attrs
import pytest
import torch
from torchao.quantization.pt2e.quantizer import QuantizationSpec

from qnnsolve.annotating.observers import Bounds
from qnnsolve.annotating.specs import concrete_spec, halved_spec
from qnnsolve.encodings import DType, Encoding
from qnnsolve.opinfo_facts import operator_facts
from qnnsolve.rewriting.masked_values import ENDLESS

U8, U16 = Encoding.affine(DType.UINT8), Encoding.affine(DType.UINT16)
S8C = Encoding.symmetric(DType.INT8, 8, ch_axis=0)


def observed(encoding: Encoding, *samples: torch.Tensor, bits: int | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    spec = concrete_spec(encoding, multiplier_bits=bits)
    assert isinstance(spec, QuantizationSpec)
    return calibrated(spec, *samples)


def calibrated(spec: QuantizationSpec, *samples: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    settings = {"dtype": spec.dtype, "qscheme": spec.qscheme, "quant_min": spec.quant_min, "quant_max": spec.quant_max}
    channels = {} if spec.ch_axis is None else {"ch_axis": spec.ch_axis}
    observer = spec.observer_or_fake_quant_ctr(**settings, **channels)
    for sample in samples:
        observer(sample)
    scale, zero_point = observer.calculate_qparams()
    return scale, zero_point


def significant_bits(value: float) -> int:
    mantissa, _ = math.frexp(value)
    return next(bits for bits in range(1, 54) if (mantissa * 2**bits).is_integer())


def test_a_later_sample_is_not_cut_off() -> None:
    scale, zero_point = observed(U16, torch.tensor([0.0, 1.0]), torch.tensor([-1.0, 3.0]))
    assert float(scale) * 65535 == pytest.approx(4.0)
    assert int(zero_point) == 16384


def test_what_a_mask_hides_takes_no_more_than_a_softmax_looks() -> None:
    least = torch.finfo(torch.float32).min
    spec = concrete_spec(U16, Bounds(mask=ENDLESS))
    assert isinstance(spec, QuantizationSpec)
    scale, _ = calibrated(spec, torch.tensor([-math.inf, least, 0.0, 1.0]))
    assert float(scale) * 65535 == pytest.approx(25.0)


def test_infinities_take_no_range() -> None:
    scale, _ = observed(U16, torch.tensor([-math.inf, math.inf, 0.0, 1.0]))
    assert float(scale) * 65535 == pytest.approx(1.0)


@pytest.mark.parametrize(("encoding", "bits"), [(U16, 1), (U8, 11)])
def test_scales_take_the_bits_there_are_and_still_hold_the_range(encoding: Encoding, bits: int) -> None:
    low, high = -0.7312, 2.9137
    scale, zero_point = observed(encoding, torch.tensor([low, high]), bits=11)
    assert significant_bits(float(scale)) <= bits
    exact, _ = observed(encoding, torch.tensor([low, high]))
    assert float(exact) <= float(scale) <= float(exact) * (2 if bits == 1 else 1 + 2**-10)
    assert encoding.quant_max is not None
    assert -int(zero_point) * float(scale) <= low + float(scale)
    assert (encoding.quant_max - int(zero_point)) * float(scale) >= high - float(scale)


def test_each_channel_of_a_weight_has_a_scale_of_few_bits() -> None:
    weight = torch.randn(16, 8, generator=torch.Generator().manual_seed(0))
    exact, rounded = observed(S8C, weight)[0], observed(S8C, weight, bits=11)[0]
    assert max(significant_bits(float(s)) for s in exact) > 11 >= max(significant_bits(float(s)) for s in rounded)
    assert bool((rounded >= exact).all())
    assert bool((rounded <= exact * (1 + 2**-10)).all())


def test_multipliers_are_narrow_before_v73_only() -> None:
    found = {arch: operator_facts("htp", arch).multiplier_bits for arch in ("V68", "V69", "V73", "V79")}
    assert found == {"V68": 11, "V69": 11, "V73": None, "V79": None}


@pytest.mark.parametrize(
    ("largest", "steps"),
    [
        (1.0, 256),
        (0.9, 256),
        (0.501, 256),
        (0.5, 512),  # lies one step beyond the range, and costs at most that step
        (0.26, 512),
        (0.02, 8192),
        (0.0001, 256 * 2**8),  # no more often than the chip takes
        (0.0, 256 * 2**8),
        (7.0, 256),
    ],
)
def test_a_fixed_scale_is_halved_as_often_as_the_values_allow(largest: float, steps: int) -> None:
    spec = halved_spec(attrs.evolve(U8, scale=1 / 256, zero_point=0), 8)
    scale, zero_point = calibrated(spec, torch.tensor([0.0, largest / 2]), torch.tensor([largest]))
    assert (float(scale), int(zero_point)) == (1 / steps, 0)


@pytest.mark.filterwarnings("ignore:must run observer")
def test_a_fixed_scale_that_saw_nothing_stays() -> None:
    scale, zero_point = calibrated(halved_spec(attrs.evolve(U8, scale=1 / 256, zero_point=0), 8))
    assert (float(scale), int(zero_point)) == (1 / 256, 0)


def test_a_small_weight_keeps_its_steps() -> None:
    weight = torch.randn(16, 8, generator=torch.Generator().manual_seed(0)) * 1e-6
    assert torch.allclose(observed(S8C, weight)[0] * 127, weight.abs().amax(1), rtol=1e-3)
