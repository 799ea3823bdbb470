"""Which config is held better: a prediction and samples count as much as they are sure."""

from __future__ import annotations

import math
import random
from types import MappingProxyType

import pytest

from qnnsolve.search.front import Front
from qnnsolve.search.judging import Judge, _seen
from qnnsolve.search.noises import monotone, needed
from qnnsolve.search.sampling import Chosen, directions_for, unsure
from tests.nets import Attention, seeded
from tests.search.spaced import draws, spaced

_, SPACE = spaced(seeded(Attention), draws(1, 1, 4, 16)[0])
NARROW, WIDE = (each.solution.encodings for each in SPACE.uniforms)


@pytest.fixture(scope="module")
def judge() -> Judge:
    """Each 8-bit rounding makes a hundredth, and the wider ones almost nothing."""
    noise = {key: 0.01 if key[1].bits == 8 else 1e-7 for key in needed(SPACE)}
    return Judge(Front.of(SPACE, monotone(noise)[0]))


def test_without_samples_the_prediction_counts(judge: Judge) -> None:
    predicted = math.log(judge.front.noise_of(WIDE) / judge.front.noise_of(NARROW))
    assert judge.more(WIDE, NARROW, (), ()) == pytest.approx(predicted) == -judge.more(NARROW, WIDE, (), ())
    assert judge.more(WIDE, NARROW, (9.0,), (1.0,)) == pytest.approx(predicted), "one sample shows no luck"


def test_samples_that_all_say_the_same_overrule_the_prediction(judge: Judge) -> None:
    noisy = [1.0 + 0.001 * number for number in range(32)]
    assert judge.more(WIDE, NARROW, noisy, [each / 2 for each in noisy]) == pytest.approx(math.log(2), abs=1e-6)


def test_samples_that_differ_by_luck_do_not(judge: Judge) -> None:
    """One sample of 32 decides what is seen: by the others the prediction is right."""
    quiet, unlucky = [1.0] * 32, [0.5] * 31 + [30.0]
    assert sum(unlucky) > sum(quiet) and judge.more(WIDE, NARROW, unlucky, quiet) < 0
    assert judge.more(WIDE, NARROW, [math.inf] * 2, [1.0] * 2) == math.inf, "what overflows is no luck"


def test_what_two_configs_share_makes_neither_unsure(judge: Judge) -> None:
    """Of two configs that differ at one site alone the prediction is sure, and not where they differ everywhere."""
    edges = [site for site in NARROW if NARROW[site] != WIDE[site]]
    other = MappingProxyType({**NARROW, edges[0]: WIDE[edges[0]]})
    near, far = (judge._predicted(each, NARROW)[1] for each in (other, WIDE))
    assert 0 < near < far


def test_luck_is_told_as_it_is() -> None:
    """Two configs alike in truth, some samples harder than others for both: what is seen lies beyond two deviations as
    seldom as it should."""
    drawn, beyond = random.Random(0), 0
    for _ in range(400):
        hard = [drawn.lognormvariate(0, 0.5) for _ in range(32)]
        seen, luck = _seen(*([each * drawn.expovariate(1) for each in hard] for _ in "ab"))
        beyond += abs(seen) > 2 * luck**0.5
    assert 9 <= beyond <= 36, "of 400 it should be 18"


@pytest.mark.parametrize(
    ("noises", "samples", "directions", "numbers", "share"),
    [
        ([1.0] * 16, 32, 4, 1000, ((0.5 + 0.5 * 0.996) / 16) ** 0.5),  # half of the samples, all alike
        ([1.0] * 32, 32, 4, 1000, (0.5 * 0.996 / 32) ** 0.5),  # all of them: the directions are left
        ([1.0] * 16, 16, 10, 10, 0.0),  # and none of these, where there is one for each number
        ([1.0] + [0.0] * 15, 16, 4, 1000, (0.5 * 0.996) ** 0.5),  # one sample makes all of it
        ([0.0] * 4, 8, 4, 10, 0.0),
    ],
)
def test_how_unsure_the_noise_is(
    noises: list[float], samples: int, directions: int, numbers: int, share: float
) -> None:
    assert unsure(noises, samples, directions, numbers) == pytest.approx(share)


def test_more_samples_are_as_many_again_and_none_twice() -> None:
    chosen = Chosen.of(40, directions_for(40), encodings=1000)
    assert len(chosen.first) == len(chosen.more) == 16 and len({*chosen.first, *chosen.more}) == 32
    assert Chosen.of(8, directions_for(8), encodings=1000) == Chosen(tuple(range(8)))
    assert not Chosen.of(32, 4, encodings=99).more, "so few encodings are measured for little more"
    assert Chosen.of(32, 4, encodings=100).more
