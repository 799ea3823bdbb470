"""Candidates, budgets and targets as people type them: what is read, and what is refused in one clear line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qnnsolve.errors import QnnSolveError, UnknownNameError, UsageError
from qnnsolve.rules.wishes import Strength
from qnnsolve.search.budgets import Budget, QualityTarget, budgets_of, target_of
from qnnsolve.search.candidates import Candidates
from qnnsolve.search.costs import COSTS


def test_candidates_are_read_in_any_number_and_order() -> None:
    read = Candidates.of(["8a8w, 16a8w", "lm_head=16a4w", "16a4w"], fixed=["first", "second=16a8w"])
    assert read.everywhere == ("8a8w", "16a8w", "16a4w")
    assert [names for _, names, _ in read.places] == [("16a4w",), ("8a8w",), ("16a8w",)]
    assert read.names == ("8a8w", "16a8w", "16a4w")


def test_none_named_are_the_default_ones_and_a_place_adds_its_own() -> None:
    assert Candidates.of(()).names == ("8a8w", "16a8w")
    assert Candidates.of("lm_head=16a4w").names == ("8a8w", "16a8w", "16a4w")


def test_a_place_without_the_uniform_preset_has_its_first() -> None:
    read = Candidates.of(["8a8w,16a8w", "head=16a4w,16a8w"])
    _, wishes = read.uniform("8a8w")
    assert [(wish.what.activation, wish.what.weight) for wish in wishes] == [(16, 4)]
    _, wishes = read.uniform("16a8w")
    assert [(wish.what.activation, wish.what.weight) for wish in wishes] == [(16, 8)]
    assert all(wish.strength is Strength.PREFER for wish in wishes)


@pytest.mark.parametrize(
    ("texts", "fixed", "says"),
    [
        ("8a8w,16a8", (), "16a8w"),
        ("8a8w,8a8w", (), "8a8w stands there twice"),
        (["8a8w", "8a8w"], (), "8a8w stands there twice"),
        ("fp16a8w", (), "half precision"),
        ("head=fp16a8w", (), "half precision"),
        ("head=", (), "names no preset"),
        ("head=16a8w,16a8w", (), "16a8w stands there twice"),
        ("8a8w", "head=8a8w,16a8w", "one preset, not 2"),
        ("8a8w", "head=8a9w", "8a8w"),
    ],
)
def test_candidates_are_refused(texts: str | list[str], fixed: str, says: str) -> None:
    with pytest.raises(QnnSolveError) as refused:
        Candidates.of(texts, fixed or ())
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("weights=0.6", Budget("weights", 0.6, True)),
        ("weights=1.5MB", Budget("weights", 1.5e6, False)),
        ("weights = 200B", Budget("weights", 200.0, False)),
        ("activations=2kB", Budget("activations", 2e3, False)),
        ("bit-ops=2G", Budget("bit-ops", 2e9, False)),
        ("bit-ops=1", Budget("bit-ops", 1.0, True)),
        ("converts=10", Budget("converts", 10.0, False)),
        ("wide-ops=0.1", Budget("wide-ops", 0.1, False)),
        ("weight-bits=5.5", Budget("weight-bits", 5.5, False)),
    ],
)
def test_budgets_are_read(text: str, read: Budget) -> None:
    (found,) = budgets_of(text)
    assert (found.cost, found.share) == (read.cost, read.share)
    assert found.most == pytest.approx(read.most)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("weights", "a budget is like"),
        ("", "a budget is like"),
        ("weight=0.5", "weights"),
        ("weights=0.5,weights=0.4", "has a budget already"),
        ("weights=2", "at most 1"),
        ("weights=-0.5", "no amount"),
        ("weights=nan", "no amount"),
        ("weights=inf", "no amount"),
        ("weights=1e999", "no amount"),
        ("weights=", "no amount"),
        ("weights=1.2.3", "no amount"),
        ("weights=5XB", "no amount"),
        ("weights=5M", "no unit M"),
        ("bit-ops=5MB", "no unit MB"),
        ("converts=5k", "no unit k"),
        ("wide-ops=1.5", "at most 1"),
    ],
)
def test_budgets_are_refused(text: str, says: str) -> None:
    with pytest.raises(QnnSolveError) as refused:
        budgets_of(text)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_unknown_cost_is_named_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="bit-ops"):
        budgets_of("bitops=0.5")


@given(st.sampled_from(COSTS), st.text(max_size=12))
def test_whatever_is_typed_is_a_finite_budget_or_refused(cost: str, text: str) -> None:
    try:
        found = budgets_of(f"{cost}={text}")
    except QnnSolveError:
        return
    assert all(0 <= each.most < float("inf") and (each.most <= 1 or not each.share) for each in found)


@given(st.floats(min_value=0, max_value=1), st.floats(min_value=1, max_value=1e12))
def test_a_share_is_of_the_dearest(share: float, dearest: float) -> None:
    (budget,) = budgets_of(f"weights={share!r}")
    assert budget.amount({"weights": dearest}) == pytest.approx(share * dearest)


@pytest.mark.parametrize("text", ["sqnr>=30", " sqnr >= 30.0 "])
def test_a_target_is_read(text: str) -> None:
    assert target_of(text) == QualityTarget("sqnr", 30.0)
    assert target_of(text).metric is None


def test_a_target_may_be_a_metric() -> None:
    assert target_of("my.metrics:accuracy >= -0.5") == QualityTarget("my.metrics:accuracy", -0.5)
    assert target_of("my.metrics:accuracy >= -0.5").metric == "my.metrics:accuracy"


@pytest.mark.parametrize(
    "text", ["sqnr>30", "sqnr>=", "sqnr>=nan", "sqnr>=-3", "snr>=3", "sqnr>=1.2.3", "30", "a:>=1", ":b>=1", "a:b>=inf"]
)
def test_a_target_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="sqnr>=30"):
        target_of(text)
