"""Many forms in one module: exported once by ``qnnsolve.export``, judged one by one.

Each form keeps its own inputs and outputs, so that its ops hang together and with nothing else; a pack that fails is
halved until the form that fails is alone.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

from benchmarks.sweep import record
from benchmarks.sweep.form import Form
from benchmarks.sweep.library import error_of
from benchmarks.sweep.record import Document
from qnnsolve import export
from qnnsolve.report.json_results import export_json

__all__ = ["Pack", "by_export", "outputs_of", "together"]


class Pack(nn.Module):
    """The forms side by side; what each returns, flat."""

    def __init__(self, forms: Sequence[Form]) -> None:
        super().__init__()
        self.forms = nn.ModuleList(form.module() for form in forms)
        self.taken = [len(form.inputs) for form in forms]

    def forward(self, *inputs: torch.Tensor) -> tuple[tuple[Any, ...], ...]:
        """Per form a tuple of its outputs."""
        found, at = [], 0
        for form, taken in zip(self.forms, self.taken, strict=True):
            found.append(tuple(pytree.tree_leaves(form(*inputs[at : at + taken]))))
            at += taken
        return tuple(found)


def together(forms: Sequence[Form]) -> tuple[nn.Module, Sequence[tuple[torch.Tensor, ...]]]:
    """One module of them with its samples: a pack, or a form as it is, so that none hides what a lone model does."""
    if len(forms) == 1:
        return forms[0].module(), forms[0].samples()
    return Pack(forms), [sum(each, ()) for each in zip(*(form.samples() for form in forms), strict=True)]


def by_export(forms: Sequence[Form], soc: str, precision: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Per form its name and what came of it in one export of all; by halves where that fails."""
    if len(forms) == 1:
        yield forms[0].name, _alone(forms[0], soc, precision)
        return
    try:
        document = _exported(*together(forms), soc, precision)
    except Exception as error:  # of one of them: which, the halves tell
        yield from _by_halves(forms, soc, precision, str(error))
        return
    made = record.told_apart(document, [outputs_of(form) for form in forms])
    records = {form.name: each for form, each in zip(forms, made, strict=True)}
    stuck = [form for form in forms if records[form.name]["unrunnable"]]
    if document["verification"] is not None:
        yield from records.items()
    elif not stuck:
        yield from _by_halves(forms, soc, precision, "it could not be run")
    else:  # a kernel that is missing for one keeps all from being run
        yield from ((form.name, records[form.name]) for form in stuck)
        if left := [form for form in forms if form not in stuck]:
            yield from by_export(left, soc, precision)


def _by_halves(forms: Sequence[Form], soc: str, precision: str, why: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each record says of the packs that it was in why they failed, the smallest first."""
    middle = len(forms) // 2
    for half in (forms[:middle], forms[middle:]):
        for name, made in by_export(half, soc, precision):
            yield name, made | {"halved": [*made.get("halved", ()), why[:200]]}


def _exported(module: nn.Module, samples: Sequence[tuple[torch.Tensor, ...]], soc: str, precision: str) -> Document:
    with tempfile.TemporaryDirectory(prefix="sweep-") as folder:
        result = export(
            module,
            samples[0],
            out=Path(folder) / "model.pte",
            soc=soc,
            precision=precision,
            calibration=samples,
            strict=False,
        )
    return export_json(result, "")


def _alone(form: Form, soc: str, precision: str) -> dict[str, Any]:
    try:
        document = _exported(*together([form]), soc, precision)
    except Exception as error:  # each failure is a finding
        return error_of(error)
    return record.alone(document, outputs_of(form))


def outputs_of(form: Form) -> int:
    """How many values it returns."""
    with torch.no_grad():
        leaves = pytree.tree_leaves(form.module()(*form.samples()[0]))
    return len([leaf for leaf in leaves if leaf is not None])
