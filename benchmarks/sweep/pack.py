"""Many forms in one module: exported once by ``qnnsolve.export``, judged one by one.

Each form keeps its own inputs and outputs, so that its ops hang together and with nothing else; a pack that fails is
halved until the form that fails is alone.
"""

from __future__ import annotations

import copy
import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

from benchmarks.sweep.form import Form
from benchmarks.sweep.library import encodings_of, error_of
from qnnsolve import export
from qnnsolve.facts.graph import GETITEM
from qnnsolve.lowering.program import FEEDS
from qnnsolve.results import AT_BORDER, CpuOp, ExportResult, NodeRecord, SolveResult

__all__ = ["Pack", "by_export"]


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


def by_export(forms: Sequence[Form], soc: str, precision: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Per form its name and what came of it in one export of all; by halves where that fails."""
    if len(forms) == 1:
        # As it is, by itself: no pack may hide what a lone model does, nor be blamed for it.
        yield forms[0].name, _alone(forms[0], soc, precision)
        return
    try:
        packed = Pack(forms)
        samples = [sum(each, ()) for each in zip(*(form.samples() for form in forms), strict=True)]
        result = _exported(packed, samples, soc, precision)
    except Exception as error:  # of one of them: which, the halves tell
        yield from _by_halves(forms, soc, precision, str(error))
        return
    records = dict(_told_apart(forms, packed, samples, result))
    stuck = [form for form in forms if records[form.name]["unrunnable"]]
    if result.verification is not None:
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
        for name, record in by_export(half, soc, precision):
            yield name, record | {"halved": [*record.get("halved", ()), why[:200]]}


def _exported(module: nn.Module, samples: Sequence[tuple[torch.Tensor, ...]], soc: str, precision: str) -> ExportResult:
    with tempfile.TemporaryDirectory(prefix="sweep-") as folder:
        return export(
            module,
            samples[0],
            out=Path(folder) / "model.pte",
            soc=soc,
            precision=precision,
            calibration=samples,
            strict=False,
        )


def _alone(form: Form, soc: str, precision: str) -> dict[str, Any]:
    try:
        module, samples = form.module(), form.samples()
        result = _exported(module, samples, soc, precision)
    except Exception as error:  # each failure is a finding
        return error_of(error)
    count = len([leaf for leaf in pytree.tree_leaves(module(*copy.deepcopy(samples[0]))) if leaf is not None])
    return _record(result, result.solve.nodes, result.cpu_ops, range(count), 1)


def _told_apart(
    forms: Sequence[Form], packed: Pack, samples: Sequence[tuple[torch.Tensor, ...]], result: ExportResult
) -> Iterator[tuple[str, dict[str, Any]]]:
    owners = owners_of(result.solve)
    with torch.no_grad():
        leaves = [[leaf for leaf in outputs if leaf is not None] for outputs in packed(*copy.deepcopy(samples[0]))]
    at = 0
    for index, form in enumerate(forms):
        nodes = [node for node in result.solve.nodes if owners.get(node.name) == index]
        # What hangs together with no form is nobody's: the first one's, so that it is told.
        ops = [op for op in result.cpu_ops if owners.get(op.name, 0) == index]
        yield form.name, _record(result, nodes, ops, range(at, at + len(leaves[index])), len(forms))
        at += len(leaves[index])


def owners_of(result: SolveResult) -> Mapping[str, int]:
    """Which form each node belongs to, by its name: the module that it stands in, or what it hangs together with."""
    owners: dict[str, int] = {}
    for node in result.nodes:
        parts = node.module_path.split(".")
        if parts[0] == "forms" and len(parts) > 1:
            owners[node.name] = int(parts[1])
    for nodes in (result.nodes, tuple(reversed(result.nodes))):  # what reads it, and what it reads
        for node in nodes:
            together = [node.name, *(producer for producer, _ in node.inputs)]
            known = next((owners[name] for name in together if name in owners), None)
            if known is not None:
                for name in together:
                    owners.setdefault(name, known)
    return owners


def _record(
    result: ExportResult, nodes: Sequence[NodeRecord], ops: Sequence[CpuOp], outputs: range, size: int
) -> dict[str, Any]:
    """The part of an export that is one form's."""
    told = {node.name: f"{node.target} ({node.name})" for node in nodes}
    announced = {node.name for node in nodes if node.placement.value == "cpu" and node.target != GETITEM}
    # Casts that lowering puts in front of an op on the CPU are no ops of the model's.
    happened = {op.name for op in ops if op.reason != AT_BORDER and (op.reason != FEEDS or op.name in told)}
    checks = result.verification.outputs if result.verification is not None else ()
    checked = {check.index: check for check in checks}
    return {
        "pack": size,
        "delegates": result.delegates,
        "unannounced": sorted(f"{op.target} ({op.name}): {op.reason}" for op in ops if op.name in happened - announced),
        "not on the CPU": sorted(told[name] for name in announced - {op.name for op in ops}),
        "outputs": [
            {
                "rel": _finite(check.max_rel),
                "steps": check.steps,
                "bits": check.bits,
                "sqnr": _finite(check.sqnr_db),
                "converted": None if check.converted is None else _finite(check.converted.worst),
                "verdict": check.verdict.value,
                "place": check.place,
            }
            for check in (checked.get(index) for index in outputs)
            if check is not None
        ],
        "unrunnable": [str(each) for each in result.unrunnable if not told.keys().isdisjoint(each.nodes)],
        "encodings": encodings_of(nodes),
    }


def _finite(value: float) -> float:
    """JSON has no infinities."""
    return 999.0 if value == math.inf else -999.0 if value == -math.inf else round(value, 6)
