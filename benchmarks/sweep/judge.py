"""Is a form as it should be? By either path, from the records of :mod:`library` and :mod:`pack` alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

__all__ = ["LEAST_DB", "MOST_OTHERS", "faults", "refusal"]

LEAST_DB = 15.0
"""What a form keeps at 16 bits, or something has been said."""
MOST_OTHERS = 10.0
"""Percent of the integers or booleans of an output that may be others at 16 bits: those at a threshold."""
Record = Mapping[str, Any]


def refusal(record: Record) -> str | None:
    """In qnnsolve's own words, where it refused the form before it was compiled."""
    return record["error"] if record.get("refused") and not record["error"].startswith("HostBackendError") else None


def faults(library: Record | None, exported: Record | None, precision: str) -> Iterator[str]:
    """Each thing that is not as it should be, in a line; a path that was not taken has none."""
    for path, record in (("library", library), ("export", exported)):
        if record is not None and "error" in record and refusal(record) is None:
            yield f"{path} failed: {record['error']}"
    if library is not None and precision.startswith("16") and not library.get("said"):
        yield from _low(library.get("outputs", ()))
    if library is not None and exported is not None and (refusal(library) is None) != (refusal(exported) is None):
        yield "one path refuses what the other takes"
    if exported is None or "error" in exported:
        return
    if "exit" in exported and exported["exit"] != (4 if any(map(_disagrees, exported["outputs"])) else 0):
        yield f"exit code {exported['exit']}"
    if exported["unannounced"]:
        yield f"on the CPU unannounced: {'; '.join(exported['unannounced'])}"
    if exported["not on the CPU"]:
        yield f"announced for the CPU and not there: {'; '.join(exported['not on the CPU'])}"
    yield from _disagreements(exported)
    if library is not None and "encodings" in library and _chosen(library) != _chosen(exported):
        yield "the two paths choose other encodings"


def _low(figures: Sequence[float]) -> Iterator[str]:
    """Of what the converted model returns: decibels, or less the percentage of integers that are others."""
    if any(figure < -100 for figure in figures):
        yield "the converted model returns other shapes"
        return
    if low := [figure for figure in figures if 0 <= figure < LEAST_DB]:
        yield f"SQNR {min(low):g} dB and no word"
    if others := [-figure for figure in figures if figure < -MOST_OTHERS]:
        yield f"{max(others):g} % of the integers are others, and no word"


def _chosen(record: Record) -> list[str]:
    """Its encodings, without the ops that lowering removes: a cast or copy more decides nothing."""
    return [each for each in record["encodings"] if not each.endswith(" none")]


def _disagrees(check: Record) -> bool:
    return bool(check["verdict"] == "disagrees")


def _disagreements(exported: Record) -> Iterator[str]:
    """By the verdict of the export's own verification: what is more than rounding."""
    for index, check in enumerate(exported["outputs"]):
        if not _disagrees(check):
            continue
        where = "" if check["place"] is None else f" at {check['place']}"
        own = "" if check["converted"] is None else f", {check['converted']:.1f} converted"
        steps = f"{check['steps']} steps of {check['bits']} bits"
        yield f"output {index}{where}: {check['rel']:.2%} off, {steps}, {check['sqnr']:.1f} dB{own}"
