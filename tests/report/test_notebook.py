"""What a notebook shows of answers: everything of them, as text that can do nothing."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest

from qnnsolve import ask, load_run
from qnnsolve.questions import Opened, alternatives, difference, places, ports_of, what_if, why, why_not
from qnnsolve.report.notebook import html_of, page_of
from qnnsolve.results import Shown
from qnnsolve.runs import Run, save_run
from tests.report.page.browser import BAD_NAMES, opened
from tests.report.page.outcomes import exported, searched
from tests.runs.kept import blocks, contradiction, facts, solved

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    save_run(tmp_path / "run.qnn", solved(facts(blocks(2))), model="a net")
    return load_run(tmp_path / "run.qnn")


def shown(answer: Any) -> str:
    assert isinstance(answer, Shown)
    told: str = answer._repr_html_()
    return told


def test_a_solve_and_its_run_are_tables(run: Run) -> None:
    told = shown(run)
    assert "a net for SM8350 (HTP V68) at 16a8w" in told and "satisfiable: 6 deviations" in told
    assert told.count("<td>mixed_1</td>") == 3  # a deviation, a convert, a node
    assert "model for SM8350" in shown(run.result) and "all 16 nodes" in shown(run.result)
    assert "cannot hold" in shown(contradiction().result) or "Conflicts" in shown(contradiction().result)


def test_of_many_rows_the_first_are_shown() -> None:
    told = shown(solved(facts(blocks(30))).result)
    assert "all 240 nodes" in told and "<p>and 40 more</p>" in told


def test_an_export_shows_its_outputs() -> None:
    told = shown(exported())
    assert "Program: net.pte" in told and "Emulator agrees with the converted model but for rounding" in told
    assert '<td data-by="30.0">30.00 dB</td>' in told and "nobody &lt;b&gt;knows&lt;/b&gt;" in told


def test_a_search_shows_its_points() -> None:
    told = shown(searched())
    assert "<td>point 2</td>" in told and '<td data-by="1000.0">1 kB</td>' in told
    assert '<td data-by="1e+30">inf dB</td>' in told and "linear_0 -&gt; mixed_0" in told


def test_answers_of_questions(run: Run) -> None:
    opened_run = Opened.of(run)
    (place,) = places(opened_run, "mixed_0.in[1]")
    assert "mixed_0 in[1] is u8: it cannot be s16 on V68" in shown(why(opened_run, place)[0])
    dearer = why_not(opened_run, place, "s8")
    assert "costs 48 more" in shown(dearer) and "Other encodings" in shown(dearer)
    assert '<td data-by="48">48</td>' in shown(alternatives(opened_run, place.node))
    assert "3 answers" not in shown(ask(run, 'node(N, "Gelu")')) and "<td>gelu_1</td>" in shown(
        ask(run, 'node(N, "Gelu")')
    )
    _, found = what_if(opened_run, soc="SM8550")
    assert "Other encodings" in shown(found)
    one = (run.result, run.facts, ports_of(run.facts, run.encodings))
    assert "the same config" in shown(difference(one, one))


def test_conflicts_and_ways_out() -> None:
    from qnnsolve.questions import Clash, ExplanationStep, Repair

    clash = Clash(("--pin <a>",), ("x",), (ExplanationStep("it is so", "QC001"),), ("try",))
    assert "it is so [QC001]" in shown(clash) and "hint: try" in shown(clash)
    assert "--pin &lt;a&gt;" in shown(Repair(("--pin <a>",), "", 2, ("x is u8",), 7))


def test_no_name_becomes_more_than_text(run: Run) -> None:
    for name in BAD_NAMES:
        nodes = tuple(attrs.evolve(node, name=name, module_path=name) for node in run.result.nodes)
        told = html_of(attrs.evolve(run.result, nodes=nodes, precision=name))
        inside = re.sub(r"<style>.*?</style>|<script>.*?</script>", "", told, flags=re.DOTALL)
        allowed = "div|pre|span|table|caption|thead|tbody|tr|th|td|details|summary|p"
        assert re.findall(rf"<(?!/?(?:{allowed})\b)", inside) == []
        assert not re.search("[\u2028\u202a-\u202e]", told) and told.count("<script") == 1


def test_what_is_no_answer_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^int is no answer of qnnsolve$"):
        html_of(3)


def test_the_page_without_a_notebook_is_the_notebook_s(tmp_path: Path) -> None:
    page = tmp_path / "notebook.html"
    subprocess.run(
        [sys.executable, "-m", "examples.notebook_page", str(page)], check=True, cwd=ROOT, capture_output=True
    )
    told = page.read_text()
    assert told.count('<div class="qnnsolve">') == 6 == told.count("<section>")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', told)
    assert (
        policy is not None
        and policy[1].startswith("default-src 'none'; script-src 'sha256-")
        and "unsafe" not in policy[1]
    )
    assert "FullyConnected on V68" in told and "point 3" in told and "conv2d_2" in told


@pytest.mark.slow
def test_columns_sort_where_scripts_run(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "notebook.html"
    path.write_text(page_of("t", [("x", run), ("y", searched())]).replace("<html", "<html data-ready=yes"))
    with opened(path) as page:
        first = page.locator("table", has_text="uniform candidates").locator("tbody tr td:first-child")
        page.locator("th button", has_text="weights").click()
        assert first.all_inner_texts() == ["point 1", "8a8w", "point 2"]
        page.locator("th button", has_text="weights").click()
        assert first.all_inner_texts() == ["point 2", "8a8w", "point 1"]
        page.locator("table").first.locator("th button", has_text="node").click()
        assert page.locator("table").first.locator("tbody td:first-child").all_inner_texts()[0] == "mixed_0"
        assert page.locator("th[aria-sort]").count() == 2
