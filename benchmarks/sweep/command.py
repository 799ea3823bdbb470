"""A form by the command line: ``qnnsolve export`` in a process of its own, of a module or of a ``.pt2``."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

from benchmarks.sweep import record
from benchmarks.sweep.form import Form
from benchmarks.sweep.pack import outputs_of
from benchmarks.sweep.state import ROOT

__all__ = ["by_command"]

MODULE = """from benchmarks.sweep.forms import all_forms


def model():
    form = all_forms()[{name!r}]
    return form.module(), form.samples()[0], form.samples()
"""
INTERNAL = 70
"""The exit code of what nobody meant."""


def by_command(form: Form, soc: str, precision: str, *, archive: bool) -> dict[str, Any]:
    """What ``--format json`` says of it; ``exit`` is the exit code, and ``error`` what was said where there is no more.

    ``archive``: its ``.pt2`` with a file of samples, else a Python file that returns module, example and samples.
    """
    with tempfile.TemporaryDirectory(prefix="sweep-") as folder:
        model = _archive(form, Path(folder)) if archive else _module(form, Path(folder))
        command = [sys.executable, "-m", "qnnsolve", "export", *model, "--soc", soc, "--precision", precision]
        paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        done = subprocess.run(
            [*command, "--format", "json", "--out", "model.pte"],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": paths},
            capture_output=True,
            text=True,
            check=False,
        )
    try:
        document = json.loads(done.stdout)
    except ValueError:
        last = (done.stderr.strip().splitlines() or ["nothing said"])[-1]
        return {"error": f"exit {done.returncode}, no JSON: {last}"[:400], "refused": False}
    if "error" in document:
        error = document["error"]
        text = " ".join(f"{error['kind']}: {error['message']}".split())
        return {"error": text[:400], "refused": error["exit_code"] != INTERNAL, "exit": done.returncode}
    return record.alone(document, outputs_of(form)) | {"exit": done.returncode}


def _module(form: Form, folder: Path) -> list[str]:
    (folder / "form.py").write_text(MODULE.format(name=form.name), encoding="utf-8")
    return ["form.py:model"]


def _archive(form: Form, folder: Path) -> list[str]:
    samples = form.samples()
    with torch.no_grad():
        program = torch.export.export(form.module(), copy.deepcopy(samples[0]))
    torch.export.save(program, folder / "form.pt2")
    torch.save(list(samples), folder / "samples.pt")
    return ["form.pt2", "--calibration", "samples.pt"]
