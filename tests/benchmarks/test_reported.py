"""Models after public reports: each comes out right by the library path, or is refused in qnnsolve's own words."""

from __future__ import annotations

import math
from typing import Any

import pytest

from benchmarks.reported import figure, placement
from benchmarks.reported_models import Reported, reported
from benchmarks.sweep.library import by_library

CASES = {case.form.name: case for case in reported()}
LEAST_DB = 35.0
"""At 16 bits: the worst of those that are right keeps 40."""


def test_each_has_a_name_of_its_own() -> None:
    assert len(CASES) == len(list(reported()))


@pytest.mark.parametrize(
    ("record", "where", "what"),
    [
        ({"outputs": [51.26, 80.0], "cpu": []}, "whole", "51.3 dB"),
        ({"outputs": [999.0], "cpu": ["conv2d.default: no"]}, "on the CPU: `conv2d`", "exact"),
        ({"outputs": [80.0, -12.5], "cpu": []}, "whole", "12.5 % of its integers differ"),
        ({"error": "UsageError: why", "refused": True}, "refused", "UsageError: why"),
        ({"error": "KeyError: 3", "refused": False}, "failed", "KeyError: 3"),
    ],
)
def test_a_row_says_where_and_how_well(record: dict[str, Any], where: str, what: str) -> None:
    assert (placement(record), figure(record)) == (where, what)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_each_is_right_or_refused(case: Reported) -> None:
    record = by_library(case.form, "SM8750", "16a8w")
    if "error" in record:
        assert record["refused"], record["error"]
    else:
        assert all(figure >= LEAST_DB and not math.isnan(figure) for figure in record["outputs"]), record
