"""Several costs weighed against each other, as one."""

from __future__ import annotations

import pytest

from qnnsolve import search_config
from qnnsolve.errors import UnknownNameError, UsageError
from qnnsolve.search.budgets import axis_of, budgets_of
from qnnsolve.search.front import Front
from qnnsolve.search.mixtures import cost_named
from qnnsolve.solver import Limits
from tests.nets import Attention, ConvNet, images, seeded
from tests.search.spaced import draws, spaced

MIXED = "bit-ops+0.01*converts"


def test_names_are_read_and_written_in_one_way() -> None:
    assert cost_named(" bit-ops + 0.50 * weights ") == "bit-ops+0.5*weights"
    assert cost_named("weights") == cost_named("1*weights") == "weights"
    (budget,) = budgets_of("bit-ops+0.5*weights=1.2")
    assert (budget.cost, budget.most, budget.share) == ("bit-ops+0.5*weights", 1.2, False)
    assert axis_of(None, [budget]) == budget.cost


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("bit-ops+0.5*wieghts", UnknownNameError, "weights"),
        ("bit-ops+bit-ops", UsageError, "stands there twice"),
        ("bit-ops+0*weights", UsageError, "'0' is no weight"),
        ("bit-ops+much*weights", UsageError, "'much' is no weight"),
        ("bit-ops+nan*weights", UsageError, "is no weight"),
    ],
)
def test_what_is_no_mixture_is_refused(text: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        cost_named(text)


def test_a_mixture_is_the_weighed_sum_of_its_costs() -> None:
    _, space = spaced(seeded(Attention), draws(1, 1, 4, 16)[0])
    front = Front.of(space, {}, mixtures=[MIXED, "bit-ops"])
    assert front.counted[-1] == MIXED and front.counted.count("bit-ops") == 1
    low, high = front.program.lowest(MIXED, Limits()), front.dearest[MIXED]
    assert 0 < low < high
    for each in space.uniforms:
        counted = front.costs_of(each.solution.encodings)
        expected = counted["bit-ops"] / front.dearest["bit-ops"] + 0.01 * counted["converts"]
        assert counted[MIXED] == pytest.approx(expected)
        assert front.fits(each.solution.encodings, {MIXED: expected})
        assert not front.fits(each.solution.encodings, {MIXED: expected * 0.99})


def test_points_lie_along_a_mixture_and_within_its_budget() -> None:
    pictures = images(2)
    found = search_config(
        seeded(ConvNet), pictures[0], calibration=pictures, axis=MIXED, budget="bit-ops+weights=1.7", points=3
    )
    assert found.axis == MIXED and len(found.points) > 1
    for point in found.points:
        assert point.amounts[MIXED] <= point.budgets[MIXED] * (1 + 1e-9)
        assert point.amounts["bit-ops+weights"] <= 1.7
    with pytest.raises(UsageError, match=r"budget bit-ops\+weights=0.1: at least"):
        search_config(seeded(ConvNet), pictures[0], calibration=pictures, budget="bit-ops+weights=0.1")
