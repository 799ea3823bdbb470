"""The page in a real headless Chromium, opened from disk."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from qnnsolve.runs import load_run, save_run
from tests.report.page.browser import BAD_NAMES, hostile, kept, opened, without_modules, written
from tests.report.page.outcomes import compared, exported, searched
from tests.runs.kept import blocks, contradiction, facts, solved

pytestmark = pytest.mark.slow
PICTURE = Path(__file__).parents[3] / "docs" / "page.png"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    return written(kept(solved(facts(blocks(12))), folder), folder)


@pytest.fixture
def page(path: Path) -> Iterator[Any]:
    with opened(path) as page:
        yield page


def _about(page: Any) -> str:
    text: str = page.inner_text("#about")
    return text


def _axe(page: Any) -> list[Any]:
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [(each["id"], [node["html"] for node in each["nodes"]]) for each in found]


def _focus(page: Any) -> str:
    name: str = page.evaluate("document.activeElement.dataset.key || document.activeElement.id || ''")
    return name


def test_the_verdict_and_the_modules_are_seen(page: Any) -> None:
    assert "for SM8350 (HTP V68) at 16a8w" in page.inner_text("#title")
    assert page.inner_text("#verdict").startswith("satisfiable: ")
    rows = page.locator("[role=treeitem]").all_inner_texts()
    assert any("×" in row and "▲" in row for row in rows)
    painted = "c => new Set(new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer)).size"
    assert page.locator("#ribbon").evaluate(painted) > 3


def test_a_node_is_searched_clicked_and_explained(page: Any) -> None:
    page.fill("#search", "mixed_7 matmul")
    assert page.inner_text("#found") == "1 node"
    page.click(".hit")
    assert _about(page) == "MatMul mixed_7"
    told = page.inner_text("#panel")
    assert "layers.7" in told and "model.py:10: x = mixed_7" in told
    assert "because MatMul on V68 takes no" in told and "measured: " in told and "candidates" in told
    assert "convert u16 → u8 from linear_7 to mixed_7" in told
    assert page.inner_text("#where") == "layers.7"
    page.click(".box:has-text('Softmax')")
    assert _about(page) == "Softmax soft_7"
    page.locator("#panel button.link", has_text="scores_7").click()
    assert _about(page) == "MatMul scores_7"


def test_a_filter_leaves_what_it_names(page: Any) -> None:
    page.select_option("#filter", "converts")
    found = int(page.inner_text("#found").split()[0])
    assert 0 < found < 96
    page.select_option("#filter", "cpu")
    assert page.inner_text("#found") == "0 nodes"
    page.select_option("#filter", "")
    assert page.is_visible("#tree") and page.is_hidden("#list")


def test_one_of_the_alike_modules_is_selected(page: Any) -> None:
    page.locator("[role=treeitem]", has_text="×").first.click()
    select = page.locator("#alike select")
    last = select.locator("option").last.inner_text()
    select.select_option(label=last)
    assert page.inner_text("#where") == f"layers.{last}"
    assert f"norm_{last}" in page.inner_text("#graph")


def test_the_keyboard_alone_gets_everywhere(page: Any) -> None:
    page.keyboard.press("/")
    assert _focus(page) == "search"
    page.keyboard.type("gelu")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert _about(page).endswith("gelu_1") and re.fullmatch(r"n\d+", _focus(page))
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert _about(page).endswith("add_1")
    page.keyboard.press("Escape")  # to the module around it
    assert page.inner_text("#where") == "layers"
    page.keyboard.press("Enter")
    assert page.inner_text("#where").startswith("layers.")
    page.keyboard.press("/")
    page.keyboard.press("Escape")
    page.locator('#tree [tabindex="0"]').focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowLeft")
    assert page.locator("[role=treeitem]").count() == 1
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#where") == "layers"
    held = "document.activeElement.closest('aside, nav, main')?.tagName"
    page.locator("#search").focus()
    order = []
    for _ in range(6):
        page.keyboard.press("Tab")
        order.append(page.evaluate(held))
    assert [each for at, each in enumerate(order) if each not in order[:at]][:3] == ["NAV", "MAIN", "ASIDE"]


def test_contrast_names_and_roles_pass_axe(page: Any) -> None:
    assert _axe(page) == []
    page.fill("#search", "mixed_0")
    page.keyboard.press("Enter")
    page.click("#panel details:not(.not) summary")
    assert "cannot be s16 on V68" in page.inner_text("#panel details:not(.not)")
    assert _axe(page) == []


def test_a_conflict_is_told_first(tmp_path: Path) -> None:
    with opened(written(kept(contradiction(), tmp_path), tmp_path)) as page:
        assert "unsatisfiable: 1 conflict" in page.inner_text("#verdict")
        assert "--pin a" in page.inner_text(".conflict")
        page.click(".conflict .link")
        assert "Conflicts" in page.inner_text("#panel")


def test_other_candidates_say_what_they_would_cost(page: Any) -> None:
    page.fill("#search", "mixed_7 matmul")
    page.click(".hit")
    page.locator("#panel details.not summary").nth(1).click()
    told = page.locator("#panel details.not").nth(1).inner_text()
    assert "s8: legal, the best config that has it costs 48 more" in told and "s16: no config has it" in told
    assert "float: only with more ops on the CPU, and 1,073,738,763 more" in told
    page.locator("#panel details.not .link:visible").click()
    assert _about(page) == "MatMul mixed_0"
    page.locator("#panel details.not summary").nth(1).click()
    assert "because MatMul on V68 with s16 at mixed_0 in[1] takes no" in page.inner_text("#panel")


def test_the_program_and_the_front_are_seen_and_clicked(tmp_path: Path) -> None:
    save_run(tmp_path / "run.qnn", solved(facts(blocks(1))), model="m", export=exported(), search=searched())
    with opened(written(load_run(tmp_path / "run.qnn"), tmp_path)) as page:
        told = page.inner_text("#panel")
        assert "Emulator agrees with the converted model but for rounding" in told and "30.0 dB (worst 29.0)" in told
        assert "nobody <b>knows</b>" in told
        assert page.locator("#front .mark").count() == 3
        assert "30.00 dB" in page.inner_text("#point")
        page.locator("#front [data-name='point 1']").click()
        assert "20.00 dB" in page.inner_text("#point") and "1 kB" in page.inner_text("#point")
        page.select_option("[aria-label=Point]", "8a8w")
        assert page.inner_text("#point h3") == "8a8w"
        page.locator("#front [data-name='point 2']").focus()
        page.keyboard.press("Enter")
        assert page.inner_text("#point h3") == "point 2" == page.input_value("[aria-label=Point]")
        page.locator("#front [data-name='point 1']").focus()
        page.keyboard.press("Enter")
        page.click("#point summary")
        assert _axe(page) == []
        page.click("#point details .link")
        assert _about(page) == "Gelu gelu_0"


def test_where_accuracy_is_lost_is_seen(tmp_path: Path) -> None:
    save_run(tmp_path / "run.qnn", solved(facts(blocks(1))), model="m", compare=compared())
    with opened(written(load_run(tmp_path / "run.qnn"), tmp_path)) as page:
        assert page.inner_text("#verdict").endswith(
            "; first node below 20 dB: gelu_0 (own error of the emulator against the converted model: 12.0 dB)"
        )
        assert "accumulated in the converted model: add_0" in page.inner_text("#firsts")
        assert "a <b>note</b>" in page.inner_text("#panel")
        lowest = "c => new Set(new Uint32Array(c.getContext('2d').getImageData(0, 32, c.width, 1).data.buffer)).size"
        assert page.locator("#ribbon").evaluate(lowest) == 4, "fine, near, lost, and the input without a figure"
        assert page.evaluate("document.getElementById('ribbon').clientHeight") >= 34
        assert "accumulated SQNR below 20 dB" in page.inner_text("#legend")
        page.select_option("#filter", "lost")
        assert page.inner_text("#found") == "2 nodes"
        page.click(".hit:has-text('gelu_0')")
        told = page.inner_text("#accuracy")
        assert "35.0 dB (worst sample 34.0)" in told and "25.0 dB" in told and "2 %" in told and "60 %" in told
        assert "12.0 dB" in told and "9 steps at most, 25 % of values apart: disagrees" in told
        assert _axe(page) == []


def test_without_a_comparison_the_page_tells_none(page: Any) -> None:
    assert page.locator("#filter option[value=lost]").count() == 0 and "SQNR" not in page.inner_text("body")
    assert page.evaluate("document.getElementById('ribbon').height") == 28


def test_bad_names_are_shown_and_never_run(tmp_path: Path) -> None:
    with opened(written(kept(hostile(), tmp_path, BAD_NAMES[0]), tmp_path)) as page:
        assert BAD_NAMES[0] in page.inner_text("#title")
        for number, name in enumerate(BAD_NAMES):
            page.fill("#search", f"gelu_{number}")
            page.keyboard.press("Enter")
            told = page.inner_text("#where")
            seen = re.sub(r"[\u2028\u202a-\u202e]", lambda sign: f"\\u{ord(sign[0]):04x}", name)
            assert told.startswith("top.") and told.endswith(seen.rpartition(".")[2])
        assert page.evaluate("window.ran") is None
        assert page.locator("img").count() == 0 and page.locator("#panel b").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_three_thousand_nodes_are_there_at_once(tmp_path: Path) -> None:
    """Within a bound that a slow machine keeps; ``benchmarks/page.py`` has the figures."""
    with opened(written(kept(solved(facts(without_modules(375))), tmp_path), tmp_path)) as page:
        drawn = page.evaluate("Number(document.documentElement.dataset.drawn)")
        assert 0 < drawn < 20_000
        assert page.locator(".box").count() <= 160
        assert page.inner_text("#page") == "part 1 of 26"
        page.click("#after")
        assert page.inner_text("#page") == "part 2 of 26"
        page.fill("#search", "add")
        assert page.inner_text("#found") == "375 nodes" and page.locator(".hit").count() < 40
        page.keyboard.press("ArrowUp")
        for _ in range(38):
            page.keyboard.press("PageDown")
        page.keyboard.press("Enter")
        assert _about(page).endswith("add_374") and page.inner_text("#page") == "part 26 of 26"


def test_pages_of_a_module_say_what_is_outside(page: Any) -> None:
    page.fill("#search", "norm_5")
    page.keyboard.press("Enter")
    assert page.locator(".outside").count() >= 1
    page.locator(".outside").first.click()
    assert page.inner_text("#where") == "layers.4"


def test_the_picture_in_the_docs_is_of_such_a_page(page: Any, tmp_path: Path) -> None:
    """With UPDATE_PICTURES=1 it is taken anew."""
    page.fill("#search", "mixed_7")
    page.keyboard.press("Enter")
    page.locator("#panel").focus()
    taken = page.screenshot(path=tmp_path / "page.png")
    if os.environ.get("UPDATE_PICTURES"):
        PICTURE.write_bytes(taken)
    assert PICTURE.read_bytes()[16:24] == taken[16:24], "another size"
    assert len(PICTURE.read_bytes()) < 200_000
