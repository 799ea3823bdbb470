"""A form by the library path: README's three lines over the graph as ``torch.export.export(...).module()`` gives it."""

from __future__ import annotations

import copy
import math
import os
import warnings
from collections.abc import Collection
from typing import Any

os.environ.setdefault("QNN_SDK_ROOT", "")

import torch
from torch.utils import _pytree as pytree
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from benchmarks.sweep.form import Form
from benchmarks.sweep.record import encodings_of
from qnnsolve import SolveQuantizer
from qnnsolve.errors import QnnSolveError
from qnnsolve.report.json_results import solve_json
from qnnsolve.results import SolveResult
from qnnsolve.verification.noise import sqnr_db
from qnnsolve.verification.outputs import random_outputs

__all__ = ["by_library", "error_of", "figures"]


def by_library(form: Form, soc: str, precision: str) -> dict[str, Any]:
    """What comes of it: ``sqnr`` per output (or the share of integers that differ), ``cpu`` ops, and the encodings.

    ``error`` and ``refused`` (whether qnnsolve refused it itself, in its own words) where it raised; ``said`` are the
    notes of its result.
    """
    module, samples = form.module(), form.samples()
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            original = outputs(copy.deepcopy(module), samples[0])
            # A copy, since the graph shares its states with the module, and calibration writes to them.
            graph = torch.export.export(copy.deepcopy(module), samples[0]).module()
            quantizer = SolveQuantizer("htp", soc, strict=False, precision=precision)
            prepared = prepare_pt2e(graph, quantizer)
            for sample in samples:
                prepared(*copy.deepcopy(sample))
            converted = convert_pt2e(prepared)
            _fresh_states(converted, module)
            got = outputs(converted, samples[0])
    except Exception as error:  # a model of anybody's through three code bases: each failure is a finding
        return error_of(error)
    assert quantizer.result is not None
    return {
        "outputs": figures(got, original, random_outputs(converted)),
        "cpu": cpu_of(quantizer.result),
        "encodings": encodings_of(solve_json(quantizer.result, "")["nodes"]),
        "said": [note[:200] for note in quantizer.result.notes],
    }


def _fresh_states(converted: torch.nn.Module, module: torch.nn.Module) -> None:
    """Buffers that calibration has written to as they were at first."""
    before = dict(module.named_buffers())
    for name, buffer in converted.named_buffers():
        if name in before and before[name].shape == buffer.shape:
            buffer.copy_(before[name])


def outputs(model: Any, sample: tuple[torch.Tensor, ...]) -> list[torch.Tensor]:
    """The tensors that a model returns for copies of its inputs, flat."""
    leaves = pytree.tree_leaves(model(*copy.deepcopy(sample)))
    return [leaf.clone() for leaf in leaves if isinstance(leaf, torch.Tensor)]


def figures(got: list[torch.Tensor], original: list[torch.Tensor], random: Collection[int] = ()) -> list[float]:
    """Per output the SQNR in decibel (999 where nothing differs), or less the percentage of integers that differ.

    Those at ``random`` are compared with nothing, and have 999.
    """
    if len(got) != len(original):
        return [-math.inf]
    found = []
    for index, (mine, wanted) in enumerate(zip(got, original, strict=True)):
        if index in random and mine.shape == wanted.shape:
            found.append(999.0)
        elif mine.shape != wanted.shape or mine.is_floating_point() != wanted.is_floating_point():
            found.append(-math.inf)
        elif not wanted.is_floating_point():
            found.append(-100 * float((mine != wanted).double().mean()) or 999.0)
        else:
            found.append(round(min(max(sqnr_db(mine, wanted), 0.0), 999.0), 1))  # below zero are integers
    return found


def cpu_of(result: SolveResult) -> list[str]:
    """Targets of the ops that are announced for the CPU, each with why."""
    return [
        f"{node.target.removeprefix('aten.')}: {node.deviations[0].reason if node.deviations else ''}"
        for node in result.nodes
        if node.placement.value == "cpu"
    ]


def error_of(error: BaseException) -> dict[str, Any]:
    """An exception as a record."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return {"error": text[:400], "refused": isinstance(error, QnnSolveError)}
