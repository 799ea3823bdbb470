"""A ``.pte`` on Qualcomm's emulator, through ExecuTorch's own runtime: :func:`emulating`, :func:`run_on_emulator`.

The emulator runs in child processes, since it can abort or hang. It computes on one core.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from qnnsolve.errors import KernelError
from qnnsolve.host import child
from qnnsolve.host.child import Progress
from qnnsolve.host.leftovers import check_space, scratch_folder
from qnnsolve.host.memory import available

if TYPE_CHECKING:
    import torch

__all__ = ["EmulatorRun", "emulating", "run_on_emulator"]

CHILD = "qnnsolve.verification.child"
TIMEOUT = 1800.0
"""Seconds that all samples together may take."""
LEAST_MEMORY, PER_BYTE = 2**30, 8
"""Bytes of memory that a child may take: as such, and for each byte of the program."""


@attrs.frozen(eq=False)
class EmulatorRun:
    """Flat outputs per sample, and wall time in seconds: to load the program, and per sample to run it.

    ``whole`` is how long all samples took, of which some ran at the same time.
    """

    outputs: tuple[tuple[torch.Tensor, ...], ...]
    load_seconds: float
    seconds: tuple[float, ...]
    whole: float


def run_on_emulator(
    pte: Path, samples: Sequence[tuple[Any, ...]], *, progress: Progress | None = None, timeout: float = TIMEOUT
) -> EmulatorRun:
    """Run ``samples`` through ``pte``, one after the other: the program may keep states from one to the next.

    Raises:
        HostBackendError: no emulator on this machine; or it failed, died or took too long.
        KernelError: an op on the CPU has arguments that its kernel refuses.
    """
    with emulating(pte, samples, timeout=timeout) as finished:
        return finished(progress)


@contextlib.contextmanager
def emulating(
    pte: Path, samples: Sequence[tuple[Any, ...]], *, stateless: bool = False, timeout: float = TIMEOUT
) -> Iterator[Callable[[Progress | None], EmulatorRun]]:
    """Inside, the emulator runs ``samples`` through ``pte``, while this process does something else.

    What it gives waits for the outputs, and raises as :func:`run_on_emulator`. Of a program that is ``stateless``,
    each core runs some of the samples, where there is memory for it.
    """
    import torch
    from torch.utils import _pytree as pytree

    flat = [[_dense(leaf) for leaf in pytree.tree_leaves(sample)] for sample in samples]
    tensors = [leaf for leaf in itertools.chain(*flat) if isinstance(leaf, torch.Tensor)]
    shares = _shares(len(flat), _at_once(pte) if stateless else 1)
    with contextlib.ExitStack() as stack:
        folders = [stack.enter_context(scratch_folder()) for _ in shares]
        check_space(folders[0], sum(tensor.numel() * tensor.element_size() for tensor in tensors))
        jobs = []
        for folder, share in zip(folders, shares, strict=True):
            torch.save(flat[share], folder / "samples.pt")
            files = {"samples": str(folder / "samples.pt"), "outputs": str(folder / "outputs.pt")}
            jobs.append(({"pte": str(pte.absolute()), **files}, folder))
        answer_of = stack.enter_context(child.started(CHILD, jobs, what="the HTP emulator", timeout=timeout))

        def finished(progress: Progress | None) -> EmulatorRun:
            answers, outputs = [], []
            for number, share in enumerate(shares):
                answer = answer_of(number, _counted(progress, share.start, len(flat)))
                if "refused" in answer:
                    raise KernelError(*answer["refused"])
                answers.append(answer)
                outputs += torch.load(folders[number] / "outputs.pt", weights_only=True)
            # A model may return None beside its tensors, which is nothing to compare.
            values = tuple(tuple(torch.as_tensor(value) for value in each if value is not None) for each in outputs)
            seconds = [answer["seconds"] for answer in answers]
            load = max(answer["load"] for answer in answers)
            return EmulatorRun(values, load, tuple(itertools.chain(*seconds)), max(map(sum, seconds)))

        yield finished


def _at_once(pte: Path) -> int:
    """How many emulators may run beside each other: one for each core, and as memory allows."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    size = pte.stat().st_size if pte.exists() else 0
    return max(1, min(cores, available() // (LEAST_MEMORY + PER_BYTE * size)))


def _shares(count: int, most: int) -> list[slice]:
    """``count`` samples in order, in at most so many parts of about the same size; one part at least."""
    parts = max(1, min(count, most))
    ends = [count * part // parts for part in range(parts + 1)]
    return [slice(begin, end) for begin, end in itertools.pairwise(ends)]


def _counted(progress: Progress | None, before: int, total: int) -> Progress | None:
    """``progress`` over all samples, for a child that counts its own."""

    def told(stage: str, done: int, own: int | None) -> None:
        assert progress is not None
        progress(stage, done if own is None else before + done, None if own is None else total)

    return None if progress is None else told


def _dense(leaf: Any) -> Any:
    """Contiguous: the runtime reads a tensor's memory in order and looks at no strides."""
    import torch

    return leaf.detach().contiguous() if isinstance(leaf, torch.Tensor) else leaf
