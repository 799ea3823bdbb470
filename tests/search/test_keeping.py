"""A search measures nothing twice, and takes nothing for what it is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import qnnsolve.search.study as studying
from qnnsolve import load_run, search_config
from qnnsolve.errors import UsageError
from qnnsolve.results import SearchResult, Status
from qnnsolve.search.keeping import Ledger, Memory
from tests.nets import ConvNet, images, seeded

SAMPLES = images(3)


def searched(model: torch.nn.Module, **settings: Any) -> SearchResult:
    return search_config(model, SAMPLES[0], calibration=SAMPLES, directions=2, **{"points": 2, **settings})


def told(result: SearchResult) -> tuple[object, ...]:
    return result.points, result.uniforms, result.sensitivities


class _Killed(BaseException):
    pass


def test_a_killed_search_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it was doing: nothing is put twice, and the front is that of a search that nobody killed."""
    model, out = seeded(ConvNet), tmp_path / "run.qnn"
    whole = searched(model)
    real: Any = studying.study
    put: list[tuple[str, str]] = []

    def killed(*args: Any) -> Any:
        *others, ledger = args
        return real(*others, _Mortal(ledger, put, lives[0]))

    monkeypatch.setattr(studying, "study", killed)
    lives = [0]
    for lives[0] in (1, 2, 1):
        with pytest.raises(_Killed):
            searched(model, out=out)
    monkeypatch.setattr(studying, "study", real)
    assert not out.exists()
    assert told(searched(model, out=out)) == told(whole)
    assert len(put) == len(set(put)) == 4
    assert load_run(out).status is Status.SATISFIABLE


class _Mortal(Memory):
    """Puts so many values and dies."""

    def __init__(self, ledger: Ledger, put: list[tuple[str, str]], lives: int) -> None:
        super().__init__()
        self._ledger, self._put, self._lives = ledger, put, lives

    def get(self, kind: str, name: str) -> Any | None:
        return self._ledger.get(kind, name)

    def put(self, kind: str, name: str, value: Any) -> None:
        if not self._lives:
            raise _Killed
        self._lives -= 1
        self._put.append((kind, name))
        self._ledger.put(kind, name, json.loads(json.dumps(value)))


def test_the_front_is_kept_and_in_the_page(tmp_path: Path) -> None:
    out, page = tmp_path / "run.qnn", tmp_path / "page.html"
    found = searched(seeded(ConvNet), out=out, report=page, model_name="a net")
    run = load_run(out)
    assert run.search == found and found.axis == "bit-ops"
    assert found.points[0].differs and found.points[-1].differs == ()
    assert {str(site): encoding.name for site, encoding in run.encodings.items()}.keys() >= dict(
        found.points[0].differs
    ).keys()
    assert '"title":"a net for SM8750' in page.read_text() and '"axis":"bit-ops"' in page.read_text()
    with pytest.raises(UsageError, match="would be overwritten"):
        searched(seeded(ConvNet), out=out, report=out)
    assert load_run(out).search == found


def test_other_budgets_measure_nothing_again(tmp_path: Path) -> None:
    model, out = seeded(ConvNet), tmp_path / "run.qnn"
    first = searched(model, out=out)
    again = searched(model, out=out, points=1)
    assert first.passes["backward"] and first.passes["measuring"]
    assert again.passes == {"forward": len(SAMPLES), "backward": 0, "trying": 0, "measuring": 0}
    assert told(searched(model, out=out)) == told(first)


@pytest.mark.parametrize("changed", ["weights", "data", "candidates", "directions", "outputs"])
def test_what_changed_is_measured_anew(tmp_path: Path, changed: str) -> None:
    model, out = seeded(ConvNet), tmp_path / "run.qnn"
    first = searched(model, out=out, points=1)
    settings: dict[str, Any] = {"points": 1, "directions": 2}
    samples = list(SAMPLES)
    if changed == "weights":
        with torch.no_grad():
            next(model.parameters()).mul_(1.01)
    elif changed == "data":
        samples[-1] = (samples[-1][0] * 1.01,)
    elif changed == "outputs":
        settings["weights"] = {0: 2.0}
    else:
        settings[changed] = {"candidates": "8a8w,16a4w", "directions": 3}[changed]
    again = search_config(model, SAMPLES[0], calibration=samples, out=out, **settings)
    assert again.passes["backward"] >= first.passes["backward"] > 0


def test_what_is_no_run_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    out = tmp_path / "notes.txt"
    out.write_text("mine")
    with pytest.raises(UsageError, match=r"notes\.txt"):
        searched(seeded(ConvNet), out=out)
    assert out.read_text() == "mine"


def test_a_model_without_a_float_output_is_refused() -> None:
    class Picks(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.relu(x).flatten(1).argmax(1)

    with pytest.raises(UsageError, match="no output counts"):
        searched(Picks())
