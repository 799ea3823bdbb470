"""Does the ``.pte`` compute what the converted model computes? :func:`verify` asks the emulator.

The emulator runs in a child process, since it can abort or hang. :func:`compare` is the arithmetic alone.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from qnnsolve import _child
from qnnsolve._child import Progress
from qnnsolve.results import CpuOp, OutputCheck, Verification

if TYPE_CHECKING:
    import torch

__all__ = ["EmulatorRun", "compare", "outputs_of", "run_on_emulator", "verify"]

CHILD = "qnnsolve._run_child"
TIMEOUT = 1800.0
"""Seconds that all samples together may take."""
LISTED_CPU_OPS = 5
ROUNDING_DB = 1.5
"""What other rounding may cost. Measured over the example models with ExecuTorch's own quantizer at 8 bits: rounding
alone costs nothing (-1.2 to 0 dB), wrong softmax scales cost 3.9 dB (BERT) and 15.7 dB (Whisper)."""


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
    """
    run = run_on_emulator(pte, samples, progress=progress, timeout=timeout)
    wanted = [outputs_of(converted, sample) for sample in samples]
    original = [outputs_of(float_model, sample) for sample in samples]
    return compare(run.outputs, wanted, original, tolerance=tolerance, cpu_ops=cpu_ops)


def run_on_emulator(
    pte: Path, samples: Sequence[tuple[Any, ...]], *, progress: Progress | None = None, timeout: float = TIMEOUT
) -> EmulatorRun:
    """Run ``samples`` through ``pte`` on Qualcomm's emulator, through ExecuTorch's own runtime.

    Raises:
        HostBackendError: no emulator on this machine; or it failed, died or took too long.
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


def compare(
    emulator: Sequence[Sequence[torch.Tensor]],
    converted: Sequence[Sequence[torch.Tensor]],
    original: Sequence[Sequence[torch.Tensor]],
    *,
    tolerance: float = 0.01,
    cpu_ops: Sequence[CpuOp] = (),
) -> Verification:
    """The worst figures over samples (outer) and outputs (inner).

    ``max_rel`` is the largest difference between emulator and converted model over the range (max - min) of the
    converted output; over its magnitude where it is constant. Integers and booleans count the fraction of values
    that differ. A NaN or an infinity on either side, or another shape, is an infinite difference.
    """
    checks: list[OutputCheck] = []
    notes: list[str] = []
    for index in range(len(converted[0])):
        rows = [
            (_as_scalar(got[index], want[index]), want[index], ref[index])
            for got, want, ref in zip(emulator, converted, original, strict=True)
        ]
        each = [_differences(got, want) for got, want, _ in rows]
        max_abs, max_rel = max(pair[0] for pair in each), max(pair[1] for pair in each)
        check = OutputCheck(index, max_abs, max_rel, min(_sqnr_db(got, ref) for got, _, ref in rows))
        checks.append(check)
        notes.extend(_notes(check, rows, tolerance))
    worst = max((check.max_rel for check in checks), default=0.0)
    if tolerance < worst < math.inf:
        notes.append(_verdict(checks, converted, original))
    if worst > tolerance and cpu_ops:
        notes.append(f"between the delegates, on the CPU: {_listed(cpu_ops)}")
    return Verification(
        emulator_vs_converted_max_rel=worst,
        sqnr_db=min((check.sqnr_db for check in checks), default=math.inf),
        tolerance=tolerance,
        samples=len(converted),
        outputs=tuple(checks),
        note="\n".join(notes) or None,
    )


def _as_scalar(got: torch.Tensor, want: torch.Tensor) -> torch.Tensor:
    """QNN has none without dimensions: ExecuTorch (``remove_0d_tensor.py``, 1.5.1) gives a scalar one of size 1."""
    return got.reshape(()) if want.dim() == 0 and got.numel() == 1 else got


def _differences(got: torch.Tensor, want: torch.Tensor) -> tuple[float, float]:
    """(largest absolute difference, the same relative to the range of ``want``)."""
    if got.shape != want.shape:
        return math.inf, math.inf
    if want.numel() == 0:
        return 0.0, 0.0
    difference = (got.double() - want.double()).abs()
    if not (want.is_floating_point() and got.is_floating_point()):
        return float(difference.max()), float((got != want).double().mean())
    if not (got.isfinite().all() and want.isfinite().all()):
        return math.inf, math.inf
    largest = float(difference.max())
    scale = float(want.max()) - float(want.min()) or float(want.abs().max()) or 1.0
    return largest, largest / scale


def _sqnr_db(got: torch.Tensor, original: torch.Tensor) -> float:
    """Signal to quantization noise, ``10 log10(sum of squares / sum of squared errors)``; infinite without noise."""
    if got.shape != original.shape:
        return -math.inf
    signal, noise = original.double(), got.double() - original.double()
    power, noise_power = float(signal.square().sum()), float(noise.square().sum())
    if noise_power == 0:
        return math.inf
    if power == 0 or not math.isfinite(noise_power):
        return -math.inf
    return 10 * math.log10(power / noise_power)


def _notes(check: OutputCheck, rows: Sequence[Sequence[torch.Tensor]], tolerance: float) -> list[str]:
    name = f"output {check.index}"
    if check.max_rel > tolerance:
        for got, want, _ in rows:
            if got.shape != want.shape:
                return [f"{name} has shape {tuple(got.shape)} on the emulator, {tuple(want.shape)} when converted"]
        finite = [all(bool(row[side].isfinite().all()) for row in rows) for side in (0, 1)]
        if not all(finite):
            sides = zip(("emulator's", "converted model's"), finite, strict=True)
            where = " and ".join(side for side, fine in sides if not fine)
            return [f"{name} holds NaN or infinity in the {where} values"]
        if not rows[0][1].is_floating_point():
            return [f"{name} differs in {check.max_rel:.3%} of its integers, by up to {check.max_abs:g}"]
        return [f"{name} differs by up to {check.max_abs:.3g}, {check.max_rel:.3%} of its range"]
    constant = (want.numel() > 1 and bool((want == want.flatten()[0]).all()) for _, want, _ in rows)
    return [f"{name} is constant, so that agreement says little"] if all(constant) else []


def _verdict(
    checks: Sequence[OutputCheck],
    converted: Sequence[Sequence[torch.Tensor]],
    original: Sequence[Sequence[torch.Tensor]],
) -> str:
    """Rounding, or something wrong: by whether the emulator is as near to the float model as the converted one.

    Measured (QNN 2.51, V79, 8 bits): convolution, linear and add each round 2 to 8 % of their values one step apart
    from torch, either way, which leaves the SQNR as it is and still adds up over layers; a wrong scale costs SQNR.
    """
    own = [
        min(_sqnr_db(want[check.index], ref[check.index]) for want, ref in zip(converted, original, strict=True))
        for check in checks
    ]
    lost = max(mine - check.sqnr_db for mine, check in zip(own, checks, strict=True) if mine != check.sqnr_db)
    figures = f"{min(check.sqnr_db for check in checks):.1f} dB on the emulator, {min(own):.1f} dB when converted"
    if lost <= ROUNDING_DB:
        return f"SQNR against the float model: {figures}; so this is rounding, not a wrong scale"
    return f"SQNR against the float model: {figures}; so the emulator computes something else"


def _listed(cpu_ops: Sequence[CpuOp]) -> str:
    names = [f"{op.name} ({op.target})" for op in cpu_ops]
    more = len(names) - LISTED_CPU_OPS
    return ", ".join(names[:LISTED_CPU_OPS]) + (f" and {more} more" if more > 0 else "")
