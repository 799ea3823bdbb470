"""The part of a report that tells what calibration showed, as text and as JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import attrs

from qnnsolve.report.lines import Line, count, section
from qnnsolve.results import CalibrationRecord, JoinedPart, JoinRecord

__all__ = ["calibration_json", "calibration_lines"]


def calibration_lines(record: CalibrationRecord | None) -> Iterator[Line]:
    """What is joined under an encoding that does not fit it, and values that are out of all proportion."""
    if record is None:
        return
    joined = [line for each in record.joined for line in _joined(each)]
    yield from section(f"Joined under one encoding that does not fit all parts ({len(record.joined)})", joined)
    strange = [
        f"  input '{found.input}', sample {found.sample}: {found.value:.4g}, which takes the whole range, is "
        f"{found.value / found.others:,.0f} times the largest of the others ({found.others:.4g})"
        for found in record.outliers
    ]
    strange += [
        f"  {found.node}: {count(found.count, 'value')} infinite or NaN, which no encoding holds and no range counts"
        for found in record.infinite
    ]
    yield from section("Values out of proportion in calibration", [Line(text, style="yellow") for text in strange])


def _joined(join: JoinRecord) -> Iterator[Line]:
    which = f", output {', '.join(map(str, join.outputs))}" if join.outputs else ""
    yield Line(f"  {join.node} ({join.target}){which}: {join.bits} bits, steps of {join.step:.3g}", style="yellow")
    for part in join.parts:
        yield Line(
            f"    {part.producer}, {part.low:.4g} to {part.high:.4g}: {_decibel(part.sqnr_db)}{_otherwise(part)}"
        )
    ways = ["16 bits there"] if join.bits < 16 else []
    ways.append("an output for each part" if join.outputs else "parts of like ranges, scaled back behind")
    yield Line(f"    the way out: {', or '.join(ways)}")


def _otherwise(part: JoinedPart) -> str:
    wide = "" if part.wide_db is None else f", at 16 bits {_decibel(part.wide_db)}"
    return f" (alone {_decibel(part.alone_db)}{wide})"


def _decibel(value: float) -> str:
    return f"{value:.1f} dB" if math.isfinite(value) else "exact"


def calibration_json(record: CalibrationRecord | None) -> dict[str, Any] | None:
    """The field ``calibration`` of an export; decibels that are infinite are ``inf``."""
    if record is None:
        return None
    found: dict[str, Any] = attrs.asdict(record, value_serializer=lambda _, field, value: _plain(value))
    return found


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
