"""Points as the real compiler makes them, on the emulator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from qnnsolve import search_config
from qnnsolve.errors import HostBackendError
from qnnsolve.recipes import Recipe
from qnnsolve.results import AT_BORDER, CpuOp, Decibels, ExportResult, OutputCheck, Verification
from qnnsolve.search import tasks
from qnnsolve.search.tasks import Setup, compiled
from tests.nets import ConvNet, images, seeded

SAMPLES = images(2)


def told(monkeypatch: pytest.MonkeyPatch, *ops: CpuOp, outputs: tuple[OutputCheck, ...] | None = None) -> Any:
    """What is told of a program with these ops on the CPU, and these outputs on the emulator."""
    verification = None if outputs is None else Verification(0.0, 30.0, 0.01, 2, outputs)

    def made(*_: Any, out: Path, **__: Any) -> ExportResult:
        return ExportResult(None, 1, ops, str(out), 1000, verification, ())  # type: ignore[arg-type]

    monkeypatch.setattr(tasks, "export", made)
    setup = Setup(torch.nn.Identity(), SAMPLES[0], SAMPLES, {}, 2)
    return compiled(setup, Recipe())


def test_ops_on_the_cpu_that_nobody_announced_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    ops = (
        CpuOp("kept", "aten.sort", "left on the CPU by the solver: no facts"),
        CpuOp("border", "quantize", AT_BORDER),
        CpuOp("surprise", "aten.erf", "the compiler refused it"),
    )
    program = told(monkeypatch, *ops)
    assert (program.cpu_ops, program.unannounced, program.holds) == (3, ("surprise",), False)
    assert (program.emulator_db, program.agrees) == (None, None)
    assert told(monkeypatch, *ops[:2]).holds


def test_outputs_count_alike_each_relative_to_its_own_size(monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = tuple(
        OutputCheck(at, 0.1, 0.01, db, emulator=Decibels(db, db, db, 2)) for at, db in enumerate((20.0, 40.0))
    )
    program = told(monkeypatch, outputs=outputs)
    assert program.emulator_db == pytest.approx(22.967, abs=1e-3)
    assert program.agrees and program.holds and program.samples == 2


def test_without_a_compiler_nothing_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(HostBackendError):
        search_config(seeded(ConvNet), SAMPLES[0], backend="lpai", soc="SM8750", verify=True)
