"""From a converted model to a ``.pte``: :func:`lower`, with Qualcomm's real compiler in a child process.

What the solver left on the CPU stays there, and every op that ends up on the CPU is listed with its reason.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from qnnsolve.host import child
from qnnsolve.host.child import Progress
from qnnsolve.host.leftovers import check_space, scratch_folder
from qnnsolve.host.outputs import check_writable, put, unfinished
from qnnsolve.lowering.kept import KeptPrograms, key_of
from qnnsolve.lowering.marked import marked
from qnnsolve.results import CpuOp, ProgramCall, Stand, Unrunnable

if TYPE_CHECKING:
    import torch

__all__ = ["Lowered", "calling", "lower"]

CHILD = "qnnsolve.lowering.child"
TIMEOUT = 3600.0
"""Seconds that one compilation may take."""

NO_KERNEL = "ExecuTorch's runtime has no such kernel"


@attrs.frozen
class Lowered:
    """A compiled program: ``delegates`` calls into the accelerator, and ``cpu_ops`` between and around them.

    ``unrunnable`` are the kernels for those that ExecuTorch's runtime here does not have; ``again`` says that it was
    compiled before, and kept.
    """

    delegates: int
    cpu_ops: tuple[CpuOp, ...]
    pte: Path
    pte_bytes: int
    seconds: float
    unrunnable: tuple[Unrunnable, ...] = ()
    calls: tuple[ProgramCall, ...] = ()
    again: bool = False


def calling(kernel: str, cpu_ops: Iterable[CpuOp]) -> tuple[str, ...]:
    """The names of those ops on the CPU that call ``kernel`` (``aten::sort.values``)."""
    op = kernel.partition(".")[0].replace("::", ".")
    return tuple(dict.fromkeys(each.name for each in cpu_ops if each.target.rpartition(".")[0] == op))


def lower(
    converted: torch.fx.GraphModule,
    example_inputs: tuple[Any, ...],
    *,
    soc: str,
    fp16: bool,
    cpu_nodes: frozenset[str],
    out: Path,
    progress: Progress | None = None,
    timeout: float = TIMEOUT,
    kept: KeptPrograms | None = None,
) -> Lowered:
    """Compile ``converted`` for ``soc`` and write it to ``out``, which changes only when all is done.

    Args:
        converted: what ``convert_pt2e`` gave.
        example_inputs: positional; they fix the shapes.
        soc: a chipset of ExecuTorch's table, like ``SM8750``.
        fp16: compute unquantized tensors in half precision on the accelerator.
        cpu_nodes: names of nodes that stay on the CPU, with those that the quantizer has tagged.
        out: the ``.pte``.
        progress: called with ``"lower"``, nodes placed, and their number; then ``"compile"``.
        timeout: seconds.
        kept: where a program that was made from all the same is taken from, and where this one is kept.

    Raises:
        UsageError: ``out`` cannot be written.
        HostBackendError: no compiler on this machine; or it failed, died or took too long.
    """
    target = check_writable(out)
    start = time.perf_counter()
    with unfinished(target) as partial:
        key = None if kept is None else key_of(converted, example_inputs, soc=soc, fp16=fp16, cpu_nodes=cpu_nodes)
        answer = None if kept is None or key is None else kept.take(key, partial)
        again = answer is not None
        if answer is None:
            with scratch_folder() as folder:
                check_space(folder, _bytes_of(converted, example_inputs))
                _save(converted, example_inputs, cpu_nodes, folder)
                job = {
                    "program": str(folder / "program.pt2"),
                    "inputs": str(folder / "inputs.pt"),
                    "soc": soc,
                    "fp16": fp16,
                    "pte": str(partial),
                }
                what = f"the HTP compiler for {soc}"
                answer = child.run(CHILD, job, folder, what=what, timeout=timeout, progress=progress)
            if kept is not None and key is not None:
                kept.keep(key, partial, answer)
        size = partial.stat().st_size
        put(partial, target)
    cpu_ops = tuple(CpuOp(name, target, why, Stand(stand)) for name, target, why, stand in answer["cpu_ops"])
    unrunnable = tuple(Unrunnable(kernel, tuple(nodes), NO_KERNEL) for kernel, nodes in answer["missing"])
    calls = tuple(ProgramCall(*each) for each in answer["calls"])
    seconds = time.perf_counter() - start
    return Lowered(answer["delegates"], cpu_ops, target, size, seconds, unrunnable, calls, again)


def _bytes_of(model: torch.fx.GraphModule, inputs: tuple[Any, ...]) -> int:
    """How many bytes weights, states and inputs take in files."""
    import torch
    from torch.utils import _pytree as pytree

    tensors = [*model.parameters(), *model.buffers(), *pytree.tree_leaves(inputs)]
    return sum(each.numel() * each.element_size() for each in tensors if isinstance(each, torch.Tensor))


def _save(
    converted: torch.fx.GraphModule, example_inputs: tuple[Any, ...], cpu_nodes: frozenset[str], folder: Path
) -> None:
    import torch

    with torch.no_grad(), warnings.catch_warnings():
        # torch 2.13 copies its own deprecated tree specs while it exports a GraphModule.
        warnings.filterwarnings("ignore", ".*LeafSpec", FutureWarning)
        program = torch.export.export(marked(converted, cpu_nodes), example_inputs, strict=False)
        torch.export.save(program, folder / "program.pt2")
    torch.save(example_inputs, folder / "inputs.pt")
