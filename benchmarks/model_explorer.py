"""Overlays in Model Explorer itself: its web app, in a headless Chromium, shows every value of ours at a node.

``python -m benchmarks.model_explorer PACKAGES``: a folder in which these were installed, none of which the project
needs (45 MB)::

    pip install --target PACKAGES --no-deps ai-edge-model-explorer pte-adapter-model-explorer
    pip install --target PACKAGES dacite flask requests termcolor watchdog portpicker

A small convolutional network, and six blocks of attention behind a recurrent layer, are exported with one kind of op
on the CPU. Each overlay is laid over the ``.pt2`` and over the ``.pte``. The table of node data has a row per node of
the graph, with ``-`` where no key of the overlay is a node's. As a check of the check, one key is spoiled, and its
value must be gone.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from examples.small import cnn
from qnnsolve import export
from tests.report.page.browser import chromium

OTHERS = {"vgf_adapter_model_explorer": "VGFAdapter", "tosa_adapter_model_explorer": "TosaFlatbufferAdapter"}
"""What the adapter of ``.pte`` imports, and uses for other backends' delegates alone: an empty class does."""
ROWS = """[...document.querySelectorAll("table.results tbody tr")]
  .map((row) => [...row.cells].map((cell) => cell.innerText.trim()))"""
"""The cells of its table of the nodes' data, 50 rows at a time."""
NEXT = ".table-container.results .next-page:not(.disabled)"
WAIT = 120.0
"""Seconds for the server to start, and for the page to be drawn."""


def main() -> None:
    """Print a line per graph; exit 1 where a value is not shown."""
    packages = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model, inputs, _ = cnn()
        wrong = _wrong(packages, folder, "cnn", model, inputs, "relu_1=cpu")
        wrong += _wrong(packages, folder, "attention", Blocks().eval(), (torch.randn(1, 8, 32),), "bmm=cpu")
    sys.exit(1 if wrong else 0)


class Blocks(torch.nn.Module):
    """What ExecuTorch and qnnsolve take apart: a recurrent layer, six times attention, a gate."""

    def __init__(self) -> None:
        super().__init__()
        self.before = torch.nn.GRU(32, 32, batch_first=True)
        self.norms = torch.nn.ModuleList(torch.nn.LayerNorm(32) for _ in range(6))
        self.blocks = torch.nn.ModuleList(torch.nn.MultiheadAttention(32, 2, batch_first=True) for _ in range(6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Of tokens (batch, position, 32)."""
        x, _ = self.before(x)
        for norm, block in zip(self.norms, self.blocks, strict=True):
            y = norm(x)
            x = x + block(y, y, y, need_weights=False)[0]
        return torch.nn.functional.silu(x)


def _wrong(packages: Path, folder: Path, name: str, model: torch.nn.Module, inputs: tuple[Any, ...], pin: str) -> int:
    """In how many graphs of ``model`` something is not shown as the overlay has it; a line for each."""
    torch.export.save(torch.export.export(model, inputs), folder / f"{name}.pt2")
    data, program = folder / f"{name}.json", folder / f"{name}.pte"
    export(model, inputs, soc="SM8350", precision="16a16w", pin=pin, out=program, overlay=data, verify=False)
    made = json.loads(data.read_text())
    wrong = 0
    for file, graph in ((f"{name}.pt2", "graph"), (f"{name}.pte", "forward")):
        results = made[graph]["results"]
        values = Counter(each["value"] for each in results.values())
        shown = _shown(packages, folder / file, data)
        blank = shown.pop("-", 0)
        print(f"{file}: {values.total()} values, {shown.total()} shown, {blank} nodes without one", flush=True)
        wrong += shown != values
        key, lost = next(iter(results.items()))
        spoiled = {**made, graph: {**made[graph], "results": {**results, f"{key} ": lost}}}
        del spoiled[graph]["results"][key]
        (folder / "spoiled.json").write_text(json.dumps(spoiled))
        left = _shown(packages, folder / file, folder / "spoiled.json")
        wrong += left[lost["value"]] != values[lost["value"]] - 1
    return wrong


def _shown(packages: Path, model: Path, data: Path) -> Counter[str]:
    """How often each value stands in the table of node data."""
    with _server(packages, model, data) as address, _page(address) as page:
        rows: list[list[str]] = page.evaluate(ROWS)
        while page.query_selector(NEXT):
            page.click(NEXT)
            page.wait_for_function(f"({ROWS})[0][0] == '{len(rows)}'", timeout=WAIT * 1000)
            rows += page.evaluate(ROWS)
    return Counter(row[2] for row in rows if len(row) == 3)


@contextlib.contextmanager
def _server(packages: Path, model: Path, data: Path) -> Iterator[str]:
    """Model Explorer's own server, and the address at which it shows ``model`` with ``data``."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "model_explorer", "--port", str(port), "--no_open_in_browser"]
    command += ["--skip_health_check", "--extensions", "pte_adapter_model_explorer"]
    command += ["--node_data_paths", str(data), str(model)]
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryDirectory() as others:
        for name, unused in OTHERS.items():
            (Path(others) / name).mkdir()
            (Path(others) / name / "main.py").write_text(f"class {unused}: ...\n")
        path = os.pathsep.join([str(packages), others, *sys.path])
        child = subprocess.Popen(command, stdout=said, stderr=said, env={**os.environ, "PYTHONPATH": path})
        try:
            end = time.monotonic() + WAIT
            while time.monotonic() < end and child.poll() is None:
                said.seek(0)
                if found := re.search(r"^(http\S+)", said.read(), re.MULTILINE):
                    yield found[1]
                    return
                time.sleep(0.2)
            said.seek(0)
            sys.exit(f"Model Explorer does not start: {said.read()[-2000:]}")
        finally:
            child.terminate()
            child.wait()


@contextlib.contextmanager
def _page(address: str) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium(), args=flags)
        try:
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            page.goto(address)
            page.wait_for_function(f"({ROWS}).length > 0", timeout=WAIT * 1000)
            yield page
        finally:
            browser.close()


if __name__ == "__main__":
    main()
