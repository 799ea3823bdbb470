"""What measuring and verifying facts came to, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from qnnsolve.probe.verify import Difference

__all__ = ["MEASURE_SCHEMA", "VERIFY_SCHEMA", "measure_json", "verify_json", "verify_lines"]

MEASURE_SCHEMA = "qnnsolve/measure/1"
VERIFY_SCHEMA = "qnnsolve/verify/1"

Json: TypeAlias = dict[str, Any]


def measure_json(paths: Sequence[Path], archs: Sequence[str], seconds: float) -> Json:
    """The answer of ``qnnsolve facts measure`` (schema ``measure-1.json``)."""
    tables = [{"op": path.stem, "path": str(path)} for path in paths]
    return {"schema": MEASURE_SCHEMA, "archs": list(archs), "tables": tables, "seconds": round(seconds, 3)}


def verify_lines(found: Mapping[str, Sequence[Difference]], samples: int, seed: int) -> Iterator[str]:
    """One line per arch, and one per difference."""
    for arch, differences in found.items():
        count = f"{len(differences)} differ" if differences else "no difference"
        yield f"{arch}: {samples} facts asked again (seed {seed}), {count}"
        yield from (f"  {difference}" for difference in differences)


def verify_json(found: Mapping[str, Sequence[Difference]], samples: int, seed: int) -> Json:
    """The answer of ``qnnsolve facts verify`` (schema ``verify-1.json``)."""
    differences = [
        {
            "arch": arch,
            "op": it.question.op,
            "case": it.question.case,
            "codes": list(it.question.codes),
            "was": it.question.verdict.value,
            "now": it.now.value,
        }
        for arch, differing in found.items()
        for it in differing
    ]
    return {
        "schema": VERIFY_SCHEMA,
        "samples": samples,
        "seed": seed,
        "archs": list(found),
        "differences": differences,
    }
