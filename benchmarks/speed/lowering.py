"""One process: where the processor time of a lowering goes, with shortcuts and without: prints a line of JSON.

``python -m benchmarks.speed.lowering MODEL``, of ``examples/models.py``: the model is quantized, and then lowered
twice in children of their own, as ExecuTorch does it and with :mod:`qnnsolve.lowering.shortcuts`. ``--child JOB SIDE``
is such a child.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn
from unittest import mock

from qnnsolve.host.quiet import quiet

SOC, PRECISION = "SM8750", "8a8w"
SIDES = ("plain", "short")


class _Handed(Exception):
    """What is lowered was handed over."""


class _Causes:
    """Processor seconds by cause: each without those that it causes itself."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._inner: list[float] = []

    def timed(self, owner: Any, name: str, cause: str) -> None:
        """Count what ``owner.name`` takes from now on."""
        held, found = vars(owner)[name], getattr(owner, name)

        def counted(*args: Any, **kwargs: Any) -> Any:
            return self.spent(cause, lambda: found(*args, **kwargs))

        setattr(owner, name, staticmethod(counted) if isinstance(held, staticmethod) else counted)

    def spent(self, cause: str, work: Callable[[], Any]) -> Any:
        """What ``work`` gives."""
        begun = time.process_time()
        self._inner.append(0.0)
        try:
            return work()
        finally:
            whole = time.process_time() - begun
            self.seconds[cause] += whole - self._inner.pop()
            if self._inner:
                self._inner[-1] += whole


def _converted(name: str) -> tuple[Any, tuple[Any, ...], frozenset[str]]:
    """The quantized model that an export of the model would lower, its inputs, and what stays on the CPU."""
    from qnnsolve import export, pipeline

    model, inputs, *samples = getattr(importlib.import_module("examples.models"), name)()
    handed: list[Any] = []

    def lower(converted: Any, examples: Any, **given: Any) -> None:
        handed[:] = [converted, examples, given["cpu_nodes"]]
        raise _Handed

    with tempfile.TemporaryDirectory() as folder, mock.patch.object(pipeline, "lower", lower):
        try:
            export(model, inputs, soc=SOC, precision=PRECISION, out=Path(folder) / "m.pte", calibration=samples[0][:1])
        except _Handed:
            return handed[0], handed[1], handed[2]
    raise RuntimeError("nothing was lowered")


def measured(name: str) -> dict[str, Any]:
    """By side, processor seconds by cause, and in how many bytes the two programs differ."""
    handed = _converted(name)
    sides, programs = zip(*(_lowered(side, *handed) for side in SIDES), strict=True)
    differing = sum(one != other for one, other in zip(*programs, strict=True))
    spent = dict(zip(SIDES, sides, strict=True))
    return {"model": name, "sides": spent, "differing": differing, "bytes": len(programs[0])}


def _lowered(side: str, converted: Any, inputs: Any, cpu_nodes: frozenset[str]) -> tuple[dict[str, float], bytes]:
    """Seconds by cause, and the program."""
    import torch

    from qnnsolve.lowering.lower import _save

    causes, export = _Causes(), torch.export.export

    def exported(module: Any, given: Any, **_: Any) -> Any:
        return causes.spent("export", lambda: export(module, given, strict=side == "plain"))

    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        with mock.patch.object(torch.export, "export", exported):
            causes.spent("save and load", lambda: _save(converted, inputs, cpu_nodes, folder))
        files = {"program": "program.pt2", "inputs": "inputs.pt", "pte": "model.pte"}
        job = {"soc": SOC, "fp16": False, **{key: str(folder / file) for key, file in files.items()}}
        (folder / "job.json").write_text(json.dumps(job))
        command = [sys.executable, "-m", "benchmarks.speed.lowering", "--child", str(folder / "job.json"), side]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found = Counter(json.loads(done.stdout.splitlines()[-1])) + causes.seconds
        return dict(found), (folder / "model.pte").read_bytes()


def _child(job: Path, side: str) -> NoReturn:
    causes, begun = _Causes(), time.process_time()
    out = os.dup(1)
    os.dup2(2, 1)
    from qnnsolve.host.collecting import collect_seldom
    from qnnsolve.lowering import child, shortcuts

    collect_seldom()
    if side == "plain":
        shortcuts.WRITTEN_FOR["torch"] = "no version"
        child.lightly = mock.MagicMock()
    prepare = child._compiled

    def compiled(*args: Any) -> Any:
        causes.seconds["imports"] = time.process_time() - begun
        _time_all(causes)
        return causes.spent("the rest", lambda: prepare(*args))

    child._compiled = compiled
    child.work(json.loads(job.read_text()), lambda *_: None)
    os.write(out, (json.dumps(dict(causes.seconds)) + "\n").encode())
    os._exit(0)


def _time_all(causes: _Causes) -> None:
    import torch
    from executorch.backends.qualcomm.partition.qnn_partitioner import QnnOperatorSupport
    from executorch.backends.qualcomm.qnn_preprocess import QnnBackend
    from torch.export import ExportedProgram
    from torch.fx import Graph
    from torch.fx.passes.infra.pass_base import PassBase

    causes.timed(torch.export, "export", "export")
    causes.timed(torch.export, "load", "save and load")
    causes.timed(ExportedProgram, "run_decompositions", "decompositions")
    causes.timed(PassBase, "__call__", "passes")
    causes.timed(Graph, "python_code", "code of graphs")
    causes.timed(QnnOperatorSupport, "is_node_supported", "asking the backend")
    causes.timed(QnnBackend, "preprocess", "the delegate")


def main() -> None:
    """Measure the model that is named."""
    if sys.argv[1] == "--child":
        _child(Path(sys.argv[2]), sys.argv[3])
    logging.disable(logging.WARNING)
    with quiet():
        found = measured(sys.argv[1])
    print(json.dumps(found))


if __name__ == "__main__":
    main()
