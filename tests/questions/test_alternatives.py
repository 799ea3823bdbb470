"""The legal configs around a node and their prices are those of brute force; what is cut off is said."""

from __future__ import annotations

import importlib
import itertools
import json
from pathlib import Path

import jsonschema
import pytest

from qnnsolve import load_run
from qnnsolve.cli import main
from qnnsolve.constraints import Allow
from qnnsolve.errors import UsageError
from qnnsolve.questions import Opened, alternatives
from qnnsolve.reasons import Reason
from qnnsolve.runs import save_run
from qnnsolve.solver import Solution
from tests.runs.kept import blocks, facts, solved

SCHEMA = Path(__file__).parents[2] / "qnnsolve" / "schema" / "alternatives-1.json"
MODULE = importlib.import_module("qnnsolve.questions.alternatives")
ASKED = Reason.in_words("TEST", "asked")


@pytest.fixture(scope="module")
def opened() -> Opened:
    return Opened.of(solved(facts(blocks(2))))


def brute_force(opened: Opened, name: str) -> dict[tuple[tuple[str, str], ...], int]:
    ports = opened.sites_of[name]
    found = {}
    for row in itertools.product(*(opened.problem.domains[site] for _, site in ports)):
        pins = [Allow(site, frozenset({each}), ASKED) for (_, site), each in zip(ports, row, strict=True)]
        outcome = opened.solved_with(pins)
        if isinstance(outcome, Solution):
            key = tuple((port.name, each.name) for (port, _), each in zip(ports, row, strict=True))
            found[key] = outcome.cost - opened.solution.cost
    return found


@pytest.mark.parametrize("name", ["scores_0", "turned_0", "soft_1", "add_0", "x"])
def test_all_of_them_with_their_prices_are_those_of_brute_force(opened: Opened, name: str) -> None:
    found = alternatives(opened, opened.facts.graph[name], limit=1000)
    assert not found.cut_off
    assert {each.encodings: each.price for each in found.found} == brute_force(opened, name)
    prices = [each.price for each in found.found]
    assert prices == sorted(prices) and prices[0] == 0
    assert [each.price for each in found.found if each.chosen] == [0]
    assert all(sum(tip.price for tip in each.tips) == each.price for each in found.found)


@pytest.mark.parametrize("limit", [1, 3, 7])
def test_a_limit_tells_the_cheapest_and_what_it_cut_off(opened: Opened, limit: int) -> None:
    node = opened.facts.graph["linear_0"]
    everything, few = alternatives(opened, node, limit=1000), alternatives(opened, node, limit=limit)
    assert [each.price for each in few.found] == [each.price for each in everything.found][:limit]
    assert f"the cheapest {limit}" in few.cut_off and few.tried < everything.tried


def test_within_a_price_no_dearer_one_is_told(opened: Opened) -> None:
    node = opened.facts.graph["linear_0"]
    prices = [each.price for each in alternatives(opened, node, limit=1000).found]
    within = prices[len(prices) // 2]
    near = alternatives(opened, node, within=within, limit=1000)
    assert [each.price for each in near.found] == [price for price in prices if price <= within]
    assert not near.cut_off and near.tried < len(prices)


def test_where_not_all_were_solved_it_says_so(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MODULE, "SOLVES", 2)
    monkeypatch.setattr(MODULE, "LISTED", 5)
    found = alternatives(opened, opened.facts.graph["linear_0"], limit=1000)
    assert found.cut_off == "2 of 5 combinations were solved; a cheaper one may be among the others"
    monkeypatch.setattr(MODULE, "SOLVES", 100)
    found = alternatives(opened, opened.facts.graph["linear_0"], limit=1000)
    assert found.cut_off == "only 5 combinations of its ports were looked at"


def test_the_command_prints_them_as_text_and_json(
    opened: Opened, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run.qnn"
    save_run(path, solved(facts(blocks(1))))
    assert main(["alternatives", str(path), "scores_0", "--limit", "3"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("scores_0 (aten.matmul.default) in layers.0") and "the answer" in out
    assert "3 legal configs of its ports; the cheapest 3" in out
    assert main(["alternatives", str(path), "op:aten.matmul", "--format", "json"]) == 0
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    document = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator(schema).validate(document)
    assert [node["node"] for node in document["nodes"]] == ["scores_0", "mixed_0"]
    fresh = Opened.of(load_run(path))
    assert (
        document["nodes"][0]["found"][1]["price"] == alternatives(fresh, fresh.facts.graph["scores_0"]).found[1].price
    )


def test_a_node_without_a_float_is_refused_in_one_line(opened: Opened) -> None:
    with pytest.raises(UsageError, match="w_0 carries no float, so there is nothing to choose"):
        alternatives(opened, opened.facts.graph["w_0"])
