"""What came of each wish is told: in records, in the report, and at each deviation."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import jsonschema
import pytest

from qnnsolve.errors import UsageError
from qnnsolve.explain import describe
from qnnsolve.report.json_results import dumps, solve_json
from qnnsolve.report.text import solve_lines
from qnnsolve.results import SolveResult
from qnnsolve.rules import problem_of
from qnnsolve.rules.requested import without_pins
from qnnsolve.rules.wishes import Strength
from qnnsolve.solver import solve
from tests.rules.test_wishes import wished

SCHEMA = json.loads((Path(__file__).parents[2] / "qnnsolve/schema/solve-1.json").read_text())


def result(*texts: str, strength: Strength = Strength.PIN) -> SolveResult:
    facts = wished(*texts, strength=strength)
    problem = without_pins(problem_of(facts))
    return describe(facts, problem, solve(problem), soc="SM8350", timings=())


def counts(*texts: str, strength: Strength = Strength.PIN) -> list[tuple[int, int, int]]:
    return [(each.nodes, each.kept, each.missed) for each in result(*texts, strength=strength).wishes]


def text(given: SolveResult, *, verbose: bool = False) -> str:
    return "\n".join(line.text for line in solve_lines(given, "net", verbose=verbose))


def test_ports_that_have_what_is_wished_are_counted() -> None:
    assert counts("relu=16a") == [(1, 2, 0)]
    assert counts("conv=8w", "relu@out=16a") == [(1, 1, 0), (1, 1, 0)]
    assert counts("relu=cpu") == [(1, 1, 0)]
    assert counts("relu=4w") == [(1, 0, 0)]


def test_a_pin_that_is_given_up_is_named_with_both_sides() -> None:
    """A 16-bit convolution with a 16-bit weight needs V73."""
    given = result("conv=16a16w")
    ((words, kept, missed),) = [(each.words, each.kept, each.missed) for each in given.wishes]
    assert words == "--pin conv=16a16w" and kept and missed
    (told,) = [each for each in given.deviations if each.asked_by]
    assert (told.asked_by, told.requested != told.chosen) == (words, True)
    said = text(given)
    assert f"{told.requested} (asked for by {words}) -> {told.chosen}" in said
    assert f"{words}: given up at {missed} place" in said


def test_what_only_the_preset_asks_for_has_no_words() -> None:
    facts = wished("relu=16a", ask="16a16w")
    problem = problem_of(facts)
    given = describe(facts, problem, solve(problem), soc="SM8350", timings=())
    assert given.deviations and {each.asked_by for each in given.deviations} == {""}


def test_an_overridden_wish_is_told_when_asked_for() -> None:
    given = result("relu=16a", "relu=8a")
    assert [attrs.astuple(each) for each in given.overridden] == [("relu", "--pin relu=16a", "--pin relu=8a")]
    assert [(each.kept, each.missed) for each in given.wishes] == [(0, 0), (2, 0)]
    line = "relu: --pin relu=8a counts, not --pin relu=16a"
    assert line in text(given, verbose=True) and line not in text(given)


def test_the_json_of_wishes_holds_to_its_schema() -> None:
    document = json.loads(dumps(solve_json(result("conv@weight=16w", "relu=16a", "relu=8a"), "net")))
    jsonschema.validate(document, SCHEMA)
    assert document["wishes"][2] == {
        "where": "relu",
        "what": "8a",
        "strength": "pin",
        "words": "--pin relu=8a",
        "nodes": 1,
        "kept": 2,
        "missed": 0,
    }


def test_a_port_that_no_node_there_has_is_refused() -> None:
    ports = r"in\[0\], in\[1\], weight, in\[2\], out"
    with pytest.raises(UsageError, match=rf"--pin conv@in\[7\]=16a: no node there has a port 'in\[7\]'.*: {ports}"):
        counts("conv@in[7]=16a")
    with pytest.raises(UsageError, match="no node there has a port 'weight'"):
        counts("relu@weight=4w")
