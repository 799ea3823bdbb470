"""The law of verdicts, a test for each of its lines, on tensors made for it; and that rounding alone never trips it."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from qnnsolve.results import OutputCheck, Verdict
from qnnsolve.verification.comparison import OutputGrid, compare

AGREES, ROUNDING, DISAGREES = Verdict.AGREES, Verdict.ROUNDING, Verdict.DISAGREES


def judged(
    got: torch.Tensor,
    want: torch.Tensor,
    ref: torch.Tensor,
    *,
    tolerance: float = 0.01,
    grid: OutputGrid | None = None,
    quantized: bool = True,
) -> OutputCheck:
    unquantized = () if quantized else (0,)
    verification = compare([[got]], [[want]], [[ref]], tolerance=tolerance, grids=[grid], unquantized=unquantized)
    return verification.outputs[0]


def noisy(shape: tuple[int, ...], deviation: float = 0.1, seed: int = 0) -> tuple[torch.Tensor, ...]:
    """The emulator's, the converted and the float model's values: two draws of one noise around the same signal."""
    torch.manual_seed(seed)
    ref = torch.randn(shape)
    return ref + deviation * torch.randn(shape), ref + deviation * torch.randn(shape), ref


def test_other_rounding_is_no_disagreement_whatever_its_share() -> None:
    check = judged(*noisy((1, 64, 32)))
    assert check.max_rel > 0.05
    assert (check.verdict, check.place) == (ROUNDING, None)


def test_being_nearer_to_the_float_model_is_no_disagreement() -> None:
    got, want, ref = noisy((1, 64, 32))
    check = judged(ref + (got - ref) / 10, want, ref)
    assert check.verdict is ROUNDING
    assert check.lost_db == pytest.approx(-20, abs=0.5)


@pytest.mark.parametrize(("loss", "verdict"), [(0.8, ROUNDING), (1.3, DISAGREES)])
def test_a_loss_of_more_than_a_decibel_is_a_disagreement(loss: float, verdict: Verdict) -> None:
    _, want, ref = noisy((1, 64, 32))
    check = judged(ref - (want - ref) * 10 ** (loss / 20), want, ref)
    assert check.lost_db == pytest.approx(loss, abs=0.01)
    assert check.verdict is verdict


def test_a_loss_within_the_tolerance_agrees() -> None:
    _, want, ref = noisy((1, 64, 32), 1e-4)
    check = judged(ref - (want - ref) * 10, want, ref)
    assert check.lost_db == pytest.approx(20, abs=0.01)
    assert check.verdict is AGREES
    assert judged(ref - (want - ref) * 10, want, ref, tolerance=1e-4).verdict is DISAGREES


def test_one_step_is_rounding_though_it_exceeds_the_tolerance_and_loses() -> None:
    ref = torch.arange(9.0).repeat(30) / 8
    one, two = ref.clone(), ref.clone()
    one[7] += 1 / 8
    two[7] += 2 / 8
    assert judged(one, ref, ref, grid=OutputGrid(1 / 8, 8)).verdict is ROUNDING
    assert judged(two, ref, ref, grid=OutputGrid(1 / 8, 8)).verdict is DISAGREES
    assert judged(one, ref, ref).verdict is DISAGREES, "steps unknown"


def test_few_values_may_lose_by_chance_what_many_may_not() -> None:
    ref = torch.linspace(-1, 1, 16).reshape(1, 16)
    got, want = ref + 0.04 * (-1) ** torch.arange(16), ref - 0.03 * (-1) ** torch.arange(16)
    assert judged(got, want, ref).lost_db == pytest.approx(2.5, abs=0.1)
    assert judged(got, want, ref).verdict is ROUNDING
    many, signs = ref.repeat(40, 1), 1.0 - 2 * torch.randint(2, (40, 16), generator=torch.Generator().manual_seed(0))
    assert judged(many + 0.04 * signs, many - 0.03 * signs, many).verdict is DISAGREES
    assert judged(ref + 0.2, want, ref).verdict is DISAGREES


@pytest.mark.parametrize(("loss", "verdict"), [(2.2, ROUNDING), (3.9, DISAGREES)])
def test_values_that_are_no_draws_of_their_own_may_lose_more(loss: float, verdict: Verdict) -> None:
    """Two classes that add up to one, each alike over patches of an image."""
    torch.manual_seed(0)
    ref = torch.rand(1, 1, 16, 16)
    noise = torch.randn(1, 1, 4, 4).repeat_interleave(4, -1).repeat_interleave(4, -2) * 0.02

    def both(x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, 1 - x], 1)

    got, want = ref - noise.roll(3, -1) * 10 ** (loss / 20), ref + noise
    assert judged(both(got), both(want), both(ref)).lost_db == pytest.approx(loss, abs=0.05)
    assert judged(both(got), both(want), both(ref)).verdict is verdict


def test_where_nothing_is_quantized_only_floats_may_round() -> None:
    ref = torch.linspace(-1, 3, 50)
    assert judged(ref * (1 + 1e-6), ref, ref, quantized=False).verdict is AGREES
    assert judged(ref + 0.004, ref, ref).verdict is AGREES
    check = judged(ref + 0.004, ref, ref, quantized=False)
    assert check.verdict is DISAGREES
    assert judged(ref.int() + 1, ref.int(), ref.int(), tolerance=1.0, quantized=False).verdict is DISAGREES


PLACES = {
    "index 509 of axis 1": ((slice(None), 509), 1.5),
    "index 5 of axis 2": ((slice(None), slice(None), 5), 0.8),
    "index 7 of axis 3": ((slice(None), slice(None), slice(None), 7), 0.8),
}


@pytest.mark.parametrize("place", PLACES)
def test_an_error_in_one_slice_is_a_disagreement_where_the_sum_hides_it(place: str) -> None:
    """One channel of 512, one row, one column, a fifth of the range off: the sum loses a part of a decibel."""
    got, want, ref = noisy((1, 512, 50, 50), 0.3)
    where, size = PLACES[place]
    got[where] += size
    check = judged(got, want, ref)
    assert check.lost_db is not None and check.lost_db < 1, "the sum hides it"
    assert (check.verdict, check.place) == (DISAGREES, place)
    assert judged(got, got, ref).verdict is AGREES


def test_a_quiet_channel_among_loud_ones_is_found_where_the_rest_agrees() -> None:
    """The converted model's noise is ten times as large in one channel, where the emulator has the same values."""
    got, want, ref = noisy((1, 8, 20, 20), 0.02)
    want[:, 0] = ref[:, 0] + 0.5 * torch.randn(20, 20)
    got[:, :] = want
    got[:, 3] += 0.15
    check = judged(got, want, ref)
    assert check.lost_db is not None and check.lost_db < 1
    assert (check.verdict, check.place) == (DISAGREES, "index 3 of axis 1")


def test_a_bad_region_of_an_image_is_found() -> None:
    got, want, ref = noisy((1, 3, 128, 128), 0.05)
    got[:, :, 60:66, 30:36] += 1.0
    assert judged(got, want, ref).verdict is DISAGREES


def test_a_bad_sample_among_many_is_found() -> None:
    rows = [noisy((1, 256), 0.1, seed) for seed in range(40)]
    rows[7] = (rows[7][0] + 0.5, *rows[7][1:])
    sides = [[[row[side]] for row in rows] for side in range(3)]
    (check,) = compare(*sides).outputs
    assert check.lost_db is not None and check.lost_db < 3
    assert check.verdict is DISAGREES
    assert check.emulator is not None and check.emulator.samples == 40
    assert check.emulator.worst < check.emulator.together < check.emulator.median


def sparse(shape: tuple[int, ...]) -> torch.Tensor:
    """Noise as deep networks have it: most in few values."""
    return 0.05 * torch.randn(shape) * torch.randn(shape).abs()


@pytest.mark.parametrize("shape", [(1, 1000), (1, 512), (1, 84, 400), (1, 64, 32, 32), (4, 197, 192), (1, 21, 80, 80)])
def test_rounding_alone_does_not_trip_it(shape: tuple[int, ...]) -> None:
    """Normal noise, noise in few values, and a softmax's, which stands at its peaks: two draws of a size.

    By design 5 % of the cases in which few values carry the noise do, and more where those hang together.
    """
    wrong = dict.fromkeys(("normal", "few", "softmax"), 0)
    for seed in range(20):
        got, want, ref = noisy(shape, 0.05, seed)
        rows = {"normal": (got, want, ref), "few": (ref + sparse(shape), ref + sparse(shape), ref)}
        rows["softmax"] = (F.softmax(got * 3, -1), F.softmax(want * 3, -1), F.softmax(ref * 3, -1))
        for name, row in rows.items():
            wrong[name] += judged(*row).verdict is DISAGREES
    assert wrong["normal"] == 0 and wrong["few"] <= 2 and wrong["softmax"] <= 3, wrong


def test_noise_that_moves_whole_rows_does_not_trip_it() -> None:
    """As the mean of a norm does. Then few draws carry it, so that a row is off by chance."""
    for seed in range(10):
        torch.manual_seed(seed)
        ref = torch.randn(1, 197, 192)
        got, want = (ref + 0.05 * torch.randn(1, 197, 1) * torch.randn(192) for _ in range(2))
        assert judged(got, want, ref).place is None


def test_integers_that_tip_as_often_as_the_converted_model_s_are_rounding() -> None:
    got, want, ref = (scores.argmax(-1) for scores in noisy((1000, 10), 0.2))
    check = judged(got, want, ref)
    assert check.max_rel > 0.05
    assert check.verdict is ROUNDING
    assert judged(got, ref, ref).verdict is DISAGREES, "the converted model never tips"
    assert judged((want + 1) % 10, want, ref).verdict is DISAGREES
    assert judged(ref, want, ref).verdict is ROUNDING, "nearer"
    assert judged(ref.bool(), ref.bool(), ref.bool()).verdict is AGREES


def test_what_is_not_finite_or_of_another_shape_disagrees() -> None:
    got, want, ref = noisy((4, 8))
    for bad in (math.nan, math.inf):
        broken = got.clone()
        broken[1, 2] = bad
        assert judged(broken, want, ref, tolerance=1e9).verdict is DISAGREES
        assert judged(got, broken, ref, tolerance=1e9).verdict is DISAGREES
        assert judged(got, want, broken).verdict is DISAGREES, "no figures to judge by"
    assert judged(got[:2], want, ref).verdict is DISAGREES
    assert judged(torch.empty(0), torch.empty(0), torch.empty(0)).verdict is AGREES


def test_scalars_are_judged_too() -> None:
    ref = torch.tensor(0.5)
    assert judged(torch.tensor([0.51]), torch.tensor(0.49), ref).verdict is ROUNDING
    assert judged(torch.tensor([0.9]), torch.tensor(0.49), ref).verdict is DISAGREES


def test_few_steps_of_an_encoding_are_told() -> None:
    ref = torch.arange(83.0) / 65535
    verification = compare([[ref]], [[ref]], [[ref]], grids=[OutputGrid(1 / 65535, 16)])
    assert (verification.outputs[0].steps_used, verification.outputs[0].few_steps) == (82, True)
    assert verification.note is None, "nothing is off"
    verification = compare([[ref + 3 / 65535]], [[ref]], [[ref]], grids=[OutputGrid(1 / 65535, 16)])
    assert verification.note is not None
    assert "output 0 uses 82 of 65,536 steps of its encoding" in verification.note
    assert not judged(ref, ref, ref, grid=OutputGrid(1 / 65535 / 8, 16)).few_steps
    assert not judged(ref, ref, ref, grid=OutputGrid(1 / 65535, 8)).few_steps
