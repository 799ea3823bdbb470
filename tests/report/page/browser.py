"""A headless Chromium that opens pages from disk, and pages to open."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from qnnsolve.facts.graph import Graph, Node
from qnnsolve.report.page import document, html
from qnnsolve.runs import Run, Solved, load_run, save_run
from tests.runs.kept import blocks, facts, solved

REQUIRED = "QNNSOLVE_BROWSER_REQUIRED"
"""Set where a test without a browser is a failure: in CI."""
BAD_NAMES = (
    "</script><script>window.ran = 1</script>",
    '<img src="x" onerror="window.ran = 1">',
    "n" * 550,
    "\u202egnihton\u202c \u05d0\u05d1 & \u2028 \"quoted\" 'twice' @@POLICY@@",
    "--><b>&lt;",
)


def chromium() -> str:
    """Its path. Where there is none the test is skipped, but not where one is :data:`REQUIRED`."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        needed = "no chromium here: apt-get install chromium, or name one in CHROMIUM"
        if os.environ.get(REQUIRED):
            pytest.fail(needed)
        pytest.skip(needed)
    return found


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The page, once it is drawn; whatever it logs as an error, or asks of a network, fails the test."""
    playwright = pytest.importorskip("playwright.sync_api") if not os.environ.get(REQUIRED) else _playwright()
    wrong: list[str] = []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
        try:
            page = browser.new_page(viewport={"width": 1400, "height": 860})
            page.on("pageerror", lambda error: wrong.append(str(error)))
            page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
            page.on("request", lambda asked: wrong.append(asked.url) if not asked.url.startswith("file:") else None)
            page.goto(path.as_uri())
            page.wait_for_selector("html[data-ready=yes]", timeout=60_000)
            yield page
        finally:
            browser.close()
    assert wrong == []


def _playwright() -> Any:
    import playwright.sync_api

    return playwright.sync_api


def kept(solve: Solved, folder: Path, model: str = "a net") -> Run:
    save_run(folder / "run.qnn", solve, model=model)
    return load_run(folder / "run.qnn")


def written(run: Run, folder: Path) -> Path:
    path = folder / "page.html"
    path.write_text(html(document(run)), encoding="utf-8")
    return path


def renamed(graph: Graph, paths: dict[str, str]) -> Graph:
    """The graph with other module paths, by node name."""
    return Graph.of(tuple(attrs.evolve(node, module_path=paths.get(node.name, node.module_path)) for node in graph))


def hostile() -> Solved:
    """Modules and source lines with names that try to run, or to spoil the page."""
    nodes = [node for node in blocks(len(BAD_NAMES)) if node.module_path]
    paths = {node.name: f"top.{BAD_NAMES[int(node.name.rpartition('_')[2])]}" for node in nodes}
    return solved(facts(renamed(blocks(len(BAD_NAMES)), paths)))


def without_modules(number: int) -> Graph:
    """So many blocks, none of which is in a module."""

    def bare(node: Node) -> Node:
        return attrs.evolve(node, module_path="")

    return Graph.of(tuple(map(bare, blocks(number))))
