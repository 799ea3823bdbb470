"""A solve of three blocks and the run that keeps it; and a file to damage."""

from __future__ import annotations

from pathlib import Path

import pytest

from qnnsolve import load_run
from qnnsolve.runs import Measurements, Run, Solved, save_run
from tests.runs.kept import blocks, facts, solved


@pytest.fixture(scope="module")
def made() -> Solved:
    return solved(facts(blocks(3)))


@pytest.fixture
def run(made: Solved, tmp_path: Path) -> Run:
    save_run(tmp_path / "run.qnn", made, model="blocks")
    return load_run(tmp_path / "run.qnn")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "whole.qnn"
    with Measurements.open(path, "a key") as measurements:
        for at in range(20):
            measurements.put("noise", f"linear_0 -> soft_{at}", [at, 2.5**-at])
        measurements.finish(lambda partial: save_run(partial, solved(facts(blocks(1))), model="blocks"))
    return path


@pytest.fixture
def plain(made: Solved, tmp_path: Path) -> Path:
    """A run without measurements."""
    save_run(tmp_path / "plain.qnn", made)
    return tmp_path / "plain.qnn"


@pytest.fixture
def path(whole: Path, tmp_path: Path) -> Path:
    found = tmp_path / "run.qnn"
    found.write_bytes(whole.read_bytes())
    return found
