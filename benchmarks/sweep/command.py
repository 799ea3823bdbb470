"""Forms by the command line: ``qnnsolve export`` in a process of its own, of a Python file or of a ``.pt2``."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.sweep import record
from benchmarks.sweep.form import Form
from benchmarks.sweep.pack import outputs_of, together
from benchmarks.sweep.state import ROOT

__all__ = ["by_command"]

MODULE = """from benchmarks.sweep.forms import all_forms
from benchmarks.sweep.pack import together


def model():
    module, samples = together([all_forms()[name] for name in {names!r}])
    return module, samples[0], samples
"""
INTERNAL = 70
"""The exit code of what nobody meant."""


def by_command(
    forms: Sequence[Form], soc: str, precision: str, *, archive: bool
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Per form its name and what ``--format json`` says of it; each by itself where one command does not do for all.

    ``exit`` is the exit code, ``error`` what was said where there is no more. ``archive``: a ``.pt2`` with a file of
    samples, else a Python file that returns module, example and samples.
    """
    answer = _asked(forms, soc, precision, archive=archive)
    code = {"exit": answer["exit"]} if "exit" in answer else {}
    if len(forms) == 1:
        made = answer if "error" in answer else record.alone(answer, outputs_of(forms[0])) | code
        yield forms[0].name, made
    elif "error" in answer or answer["verification"] is None:  # one keeps all of them from it
        for form in forms:
            yield from by_command([form], soc, precision, archive=archive)
    else:
        apart = record.told_apart(answer, [outputs_of(form) for form in forms])
        yield from ((form.name, each | code) for form, each in zip(forms, apart, strict=True))


def _asked(forms: Sequence[Form], soc: str, precision: str, *, archive: bool) -> dict[str, Any]:
    """The command's answer with its exit code; or the error."""
    with tempfile.TemporaryDirectory(prefix="sweep-") as folder:
        model = _archive(forms, Path(folder)) if archive else _module(forms, Path(folder))
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
    return {**document, "exit": done.returncode}


def _module(forms: Sequence[Form], folder: Path) -> list[str]:
    (folder / "form.py").write_text(MODULE.format(names=[form.name for form in forms]), encoding="utf-8")
    return ["form.py:model"]


def _archive(forms: Sequence[Form], folder: Path) -> list[str]:
    module, samples = together(forms)
    with torch.no_grad():
        program = torch.export.export(module, copy.deepcopy(samples[0]))
    torch.export.save(program, folder / "form.pt2")
    torch.save(list(samples), folder / "samples.pt")
    return ["form.pt2", "--calibration", "samples.pt"]
