"""Work that lowering does several times and needs once: :func:`shortcuts`, for the child that compiles.

ExecuTorch (1.5.1) exports what it is given although that was exported already, decomposes a program three times, and
each of its fifty passes writes the code of the whole graph anew and computes all shapes once more. What is patched here
leaves out only what comes to the same, as long as the context lasts, and in a process of our own. With other versions
of torch or ExecuTorch nothing is patched. ``tests/lowering/test_shortcuts.py`` compiles with and without, and compares
the programs byte by byte.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import operator
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

from qnnsolve.lowering.known_results import results_known
from qnnsolve.lowering.lazy_code import code_when_run
from qnnsolve.lowering.patching import patched

if TYPE_CHECKING:
    import torch
    from torch.export import ExportedProgram

__all__ = ["WRITTEN_FOR", "exported_already", "fit", "shortcuts"]

WRITTEN_FOR = {"torch": "2.13.", "executorch": "1.5."}
"""How the versions begin whose insides these shortcuts know."""


def fit() -> bool:
    """Whether torch and ExecuTorch are those that the shortcuts were written for."""
    return all(importlib.metadata.version(name).startswith(begin) for name, begin in WRITTEN_FOR.items())


@contextlib.contextmanager
def shortcuts() -> Iterator[None]:
    """Inside, what is lowered is decomposed once, its code is written when it is run, and known shapes are not computed
    again."""
    with contextlib.ExitStack() as stack:
        if fit():
            for each in (code_when_run(), results_known(), _decomposed_once()):
                stack.enter_context(each)
        yield


@contextlib.contextmanager
def exported_already(program: ExportedProgram) -> Iterator[torch.nn.Module]:
    """A module for which ``torch.export.export`` gives ``program`` itself inside; one that computes it, where the
    versions are others."""
    import torch

    if not fit():
        yield program.module(check_guards=False)
        return
    stand_in, export = torch.nn.Module(), torch.export.export

    def exported(module: torch.nn.Module, *args: Any, **kwargs: Any) -> ExportedProgram:
        return program if module is stand_in else export(module, *args, **kwargs)

    with patched(torch.export, "export", exported):
        yield stand_in


@contextlib.contextmanager
def _decomposed_once() -> Iterator[None]:
    """Leave out the first and the last of ExecuTorch's three decompositions where they change nothing.

    The first only takes writes in place out of the graph, which the second does as well. It is left out where nothing
    is written. The last is for ops on the CPU that the second kept whole. It is left out where none of its ops is
    there, as ExecuTorch does itself for other backends.
    """
    from executorch.exir.graph_module import contains_any_call_fn_target_op
    from torch.export import ExportedProgram

    decompose = ExportedProgram.run_decompositions
    latest: list[ExportedProgram] = []

    def once(program: ExportedProgram, decomp_table: Any = None, **kwargs: Any) -> ExportedProgram:
        if decomp_table is not None and not kwargs:
            if not decomp_table and _writes_nothing(program):
                return program
            if latest and program is latest[0] and not _has(program, decomp_table):
                return program
        latest[:] = [decompose(program, decomp_table, **kwargs)]
        return latest[0]

    def _has(program: ExportedProgram, ops: Collection[Any]) -> bool:
        return bool(contains_any_call_fn_target_op(program.graph_module, ops))

    with patched(ExportedProgram, "run_decompositions", once):
        yield


def _writes_nothing(program: ExportedProgram) -> bool:
    """Whether ``program`` calls ops alone, none of which writes to its arguments."""
    import torch

    return all(
        isinstance(node.target, torch._ops.OpOverload) and not node.target._schema.is_mutable
        for node in program.graph.nodes
        if node.op not in ("placeholder", "output") and node.target is not operator.getitem
    )
