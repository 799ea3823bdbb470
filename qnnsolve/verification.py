"""Does the ``.pte`` compute what the converted model computes? :func:`verify` asks the emulator.

The emulator runs in a child process, since it can abort or hang.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from qnnsolve import _child
from qnnsolve._child import Progress
from qnnsolve.comparison import compare
from qnnsolve.errors import KernelError
from qnnsolve.graph_outputs import output_grids, random_outputs
from qnnsolve.results import CpuOp, Verification

if TYPE_CHECKING:
    import torch

__all__ = ["EmulatorRun", "outputs_of", "restored", "run_on_emulator", "verify"]

CHILD = "qnnsolve._run_child"
TIMEOUT = 1800.0
"""Seconds that all samples together may take."""


@attrs.frozen(eq=False)
class EmulatorRun:
    """Flat outputs per sample, and wall time in seconds: to load the program, and per sample to run it."""

    outputs: tuple[tuple[torch.Tensor, ...], ...]
    load_seconds: float
    seconds: tuple[float, ...]


def verify(
    pte: Path,
    converted: Callable[..., Any],
    float_model: Callable[..., Any],
    samples: Sequence[tuple[Any, ...]],
    *,
    tolerance: float = 0.01,
    cpu_ops: Sequence[CpuOp] = (),
    progress: Progress | None = None,
    timeout: float = TIMEOUT,
) -> Verification:
    """The emulator's outputs for ``samples``, against the converted and the float model's.

    Args:
        pte: the compiled program.
        converted: the model that was compiled; the emulator has to agree with it.
        float_model: the model before quantization, for the SQNR.
        samples: positional inputs each, at least one.
        tolerance: the largest difference allowed, as a fraction of the output's range.
        cpu_ops: what runs between the delegates, named in the note when there is disagreement.
        progress: called with ``"verify"``.
        timeout: seconds for the emulator.

    Raises:
        HostBackendError: no emulator on this machine; or it failed, died or took too long.
        KernelError: an op on the CPU has arguments that its kernel refuses.
    """
    run = run_on_emulator(pte, samples, progress=progress, timeout=timeout)
    with restored(_buffers(converted)):
        wanted = [outputs_of(converted, sample) for sample in samples]
    with restored(_buffers(float_model)):
        original = [outputs_of(float_model, sample) for sample in samples]
    compared = compare(
        run.outputs,
        wanted,
        original,
        tolerance=tolerance,
        cpu_ops=cpu_ops,
        grids=output_grids(converted),
        random=random_outputs(converted),
    )
    return attrs.evolve(compared, emulator_seconds=sum(run.seconds))


@contextlib.contextmanager
def restored(buffers: Sequence[torch.Tensor]) -> Iterator[None]:
    """``buffers``, which running the model may change (a cache of keys and values), are afterwards what they were."""
    before = [buffer.clone() for buffer in buffers]
    try:
        yield
    finally:
        for buffer, value in zip(buffers, before, strict=True):
            buffer.copy_(value)


def _buffers(model: Callable[..., Any]) -> tuple[torch.Tensor, ...]:
    import torch

    return tuple(model.buffers()) if isinstance(model, torch.nn.Module) else ()


def run_on_emulator(
    pte: Path, samples: Sequence[tuple[Any, ...]], *, progress: Progress | None = None, timeout: float = TIMEOUT
) -> EmulatorRun:
    """Run ``samples`` through ``pte`` on Qualcomm's emulator, through ExecuTorch's own runtime.

    Raises:
        HostBackendError: no emulator on this machine; or it failed, died or took too long.
        KernelError: an op on the CPU has arguments that its kernel refuses.
    """
    import torch
    from torch.utils import _pytree as pytree

    with tempfile.TemporaryDirectory(prefix="qnnsolve-") as name:
        folder = Path(name)
        flat = [[_dense(leaf) for leaf in pytree.tree_leaves(sample)] for sample in samples]
        torch.save(flat, folder / "samples.pt")
        job = {
            "pte": str(pte.absolute()),
            "samples": str(folder / "samples.pt"),
            "outputs": str(folder / "outputs.pt"),
        }
        answer = _child.run(CHILD, job, folder, what="the HTP emulator", timeout=timeout, progress=progress)
        if "refused" in answer:
            raise KernelError(*answer["refused"])
        outputs = torch.load(folder / "outputs.pt", weights_only=True)
    return EmulatorRun(
        tuple(tuple(map(torch.as_tensor, values)) for values in outputs), answer["load"], tuple(answer["seconds"])
    )


def _dense(leaf: Any) -> Any:
    """Contiguous: the runtime takes its memory as it lies."""
    import torch

    return leaf.detach().contiguous() if isinstance(leaf, torch.Tensor) else leaf


def outputs_of(model: Callable[..., Any], sample: tuple[Any, ...]) -> tuple[torch.Tensor, ...]:
    """The flat outputs of ``model``, as the runtime returns them: every leaf a tensor."""
    import torch
    from torch.utils import _pytree as pytree

    with torch.no_grad():
        leaves = pytree.tree_leaves(model(*sample))
    return tuple(torch.as_tensor(leaf).detach() for leaf in leaves if leaf is not None)
