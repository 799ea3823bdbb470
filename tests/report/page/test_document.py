"""What is in a page, and that nothing in it can be more than text."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from qnnsolve.errors import UsageError
from qnnsolve.questions import Opened, PlaceVerdict, places, why_not
from qnnsolve.report.page import document, html, write_page
from qnnsolve.report.page.html import SCRIPTS, embedded
from qnnsolve.results import Status
from qnnsolve.rules.wish_text import parse_wish
from qnnsolve.rules.wishes import Strength
from qnnsolve.runs import Solved, load_run, save_run
from tests.report.page.browser import BAD_NAMES, hostile, kept, renamed, without_modules
from tests.report.page.outcomes import compared, exported, searched
from tests.runs.kept import OPS, blocks, contradiction, facts, solved


@pytest.fixture
def shown(tmp_path: Path) -> Any:
    return document(kept(solved(facts(blocks(3))), tmp_path))


def _module(shown: Any, path: str) -> Any:
    return next(each for each in shown["modules"] if each["path"] == path)


def test_every_call_is_there_with_what_was_decided(tmp_path: Path) -> None:
    run = kept(solved(facts(blocks(3))), tmp_path)
    shown, result = document(run), run.result
    names = {node["name"]: node for node in shown["nodes"]}
    assert list(names) == ["x", *(record.name for record in result.nodes)]
    encodings = [each["name"] for each in shown["encodings"]]
    for record in result.nodes:
        node = names[record.name]
        assert node["placement"] == record.placement.value and node["op"] == record.qnn_op
        assert [each["reason"] for each in node["deviations"]] == [each.reason for each in record.deviations]
        chosen = {port["name"]: port["chosen"] for port in node["inputs"]}
        assert {name: encodings[at] for name, at in chosen.items()} == dict(record.inputs)
        assert encodings[node["output"]["chosen"]] == record.output
    assert sum(node["cost"] for node in shown["nodes"]) == result.cost == shown["cost"]
    assert len(shown["converts"]) == len(result.converts) > 0


def test_ports_say_which_is_a_weight_and_what_could_have_been(shown: Any) -> None:
    node = next(node for node in shown["nodes"] if node["name"] == "linear_0")
    assert [port["role"] for port in node["inputs"]] == ["activation", "weight", "bias"]
    weight = node["inputs"][1]
    assert weight["from"] is None and weight["shape"] == "float32[8, 8]" and weight["why"] == []
    candidates = shown["sets"][weight["set"]]
    assert weight["chosen"] in candidates and weight["asked"] in candidates and len(candidates) > 1
    assert shown["lines"][node["line"]] == ["model.py", 10, "x = linear_0"]


def test_a_port_that_deviates_says_why(shown: Any) -> None:
    mixed = {node["name"]: node["inputs"][1]["why"] for node in shown["nodes"] if node["op"] == "MatMul"}
    assert "cannot be s16 on V68" in mixed["mixed_0"][0] and len(mixed["mixed_0"]) >= 3
    assert any("16a8w" in step for step in mixed["mixed_0"]) and any("[QC001]" in step for step in mixed["mixed_0"])
    assert mixed["mixed_1"] == ["its steps stand at mixed_0, a node that looks like this one"]


def test_every_candidate_has_a_price_and_what_is_refused_has_steps(tmp_path: Path) -> None:
    run = kept(solved(facts(blocks(2))), tmp_path)
    shown = document(run)
    nodes = {node["name"]: node for node in shown["nodes"]}
    names = [each["name"] for each in shown["encodings"]]
    port = nodes["mixed_0"]["inputs"][1]
    offers = dict(zip((names[at] for at in shown["sets"][port["set"]]), shown["prices"][port["prices"]], strict=True))
    opened = Opened.of(run)
    (place,) = places(opened, "mixed_0.in[1]")
    for name, offer in offers.items():
        answer = why_not(opened, place, name)
        if answer.verdict is PlaceVerdict.OFF:
            assert offer == [answer.price]
        else:
            assert offer == (False if answer.verdict is PlaceVerdict.IMPOSSIBLE else answer.price or 0)
    steps = {names[shown["sets"][port["set"]][int(at)]]: shown["refusals"][of] for at, of in port["refused"].items()}
    assert "s16" in steps and "takes no" in steps["s16"][0] and "(measured with QNN" in steps["s16"][0]
    assert "by (1)" not in steps["s16"][0]
    assert shown["nodes"][nodes["mixed_1"]["inputs"][1]["alike"]]["name"] == "mixed_0"
    assert shown["unpriced"] == []


def test_what_is_not_priced_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = kept(solved(facts(blocks(1))), tmp_path)
    monkeypatch.setattr("qnnsolve.report.page.explaining.MOST_REFUSALS", 2)
    left_out = document(run)["unpriced"]
    assert len(left_out) == 1 and left_out[0].startswith("Why candidates are refused is told at the first 2; ")
    monkeypatch.setattr("qnnsolve.report.page.explaining.prices_of_all", lambda opened: {})
    assert "is not known at" in document(run)["unpriced"][0]


def test_what_came_of_an_export_and_a_search_is_there(tmp_path: Path) -> None:
    save_run(tmp_path / "run.qnn", solved(facts(blocks(1))), model="m", export=exported(), search=searched())
    run = load_run(tmp_path / "run.qnn")
    assert run.search == searched()
    shown = document(run)
    assert shown["export"]["verdict"] == "rounding" and shown["export"]["delegates"] == 1
    assert shown["export"]["said"][0].startswith("Emulator agrees with the converted model but for rounding")
    (output,) = shown["export"]["outputs"]
    assert output["emulator"] == "30.0 dB (worst 29.0), 2 samples" and output["error"].startswith("2 % of its range")
    front = shown["search"]
    assert [point["x"] for point in front["points"]] == [1000.0, 2000.0] and front["axis"] == "weights"
    assert front["points"][0]["differs"] == [[names(shown).index("gelu_0"), "gelu_0", "u8"]]
    assert front["uniforms"][0]["measured"] == "inf" and front["sensitivities"][0][0] == names(shown).index("mixed_0")
    assert json.loads(embedded(shown)) == shown
    assert document(solved(facts(blocks(1))))["search"] is None


def names(shown: Any) -> list[str]:
    return [node["name"] for node in shown["nodes"]]


def test_deviations_cite_their_sources(shown: Any) -> None:
    found = [each for node in shown["nodes"] for each in node["deviations"]]
    assert found and all(each["sources"] for each in found if each["rule"] == "QC001")
    assert {shown["sources"][at]["kind"] for each in found for at in each["sources"]} == {"measured"}


def test_alike_numbered_neighbours_are_folded(tmp_path: Path) -> None:
    shown = document(kept(solved(facts(blocks(6))), tmp_path))
    groups = [[shown["modules"][at]["name"] for at in group] for group in _module(shown, "layers")["fold"]]
    assert [name for group in groups for name in group] == [str(at) for at in range(6)]
    assert max(map(len, groups)) >= 4


def test_what_is_not_numbered_or_of_another_shape_is_not_folded(tmp_path: Path) -> None:
    paths = {node.name: node.module_path.replace("layers.", "layers.b") for node in blocks(4) if node.module_path}
    shown = document(kept(solved(facts(renamed(blocks(4), paths))), tmp_path))
    assert all(len(group) == 1 for group in _module(shown, "layers")["fold"])
    from qnnsolve.report.page.modules import module_tree, modules_json

    looks = ["8", "8", "16"]
    apart = modules_json(module_tree(["l.0", "l.1", "l.2"]), list(looks))
    assert [[apart[at]["name"] for at in group] for group in apart[1]["fold"]] == [["0", "1"], ["2"]]


def test_modules_may_be_very_deep() -> None:
    from qnnsolve.report.page.modules import module_tree, modules_json

    assert len(modules_json(module_tree([".".join("m" * 5000)]), ["x"])) == 5001


def test_a_conflict_is_shown_with_its_graph(tmp_path: Path) -> None:
    shown = document(kept(contradiction(), tmp_path))
    assert shown["status"] == Status.UNSATISFIABLE.value and shown["verdict"].startswith("unsatisfiable: 1 conflict")
    assert shown["conflicts"][0]["nodes"] and "--pin a" in json.dumps(shown["conflicts"])
    assert len(shown["nodes"]) == OPS + 1 and all(node["output"]["chosen"] is None for node in shown["nodes"])


def test_no_name_can_end_the_script(tmp_path: Path) -> None:
    shown = document(kept(hostile(), tmp_path, "</script><!--"))
    page = html(shown)
    inside = re.search(r'<script type="application/json" id="document">(.*?)</script>', page, re.DOTALL)
    assert inside is not None and json.loads(inside[1]) == shown
    assert not set(inside[1]) & set("<>&\u2028\u2029")
    assert any(name in json.loads(inside[1])["modules"][3]["path"] for name in BAD_NAMES)
    assert page.count("<script") == page.count("</script>") == len(SCRIPTS) + 1


def test_half_a_surrogate_pair_is_text_too() -> None:
    assert json.loads(embedded({"name": "a\udc80b"})) == {"name": "a\udc80b"}


def test_the_policy_lets_only_our_scripts_run(shown: Any) -> None:
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html(shown))
    assert policy is not None and policy[1].startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy[1] and "http" not in policy[1] and policy[1].count("sha256-") == len(SCRIPTS) + 1
    assert "Chris Pettitt" in html(shown)


def test_a_page_of_three_thousand_nodes_is_small(tmp_path: Path) -> None:
    shown = document(kept(solved(facts(without_modules(375))), tmp_path))
    assert len(shown["nodes"]) == 3001
    assert len(html(shown)) < 3_000_000


def test_the_same_run_has_the_same_page(tmp_path: Path) -> None:
    run = kept(solved(facts(blocks(2))), tmp_path)
    write_page(run, tmp_path / "a.html")
    write_page(run, tmp_path / "b.html")
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.html", "b.html", "run.qnn"]


@pytest.mark.parametrize("solve", [lambda: solved(facts(blocks(2))), contradiction], ids=["solution", "conflict"])
def test_a_solve_and_the_run_that_keeps_it_have_the_same_page(solve: Callable[[], Solved], tmp_path: Path) -> None:
    made = solve()
    run = kept(made, tmp_path)
    assert html(document(made, run.about["model"])) == html(document(run))


def test_a_run_is_never_overwritten_by_its_page(tmp_path: Path) -> None:
    run = kept(solved(facts(blocks(1))), tmp_path)
    before = (tmp_path / "run.qnn").read_bytes()
    with pytest.raises(UsageError, match="would be overwritten"):
        write_page(run, tmp_path / "run.qnn")
    with pytest.raises(UsageError, match="does not exist"):
        write_page(run, tmp_path / "none" / "page.html")
    assert (tmp_path / "run.qnn").read_bytes() == before


def test_conflicts_of_pins_are_told_in_steps_with_the_ways_out() -> None:
    pins = ("gelu_0@in[0]=u8", "gelu_0@out=u16")
    wishes = [parse_wish(pin, Strength.PIN, f"--pin {pin}") for pin in pins]
    shown = document(solved(facts(blocks(1), wishes=wishes)))
    (conflict,) = shown["conflicts"]
    assert conflict["text"] == "--pin gelu_0@in[0]=u8 and --pin gelu_0@out=u16 cannot hold together"
    assert conflict["constraints"][0].startswith("because gelu_0") and "gelu_0" in conflict["nodes"]
    assert all(0 <= at < len(shown["sources"]) for at in conflict["sources"])
    assert len([line for line in shown["ways_out"] if "give up" in line]) == 2
    assert document(solved(facts(blocks(1))))["ways_out"] == []


def test_a_comparison_stands_at_its_nodes_and_its_first_loss_in_the_verdict(tmp_path: Path) -> None:
    solve, found = solved(facts(blocks(1))), compared()
    save_run(tmp_path / "run.qnn", solve, compare=found)
    shown = document(load_run(tmp_path / "run.qnn"))
    assert shown["compare"] == document(solve, compare=found)["compare"]
    names = [node["name"] for node in shown["nodes"]]
    figures = {names[int(at)]: each for at, each in shown["compare"]["nodes"].items()}
    assert list(figures) == [node.name for node in found.nodes]
    assert figures["gelu_0"]["own"] == [35.0, 34.0] and figures["gelu_0"]["emulator"]["own"] == [12.0, 11.0]
    assert figures["add_0"]["own"] == ["inf", "inf"]
    assert "first node below 20 dB: gelu_0 (own error of the emulator" in shown["verdict"]
    alone = attrs.evolve(found, nodes=found.nodes[:1])
    assert "below" not in document(solve, compare=alone)["verdict"]
    assert document(solve)["compare"] is None
