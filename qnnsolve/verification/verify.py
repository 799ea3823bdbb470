"""Does the ``.pte`` compute what the converted model computes? :func:`verify` asks the emulator."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from qnnsolve.foreign import foreign
from qnnsolve.host.child import Progress
from qnnsolve.results import ConvertedCheck, CpuOp, Verification
from qnnsolve.verification.comparison import compare
from qnnsolve.verification.emulator import TIMEOUT, emulating
from qnnsolve.verification.noise import Power, over_samples, power
from qnnsolve.verification.outputs import (
    is_stateless,
    output_grids,
    output_leaves,
    quantized_outputs,
    random_outputs,
)

if TYPE_CHECKING:
    import torch

__all__ = ["converted_checks", "outputs_of", "restored", "verify"]


def verify(
    pte: Path,
    converted: Callable[..., Any],
    float_model: Callable[..., Any],
    samples: Sequence[tuple[Any, ...]],
    *,
    tolerance: float = 0.01,
    cpu_ops: Sequence[CpuOp] = (),
    half: bool = False,
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
        half: floats are computed in half precision, so that what is not quantized may differ by the tolerance too.
        progress: called with ``"verify"``.
        timeout: seconds for the emulator.

    Raises:
        HostBackendError: no emulator on this machine; or it failed, died or took too long.
        KernelError: an op on the CPU has arguments that its kernel refuses.
    """
    with emulating(pte, samples, stateless=is_stateless(converted), timeout=timeout) as finished:
        with restored(_buffers(converted)):
            wanted = [outputs_of(converted, sample) for sample in samples]
        with restored(_buffers(float_model)):
            original = [outputs_of(float_model, sample) for sample in samples]
        run = finished(progress)
    quantized, grids = None if half else quantized_outputs(converted), output_grids(converted)

    def undecided(index: int, got: Sequence[torch.Tensor]) -> list[torch.Tensor] | None:
        import torch

        from qnnsolve.verification import ties

        if not isinstance(converted, torch.fx.GraphModule):
            return None
        grid, leaf = grids[index], output_leaves(converted)[index]
        with restored(_buffers(converted)):
            return ties.undecided(converted, leaf, samples, got, grid.scale if grid else 0.0)

    compared = compare(
        run.outputs,
        wanted,
        original,
        tolerance=tolerance,
        cpu_ops=cpu_ops,
        grids=grids,
        random=random_outputs(converted),
        unquantized=() if quantized is None else set(range(len(wanted[0]))) - quantized,
        undecided=undecided,
    )
    return attrs.evolve(compared, emulator_seconds=run.whole)


def converted_checks(
    converted: Callable[..., Any],
    float_model: Callable[..., Any],
    samples: Sequence[tuple[Any, ...]],
    *,
    progress: Callable[[int], None] | None = None,
) -> tuple[ConvertedCheck, ...]:
    """How near the converted model is to the float model over ``samples``, per output that is not random, in torch.

    No outputs are kept. Each model keeps its own states from sample to sample, though the two may share their buffers.
    """
    mine, own = _Running(converted), _Running(float_model)
    powers: list[list[Power]] = []
    with restored((*mine.buffers, *own.buffers)):
        for done, sample in enumerate(samples):
            if progress is not None:
                progress(done)
            wanted = own.outputs(sample)
            powers.append([power(got, want) for got, want in zip(mine.outputs(sample), wanted, strict=True)])
    random = random_outputs(converted)
    return tuple(
        ConvertedCheck(index, over_samples(each))
        for index, each in enumerate(zip(*powers, strict=True))
        if index not in random
    )


class _Running:
    """A model with the states that its last run left, whatever else wrote to the same buffers since."""

    def __init__(self, model: Callable[..., Any]) -> None:
        self.model, self.buffers = model, _buffers(model)
        self.states = [buffer.clone() for buffer in self.buffers]

    def outputs(self, sample: tuple[Any, ...]) -> tuple[torch.Tensor, ...]:
        for buffer, state in zip(self.buffers, self.states, strict=True):
            buffer.copy_(state)
        found = outputs_of(self.model, sample)
        self.states = [buffer.clone() for buffer in self.buffers]
        return found


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


def outputs_of(model: Callable[..., Any], sample: tuple[Any, ...]) -> tuple[torch.Tensor, ...]:
    """The flat outputs of ``model``, as the runtime returns them: every leaf a tensor.

    It gets a copy of the sample, since a model may write to its inputs.
    """
    import torch
    from torch.utils import _pytree as pytree

    # The float model is the user's code, which may do with a sample what it did not with the example.
    with torch.no_grad(), foreign("the model cannot be run on a sample"):
        fresh = pytree.tree_map_only(torch.Tensor, torch.clone, sample)
        leaves = pytree.tree_leaves(model(*fresh))
    # Cloned, since one may be a state, which the next run changes.
    return tuple(torch.as_tensor(leaf).detach().clone() for leaf in leaves if leaf is not None)
