"""What a search does where points do not measure what was predicted."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from qnnsolve import search_config
from qnnsolve.results import SearchResult
from qnnsolve.search.refining import OFF_DB
from qnnsolve.search.sensing import sensed
from tests.nets import ConvNet, images, seeded

PICTURES = images(8)
SAID = "were measured alone"


def searched(**settings: Any) -> SearchResult:
    settings = {"axis": "bit-ops", "points": 3, **settings}
    return search_config(seeded(ConvNet), PICTURES[0], soc="SM8750", calibration=PICTURES, **settings)


def off(result: SearchResult) -> float:
    """By how much the worst point measures beside what was predicted."""
    return max(abs(point.predicted_db - (point.measured_db or 0.0)) for point in result.points)


@pytest.fixture
def wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gradients that take all noise for a thousandth of what it is."""

    def far_off(*args: Any) -> Any:
        found = sensed(*args)
        return attrs.evolve(found, noise={key: value / 1000 for key, value in found.noise.items()})

    monkeypatch.setattr("qnnsolve.search.study.sensed", far_off)


def test_points_that_are_what_was_promised_are_left_alone() -> None:
    result = searched()
    assert off(result) <= OFF_DB and not any(SAID in note for note in result.notes)


@pytest.mark.usefixtures("wrong")
def test_where_a_point_is_off_its_noise_is_measured_and_the_report_says_so() -> None:
    result = searched()
    (note,) = (each for each in result.notes if SAID in each)
    assert "of the points measured up to -" in note and "asked for again" in note
    assert off(result) <= OFF_DB, "the predictions told are the mended ones"
    before = searched(measure=False)
    assert before.points[-1].predicted_db > result.points[-1].predicted_db + 20
    assert not any(SAID in each for each in before.notes), "without measuring nobody knows"


@pytest.mark.usefixtures("wrong")
def test_a_point_never_gets_worse_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    mended = searched()
    monkeypatch.setattr("qnnsolve.search.study.measured_instead", lambda *_: None)
    for one, other in zip(mended.points, searched().points, strict=False):
        assert (one.measured_db or 0.0) >= (other.measured_db or 0.0) - 1e-9
