"""Conflicts of pins and the ways out: every one is checked by solves of its own, and none is missed (brute force)."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import jsonschema
import pytest
import torch

from qnnsolve import load_run, solve
from qnnsolve.cli import main
from qnnsolve.questions import Clashing, conflicts_of, repairs_of
from qnnsolve.results import Status
from tests.nets import Attention, ConvNet, seeded

TOKENS, IMAGE = torch.randn(1, 4, 16), torch.randn(1, 3, 16, 16)
SCHEMA = Path(__file__).parents[2] / "qnnsolve" / "schema" / "repairs-1.json"

CASES = [
    ("SM8450", ("classify=16w",)),
    ("SM8450", ("classify=16w", "conv=16w", "classify@out=u16")),
    ("SM8750", ("conv@out=u8", "op:aten.relu@out=u16", "classify=8a")),
    ("SM8750", ("conv@out=u8", "op:aten.relu@out=u16", "op:aten.relu@in[0]=u16")),
    ("SM8450", ("conv@out=u8", "op:aten.relu@out=u16", "classify=16w", "conv@weight=s8/ch0")),
    ("SM8750", ("conv=16a", "classify=8a")),
]


def clashing(tmp_path: Path, soc: str, pins: tuple[str, ...], strict: bool = False) -> Clashing:
    path = tmp_path / "run.qnn"
    solve(seeded(ConvNet), (IMAGE,), soc=soc, precision="16a8w", pin=pins, strict=strict, save=path)
    return Clashing.of(load_run(path))


def holds(soc: str, pins: tuple[str, ...]) -> bool:
    return solve(seeded(ConvNet), (IMAGE,), soc=soc, precision="16a8w", pin=pins).status is Status.SATISFIABLE


@pytest.mark.parametrize(("soc", "pins"), CASES)
def test_repairs_and_conflicts_are_those_of_brute_force(tmp_path: Path, soc: str, pins: tuple[str, ...]) -> None:
    found = clashing(tmp_path, soc, pins)
    held = {kept: holds(soc, kept) for size in range(len(pins) + 1) for kept in itertools.combinations(pins, size)}
    sets = {frozenset(f"pin {pin}" for pin in kept): well for kept, well in held.items()}
    everything = frozenset(f"pin {pin}" for pin in pins)
    giving = [everything - kept for kept, well in sets.items() if well]
    smallest = {each for each in giving if not any(other < each for other in giving)} - {frozenset()}
    repairs = [repair for repair in repairs_of(found) if not repair.soc]
    assert {frozenset(repair.give_up) for repair in repairs} == smallest
    assert [len(repair.give_up) for repair in repairs] == sorted(len(each) for each in smallest)
    broken = [kept for kept, well in sets.items() if not well]
    cores = {each for each in broken if not any(other < each for other in broken)}
    conflicts = conflicts_of(found)
    assert {frozenset(clash.pins) for clash in conflicts} <= cores
    assert bool(conflicts) == bool(cores)
    assert all(clash.steps for clash in conflicts)
    for core in cores:
        assert any(core & frozenset(clash.pins) for clash in conflicts)


def test_a_newer_chip_is_a_way_out_where_every_pin_holds_on_it(tmp_path: Path) -> None:
    found = clashing(tmp_path, "SM8450", ("classify=16w",))
    give_up, chip = repairs_of(found)
    assert give_up.give_up == ("pin classify=16w",)
    assert give_up.lost == ("linear weight is s8/ch0, not 16w",)
    assert chip.soc.endswith("(V73)") and holds(chip.soc.split()[0], ("classify=16w",))
    (clash,) = conflicts_of(found)
    assert "takes no u16 or u8 at linear in[0]" in clash.steps[-1].text
    assert clash.hints[0].startswith("from V73 (SM8550) on FullyConnected takes")


def test_a_strict_run_and_a_lenient_one_have_the_same_conflicts(tmp_path: Path) -> None:
    pins = ("conv@out=u8", "op:aten.relu@out=u16")
    strict, lenient = (conflicts_of(clashing(tmp_path, "SM8750", pins, strict=each)) for each in (True, False))
    assert strict == lenient and len(strict) == 1
    assert "share one encoding" in strict[0].steps[-1].text


def test_many_conflicts_of_one_pin_are_one_repair(tmp_path: Path) -> None:
    path = tmp_path / "attention.qnn"
    solve(seeded(Attention), (TOKENS,), soc="SM8350", precision="16a8w", pin="op:aten.matmul@in[1]=16a", save=path)
    found = Clashing.of(load_run(path))
    first = repairs_of(found)[0]
    assert (first.give_up, first.ports) == (("pin op:aten.matmul@in[1]=16a",), 2)


def test_the_commands_tell_both_and_exit_1_where_there_is_a_conflict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run.qnn"
    solve(seeded(ConvNet), (IMAGE,), soc="SM8450", precision="16a8w", pin="classify=16w", save=path)
    assert main(["conflicts", str(path)]) == 1
    assert "pin classify=16w cannot hold (classify_bias, classify_weight, linear, mean)" in capsys.readouterr().out
    assert main(["repairs", str(path)]) == 1
    out = capsys.readouterr().out
    assert "1. give up pin classify=16w at 1 port" in out and "another chip: on SM8" in out
    assert main(["repairs", str(path), "--format", "json"]) == 1
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(json.loads(capsys.readouterr().out))
    solve(seeded(ConvNet), (IMAGE,), soc="SM8450", precision="16a8w", save=path)
    assert main(["conflicts", str(path)]) == 0 and main(["repairs", str(path)]) == 0
    assert "no conflict: all pins hold" in capsys.readouterr().out
