"""How far two sets of outputs are apart, and whether that is rounding: arithmetic alone, no emulator."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

import attrs

from qnnsolve.results import AT_BORDER, CpuOp, OutputCheck, Stand, Verdict, Verification
from qnnsolve.verification.judging import Row, differences, judge
from qnnsolve.verification.noise import finite_where_alike, over_samples, power
from qnnsolve.verification.output_notes import notes_on

if TYPE_CHECKING:
    import torch

__all__ = ["OutputGrid", "checked", "compare"]

LISTED_CPU_OPS = 5
Undecided: TypeAlias = "Callable[[int, Sequence[torch.Tensor]], Sequence[torch.Tensor] | None]"
"""Of an output and its values per sample: the values that less than a step decides."""


@attrs.frozen
class OutputGrid:
    """What an output can be: multiples of ``scale`` (real units per step), 2 to the power of ``bits`` of them."""

    scale: float
    bits: int


def compare(
    emulator: Sequence[Sequence[torch.Tensor]],
    converted: Sequence[Sequence[torch.Tensor]],
    original: Sequence[Sequence[torch.Tensor]],
    *,
    tolerance: float = 0.01,
    cpu_ops: Sequence[CpuOp] = (),
    grids: Sequence[OutputGrid | None] = (),
    random: Collection[int] = (),
    unquantized: Collection[int] = (),
    undecided: Undecided | None = None,
) -> Verification:
    """The worst figures over samples (outer) and outputs (inner), those at ``random`` excepted, and a verdict on each.

    ``max_rel`` is the largest difference between emulator and converted model over the range (max - min) of the
    converted output; over its magnitude where it is constant. Integers and booleans count the fraction of values
    that differ. A NaN or an infinity is an infinite difference where the float model has not the same, and so is
    another shape. ``grids`` has per output the encoding that it is computed in, where known: differences are counted
    in its steps as well. Those at ``unquantized`` depend on nothing that the converted model quantizes. The verdicts:
    :mod:`qnnsolve.verification.judging`. An output that disagrees is judged without the values that are
    ``undecided``: with the rest all right, it is rounding.
    """
    checks: list[OutputCheck] = []
    notes: list[str] = []
    for index in (each for each in range(len(converted[0])) if each not in random):
        rows = [
            _row(_as_scalar(got[index], want[index]), want[index], ref[index])
            for got, want, ref in zip(emulator, converted, original, strict=True)
        ]
        grid = grids[index] if index < len(grids) else None
        check = checked(index, rows, grid, tolerance, index not in unquantized)
        if check.verdict is Verdict.DISAGREES and undecided is not None and index not in unquantized:
            check = _without_ties(check, rows, grid, tolerance, undecided(index, [got for got, _, _ in rows]))
        checks.append(check)
        notes.extend(notes_on(check, rows, quantized=index not in unquantized))
    if any(check.verdict is Verdict.DISAGREES for check in checks):
        notes.extend(_around_delegates(cpu_ops))
    return Verification(
        emulator_vs_converted_max_rel=max((each.max_rel for each in checks), default=math.nan if random else 0.0),
        sqnr_db=min((check.sqnr_db for check in checks), default=math.nan if random else math.inf),
        tolerance=tolerance,
        samples=len(converted),
        outputs=tuple(checks),
        note="\n".join(notes) or None,
        random_outputs=tuple(sorted(random)),
    )


def checked(index: int, rows: Sequence[Row], grid: OutputGrid | None, tolerance: float, quantized: bool) -> OutputCheck:
    """The figures of one output, and the verdict on it; ``rows`` has one per sample."""
    each = [differences(got, want) for got, want, _ in rows]
    max_abs, max_rel = max(pair[0] for pair in each), max(pair[1] for pair in each)
    steps = None if grid is None or not math.isfinite(max_abs) else round(max_abs / grid.scale)
    verdict, place = judge(rows, max_rel, steps, grid.scale if grid else 0.0, tolerance, quantized=quantized)
    of_emulator = over_samples([power(got, ref) for got, _, ref in rows])
    return OutputCheck(
        index,
        max_abs,
        max_rel,
        of_emulator.worst,
        steps=steps,
        bits=None if grid is None else grid.bits,
        verdict=verdict,
        emulator=of_emulator,
        converted=over_samples([power(want, ref) for _, want, ref in rows]),
        place=place,
        steps_used=None if grid is None else _steps_used([want for _, want, _ in rows], grid),
    )


def _without_ties(
    check: OutputCheck,
    rows: Sequence[Row],
    grid: OutputGrid | None,
    tolerance: float,
    ties: Sequence[torch.Tensor] | None,
) -> OutputCheck:
    """``check`` as rounding, where all is right but at ``ties`` (per sample)."""
    if ties is None or any(tied.shape != want.shape for tied, (_, want, _) in zip(ties, rows, strict=True)):
        return check
    rest = [(want.where(tied, got), want, ref) for tied, (got, want, ref) in zip(ties, rows, strict=True)]
    if checked(check.index, rest, grid, tolerance, True).verdict is Verdict.DISAGREES:
        return check
    differing = (int((tied & (got != want)).sum()) for tied, (got, want, _) in zip(ties, rows, strict=True))
    return attrs.evolve(check, verdict=Verdict.ROUNDING, place=None, tied=sum(differing))


def _steps_used(wanted: Sequence[torch.Tensor], grid: OutputGrid) -> int | None:
    values = [want for want in wanted if want.numel()]
    if not values or not all(bool(value.isfinite().all()) for value in values):
        return None
    return round((max(float(each.max()) for each in values) - min(float(each.min()) for each in values)) / grid.scale)


def _row(got: torch.Tensor, want: torch.Tensor, ref: torch.Tensor) -> Row:
    got, want, ref = finite_where_alike(got, want, ref)
    return got, want, ref


def _as_scalar(got: torch.Tensor, want: torch.Tensor) -> torch.Tensor:
    """QNN has none without dimensions: ExecuTorch (``remove_0d_tensor.py``, 1.5.1) gives a scalar one of size 1."""
    return got.reshape(()) if want.dim() == 0 and got.numel() == 1 else got


_WHERE = {
    Stand.BETWEEN: "between the delegates",
    Stand.BEFORE: "before the delegates",
    Stand.AFTER: "after the delegates",
    Stand.APART: "apart from the delegates",
}


def _around_delegates(cpu_ops: Sequence[CpuOp]) -> Iterator[str]:
    """A line per place: the ops that compute something; what only quantizes for them where there is nothing else."""
    computing = [op for op in cpu_ops if op.reason != AT_BORDER] or cpu_ops
    for stand, where in _WHERE.items():
        names = [f"{op.name} ({op.target})" for op in computing if op.stand is stand]
        more = len(names) - LISTED_CPU_OPS
        if names:
            listed = ", ".join(names[:LISTED_CPU_OPS]) + (f" and {more} more" if more > 0 else "")
            yield f"on the CPU, {where}: {listed}"
