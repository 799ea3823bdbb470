"""A solve of three blocks, and the run that keeps it."""

from __future__ import annotations

from pathlib import Path

import pytest

from qnnsolve import load_run
from qnnsolve.runs import Run, Solved, save_run
from tests.runs.kept import blocks, facts, solved


@pytest.fixture(scope="module")
def made() -> Solved:
    return solved(facts(blocks(3)))


@pytest.fixture
def run(made: Solved, tmp_path: Path) -> Run:
    save_run(tmp_path / "run.qnn", made, model="blocks")
    return load_run(tmp_path / "run.qnn")
