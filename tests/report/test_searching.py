"""A search as text, as JSON and as a picture, from records made by hand."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest

from qnnsolve.errors import UsageError
from qnnsolve.report.json_results import dumps
from qnnsolve.report.json_search import search_json
from qnnsolve.report.search_plot import check_plot, write_plot
from qnnsolve.report.searching import SearchWords, amount, search_lines
from qnnsolve.results import SearchPoint, SearchProgram, SearchResult, SearchTarget, SensitivityRecord, UniformRecord
from tests.cli.documents import hold

ASKED = SearchWords("m:net", recipes="front")
COSTS = {"weights": 3000.0, "converts": 2.0, "wide-ops": 0.25}
POINT = SearchPoint({"weights": 3000.0}, COSTS, 30.0, 30.0, 0.0, {"weights": 0.25}, "milp", 29.5)


def result(*points: SearchPoint) -> SearchResult:
    return SearchResult(
        soc="SM8750",
        candidates=("8a8w", "16a8w"),
        axis="weights",
        target=None,
        samples=1,
        directions=8,
        points=points,
        uniforms=(UniformRecord("8a8w", COSTS, 20.0, 21.0), UniformRecord("16a8w", COSTS, math.inf, math.inf)),
        sensitivities=tuple(SensitivityRecord(f"site{n:02}", "u8", 0.01 / (n + 1), 20.0 + n) for n in range(12)),
        passes={"forward": 5, "backward": 8, "trying": 3, "measuring": 2},
        notes=("a note",),
        timings=(("solve", 0.5), ("convert", 1.0), ("convert", 1.0)),
    )


def said(found: SearchResult, asked: SearchWords = ASKED, *, verbose: bool = False) -> str:
    return "\n".join(line.text for line in search_lines(found, asked, verbose=verbose))


def test_the_verdict_comes_first() -> None:
    other = attrs.evolve(POINT, measured_db=31.0, found_as="16a8w", gap=0.5)
    lines = said(result(attrs.evolve(POINT, gap=0.125), other)).splitlines()
    assert lines[:3] == [
        "m:net for SM8750: mixed precision of 8a8w, 16a8w",
        "2 points along weights; the best is point 2: 31.00 dB measured, 30.00 predicted at 3 kB of weights",
        "a point lies at most 12.5 % above the least predicted noise within its budget, but for 1 point where another "
        "config did better",
    ]
    assert "proven" in said(result(POINT)).splitlines()[2]


def test_tables_prices_sites_and_the_way_to_take_a_point() -> None:
    text = said(result(POINT))
    assert "  point 1             3 kB     3 kB         2      25 %   30.00 dB  29.50 dB  0 %" in text.splitlines()
    assert "  16a8w     3 kB         2      25 %     inf dB    inf dB" in text.splitlines()
    assert "point 1: weights +0.250 dB" in text and "(estimate)" in text and "are estimates" in text
    assert "site09" in text and "site10" not in text and "and 2 with less noise (--verbose)" in text
    assert "site11" in said(result(POINT), verbose=True)
    assert "qnnsolve export m:net --soc SM8750 --recipe front/point-1.yaml --out model.pte" in text
    assert "--recipes DIR" in said(result(POINT), attrs.evolve(ASKED, recipes=None))
    assert "  a note" in text and "Time: 2.5 s (solve 0.50, convert 2.00)" in text
    assert "16a8w measured better within this budget" in said(result(attrs.evolve(POINT, found_as="16a8w")))


def test_a_metric_has_a_column_and_decides() -> None:
    good, bad = attrs.evolve(POINT, metric=0.9, measured_db=20.0), attrs.evolve(POINT, metric=0.5)
    text = said(result(bad, good))
    assert "the best is point 2: metric 0.9, 20.00 dB measured" in text
    assert "measured  metric  gap" in text


@pytest.mark.parametrize(
    ("reached", "words", "proof"),
    [
        (
            None,
            "the cheapest config in weights is predicted to reach 30 dB",
            "the least weights of all configs",
        ),
        (True, "the cheapest config in weights reaches 30 dB", "the cheapest of those that were measured"),
        (False, "the nearest config misses 30 dB", "misses"),
    ],
)
def test_a_target_is_reached_or_missed(reached: bool | None, words: str, proof: str) -> None:
    found = attrs.evolve(result(POINT), target=SearchTarget("sqnr", 30.0, reached))
    lines = said(found).splitlines()
    assert words in lines[1]
    assert proof in "".join(lines[1:3])
    hold(search_json(found, ASKED))
    assert "reaches m:accuracy 0.9" in said(attrs.evolve(found, target=SearchTarget("m:accuracy", 0.9, True)))


PROGRAM = SearchProgram(1, 2, (), 104_000, 28.5, True, 2)


def test_programs_stand_beside_what_was_predicted() -> None:
    found = result(attrs.evolve(POINT, program=PROGRAM))
    lines = said(found).splitlines()
    assert any(
        line.startswith("  point 1") and line.endswith("29.50 dB  28.50 dB        2   104 kB  0 %") for line in lines
    )
    assert "  1 program: no CPU op that the solve had not said; the emulator agrees (2 samples)" in lines
    hold(json.loads(dumps(search_json(found, ASKED))))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"unannounced": ("erf_0",)}, "point 1: on the CPU, which the solve had not said: erf_0"),
        ({"agrees": False}, "point 1: the emulator differs from the converted model"),
        ({"agrees": None, "emulator_db": None}, "point 1: nothing could be compared on the emulator"),
    ],
)
def test_a_program_that_is_not_what_was_told_is_named(changed: dict[str, Any], words: str) -> None:
    text = said(result(attrs.evolve(POINT, program=attrs.evolve(PROGRAM, **changed))))
    assert words in text and "the emulator agrees" not in text


def test_nothing_found_is_said() -> None:
    assert said(result()).splitlines()[1] == "no config was found"
    hold(search_json(result(), ASKED))


@pytest.mark.parametrize(
    ("cost", "value", "text"),
    [
        ("weights", 12.0, "12 B"),
        ("activations", 1.5e6, "1.5 MB"),
        ("bit-ops", 2.5e9, "2.5 G"),
        ("converts", 1234.0, "1,234"),
        ("wide-ops", 0.1, "10 %"),
        ("weight-bits", 4.78, "4.78"),
    ],
)
def test_amounts_are_told_in_their_units(cost: str, value: float, text: str) -> None:
    assert amount(cost, value) == text


def test_json_holds_to_its_schema() -> None:
    document = search_json(result(POINT, attrs.evolve(POINT, measured_db=None)), ASKED)
    hold(json.loads(dumps(document)))
    assert document["uniforms"][1]["measured_db"] == "inf" and document["points"][1]["measured_db"] is None


def test_a_plot_has_the_same_bytes_each_time(tmp_path: Path) -> None:
    for kind, start in (("svg", b"<?xml"), ("png", b"\x89PNG")):
        files = [str(tmp_path / f"{name}.{kind}") for name in "ab"]
        for file in files:
            write_plot(result(POINT, attrs.evolve(POINT, measured_db=None)), ASKED, file)
        one, other = (Path(file).read_bytes() for file in files)
        assert one == other and one.startswith(start)
    assert b"8a8w" in (tmp_path / "a.svg").read_bytes()


def test_what_cannot_be_plotted_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"a plot is a \.svg or \.png file"):
        check_plot("front.pdf")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.delitem(sys.modules, "matplotlib", raising=False)
    with pytest.raises(UsageError, match=r"pip install 'qnnsolve\[plot\]'"):
        check_plot("front.svg")
