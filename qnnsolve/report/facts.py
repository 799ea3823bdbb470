"""What measuring, verifying and comparing facts came to, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from qnnsolve.reference.differences import FactDifference as SourceDifference
from qnnsolve.report.folding import fold
from qnnsolve.results import SourceRecord

if TYPE_CHECKING:
    from qnnsolve.probe.recheck import Recheck

__all__ = [
    "DIFF_SCHEMA",
    "MEASURE_SCHEMA",
    "VERIFY_SCHEMA",
    "diff_json",
    "diff_lines",
    "measure_json",
    "verify_json",
    "verify_lines",
]

MEASURE_SCHEMA = "qnnsolve/measure/1"
VERIFY_SCHEMA = "qnnsolve/verify/1"
DIFF_SCHEMA = "qnnsolve/diff/1"

Json: TypeAlias = dict[str, Any]


def measure_json(paths: Sequence[Path], archs: Sequence[str], seconds: float) -> Json:
    """The answer of ``qnnsolve facts measure`` (schema ``measure-1.json``)."""
    tables = [{"op": path.stem, "path": str(path)} for path in paths]
    return {"schema": MEASURE_SCHEMA, "archs": list(archs), "tables": tables, "seconds": round(seconds, 3)}


def verify_lines(done: Recheck, archs: Sequence[str], seed: int) -> Iterator[str]:
    """One line per arch, and one per difference."""
    for arch, (soc, asked) in zip(archs, done.asked.items(), strict=True):
        differences = [difference for difference in done.differences if difference.soc == soc]
        count = f"{len(differences)} differ" if differences else "no difference"
        yield f"{arch}: {asked} facts asked again (seed {seed}), {count}"
        yield from (f"  {difference}" for difference in differences)


def verify_json(done: Recheck, archs: Sequence[str], seed: int) -> Json:
    """The answer of ``qnnsolve facts verify`` (schema ``verify-1.json``)."""
    arch_of = dict(zip(done.asked, archs, strict=True))
    differences = [
        {
            "arch": arch_of[difference.soc],
            "op": difference.question.op,
            "case": difference.question.case,
            "codes": list(difference.question.codes),
            "was": difference.question.verdict.value,
            "now": difference.now.value,
        }
        for difference in done.differences
    ]
    return {
        "schema": VERIFY_SCHEMA,
        "samples": sum(done.asked.values()),
        "seed": seed,
        "archs": list(archs),
        "differences": differences,
    }


def diff_lines(found: Sequence[SourceDifference], one: str, other: str) -> Iterator[str]:
    """One line per difference, under its operator and shape class; the last line counts them."""
    for group in fold(found, lambda difference: (difference.op, difference.case)):
        yield group[0].op + (f" ({group[0].case})" if group[0].case else "")
        for difference in group:
            row = f"{difference.row}: " if difference.row else ""
            yield f"  {row}{difference.one} in {one}, {difference.other} in {other}  [{' '.join(difference.archs)}]"
    operators = len({difference.op for difference in found})
    count = f"{_count(len(found), 'difference')} at {_count(operators, 'operator')}" if found else "no difference"
    yield f"{count} between {one} and {other}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def diff_json(found: Sequence[SourceDifference], one: str, other: str) -> Json:
    """The answer of ``qnnsolve facts diff`` (schema ``diff-1.json``)."""
    differences = [
        {
            "op": difference.op,
            "case": difference.case,
            "row": difference.row,
            "archs": list(difference.archs),
            "one": difference.one,
            "other": difference.other,
            "one_sources": [_source(source) for source in difference.one_sources],
            "other_sources": [_source(source) for source in difference.other_sources],
        }
        for difference in found
    ]
    return {"schema": DIFF_SCHEMA, "one": one, "other": other, "differences": differences}


def _source(source: SourceRecord) -> Json:
    return {"kind": source.kind, "citation": source.citation}
