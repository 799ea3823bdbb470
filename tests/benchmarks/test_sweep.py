"""The sweep over functional forms: what it counts as wrong, how it packs, and a sample of it on the real compiler."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import benchmarks.sweep.__main__ as sweep
from benchmarks.sweep.__main__ import packs
from benchmarks.sweep.command import by_command
from benchmarks.sweep.form import Form, call
from benchmarks.sweep.forms import all_forms
from benchmarks.sweep.judge import faults, refusal
from benchmarks.sweep.library import by_library
from benchmarks.sweep.pack import Pack, by_export
from benchmarks.sweep.results import Results
from benchmarks.sweep.table import table

CONFIG = ("SM8350", "16a8w")
LIBRARY: dict[str, Any] = {"outputs": [80.0], "cpu": [], "encodings": ["aten.relu.default u16 -> u16 npu"], "said": []}
CHECK = {
    "rel": 0.02,
    "steps": 900,
    "bits": 16,
    "sqnr": 20.0,
    "converted": 60.0,
    "verdict": "rounding",
    "place": None,
}
EXPORTED: dict[str, Any] = {
    "pack": 2,
    "delegates": 1,
    "unannounced": [],
    "not on the CPU": [],
    "outputs": [CHECK],
    "unrunnable": [],
    "encodings": LIBRARY["encodings"],
}


@pytest.mark.parametrize(
    ("library", "exported", "words"),
    [
        ({}, {}, None),
        ({"outputs": [14.0]}, {}, "SQNR 14 dB and no word"),
        ({"outputs": [14.0], "said": ["it has few bits"]}, {}, None),
        ({"outputs": [float("-inf")]}, {}, "other shapes"),
        ({"outputs": [-3.0]}, {}, None),
        ({"outputs": [-30.0]}, {}, "30 % of the integers"),
        ({}, {"unannounced": ["aten.relu.default (relu)"]}, "unannounced"),
        ({}, {"not on the CPU": ["aten.relu.default (relu)"]}, "not there"),
        ({}, {"outputs": [CHECK, CHECK | {"verdict": "disagrees"}]}, "output 1: 2.00% off, 900 steps"),
        ({}, {"outputs": [CHECK | {"verdict": "disagrees", "place": "index 3 of axis 0"}]}, "at index 3 of axis 0"),
        ({}, {"encodings": []}, "other encodings"),
        ({}, {"exit": 0}, None),
        ({}, {"exit": 4}, "exit code 4"),
        ({}, {"exit": 0, "outputs": [CHECK | {"verdict": "disagrees"}]}, "exit code 0"),
        ({}, {"encodings": ["aten.clone.default u16 -> u16 none", *LIBRARY["encodings"]]}, None),
    ],
)
def test_each_fault_is_named(library: dict[str, Any], exported: dict[str, Any], words: str | None) -> None:
    found = list(faults(LIBRARY | library, EXPORTED | exported, "16a8w"))
    assert (words in " ".join(found)) if words else not found


def test_low_figures_are_no_fault_at_8_bits() -> None:
    assert not list(faults(LIBRARY | {"outputs": [14.0]}, None, "8a8w"))


def test_only_words_of_ones_own_are_a_refusal() -> None:
    ours = {"error": "UnsupportedGraphError: it says why", "refused": True}
    theirs = {"error": "HostBackendError: the compiler failed", "refused": True}
    assert refusal(ours) and not refusal(theirs)
    assert not list(faults(ours, ours, "16a8w"))
    assert list(faults(ours, EXPORTED, "16a8w"))
    assert list(faults(LIBRARY, theirs, "16a8w"))
    assert list(faults({"error": "KeyError: 3", "refused": False}, None, "16a8w"))


def test_what_fails_and_one_with_nothing_for_the_accelerator_are_alone(tmp_path: Path) -> None:
    results = Results(tmp_path / "sweep.jsonl")
    names = [f"form {index}" for index in range(100)]
    made = dict.fromkeys(names, LIBRARY)
    made["form 7"] = {"error": "KeyError: 3", "refused": False}
    made |= dict.fromkeys(names[90:], LIBRARY | {"encodings": ["aten.erf.default float -> float cpu"]})
    keys = {"path": "library", "soc": CONFIG[0], "precision": CONFIG[1]}
    results.add({**keys, "form": name} | record for name, record in made.items())
    found = list(packs(Results(tmp_path / "sweep.jsonl"), names, CONFIG))
    assert found[:2] == [["form 7"], ["form 90"]]
    assert sorted(name for pack in found[2:] for name in pack) == sorted(set(names) - {"form 7", "form 90"})
    assert max(map(len, found)) == 49
    assert max(map(len, packs(Results(tmp_path / "sweep.jsonl"), names, CONFIG, 10))) == 10


def test_forms_with_ops_on_the_cpu_have_packs_of_their_own(tmp_path: Path) -> None:
    results = Results(tmp_path / "sweep.jsonl")
    names = [f"form {index}" for index in range(100)]
    mixed = [name for index, name in enumerate(names) if index % 2]
    keys = {"path": "library", "soc": CONFIG[0], "precision": CONFIG[1]}
    results.add({**keys, "form": name, **LIBRARY, "cpu": ["erf"] * (name in mixed)} for name in names)
    found = list(packs(results, names, CONFIG))
    assert sorted(map(len, found)) == [25, 25, 50]
    assert all(set(pack) <= set(mixed) or not set(pack) & set(mixed) for pack in found)


def test_the_table_counts_and_lists(tmp_path: Path) -> None:
    results = Results(tmp_path / "sweep.jsonl")
    names = list(all_forms())[:2]
    for name, figure in zip(names, (80.0, 9.0), strict=True):
        key = {"soc": CONFIG[0], "precision": CONFIG[1], "form": name}
        results.add([{"path": "library", **key, **LIBRARY, "outputs": [figure]}, {"path": "export", **key, **EXPORTED}])
    page = table(results, names, [CONFIG])
    assert "| all | 2 | 1 | 2 | 0 | 1 |" in page
    assert f"- `{names[1]}`: SQNR 9 dB and no word" in page


def test_the_table_tells_apart_what_older_code_gave(tmp_path: Path) -> None:
    results = Results(tmp_path / "sweep.jsonl")
    names = list(all_forms())[:2]
    for name, code in zip(names, ({"code": "abc123"}, {}), strict=True):
        key = {"soc": CONFIG[0], "precision": CONFIG[1], "form": name}
        results.add(
            [{"path": "library", **key, **LIBRARY, "code": "abc123"}, {"path": "export", **key, **EXPORTED} | code]
        )
    page = table(Results(tmp_path / "sweep.jsonl"), names, [CONFIG])
    assert "By the library: 2 at `abc123`. By exports: 1 at `abc123`, 1 at `unknown`." in page


def test_the_table_tells_what_came_by_the_command_line(tmp_path: Path) -> None:
    results = Results(tmp_path / "sweep.jsonl")
    names = list(all_forms())[:2]
    for name, code in zip(names, (0, 70), strict=True):
        key = {"soc": CONFIG[0], "precision": CONFIG[1], "form": name, "code": "abc123"}
        made = [{"path": path, **key, **EXPORTED, "exit": code} for path in ("export", "module", "archive")]
        results.add([{"path": "library", **key, **LIBRARY}, *made])
    page = table(results, names, [CONFIG])
    assert "as they should be are 1 of 2 of a Python file and 1 of 2 of a `.pt2` (`abc123`)." in page
    assert f"- `{names[1]}`: of a `.pt2`: exit code 70" in page


@pytest.mark.slow
def test_a_form_by_the_command_line_is_what_an_export_gives() -> None:
    form = all_forms()["min dim indices"]
    ((_, exported),) = by_export([form], *CONFIG)
    for archive in (False, True):
        assert dict(by_command([form], *CONFIG, archive=archive)) == {form.name: exported | {"exit": 0}}


def test_what_older_code_gave_is_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "code_state", lambda: "new")
    results = Results(tmp_path / "sweep.jsonl")
    names = list(all_forms())[:3]
    for name, code in zip(names, ("new", "old", "new+"), strict=True):
        key = {"path": "library", "soc": CONFIG[0], "precision": CONFIG[1], "form": name}
        results.add([key | LIBRARY | {"code": code}])
    asked = {("library", *CONFIG, name) for name in names}
    assert set(sweep.stale(results, asked)) == {("library", *CONFIG, name) for name in names[1:]}


def test_there_are_forms_enough() -> None:
    assert len(all_forms()) >= 600


def test_a_form_is_the_same_in_every_process() -> None:
    form = all_forms()["conv2d kernel3 stride2"]
    assert torch.equal(form.samples()[0][0], form.samples()[0][0])
    assert torch.equal(form.module()(*form.samples()[0]), form.module()(*form.samples()[0]))


def test_a_pack_returns_what_its_forms_do() -> None:
    forms = [call("one", lambda x: (x + 1, None), (2, 3)), call("two", lambda x, y: {"sum": x + y}, (3,), (3,))]
    inputs = [tensor for form in forms for tensor in form.samples()[0]]
    (first, none), (second,) = Pack(forms)(*inputs)
    assert none is None
    assert torch.equal(first, inputs[0] + 1)
    assert torch.equal(second, inputs[1] + inputs[2])


def _sample() -> list[Form]:
    """Every 53rd form, the same on each machine, and some that were wrong."""
    forms = all_forms()
    return [
        *list(forms.values())[5::53],
        *(forms[name] for name in ("interpolate 3d trilinear", "log_softmax scattered")),
    ]


@pytest.mark.slow
def test_a_sample_of_the_sweep_is_as_it_should_be() -> None:
    forms = _sample()
    library = {form.name: by_library(form, *CONFIG) for form in forms}
    fit = [form for form in forms if "error" not in library[form.name]]
    exported = dict(by_export(fit, *CONFIG))
    wrong = {form.name: list(faults(library[form.name], exported.get(form.name), CONFIG[1])) for form in forms}
    assert {name: found for name, found in wrong.items() if found} == {}
