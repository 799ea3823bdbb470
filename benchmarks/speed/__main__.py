"""Measure everything, one process each, and write the page: ``make bench``, or ``python -m benchmarks.speed``.

``--quick`` leaves out the sizes and families that take minutes, ``--only PART`` all other parts. ``--keep FILE`` holds
what was measured, as JSON. Both files are written after each measurement, so that a run that is cut keeps what it had,
and parts that it did not come to stay as they were.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.speed.page import page
from benchmarks.speed.starting import COMMANDS, kept_run, started

MODELS = ("decoder48", "swin")
SIZES = (1_000, 5_000, 10_000, 50_000)
GENERATED = ("satisfiable", "unsatisfiable", "pinned")
ADVERSARIAL = (50, 1_000, 10_000)
EXPORTED = ("resnet18", "vit")
PARTS = ("annotate", "solve", "again", "start", "meta", "export", "lower", "memory")


def _child(module: str, *arguments: str) -> dict[str, Any]:
    """The JSON that ``python -m benchmarks.speed.MODULE`` prints last; what it prints before is of others."""
    command = [sys.executable, "-m", f"benchmarks.speed.{module}", *arguments]
    print(" ".join(command[1:]), file=sys.stderr, flush=True)
    given = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=given)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _measurements(quick: bool) -> Iterator[tuple[str, Callable[[], list[dict[str, Any]]]]]:
    """What is measured: the part of the page that it is of, and how."""

    def each(part: str, *command: str) -> tuple[str, Callable[[], list[dict[str, Any]]]]:
        return part, lambda: [_child(*command)]

    yield from (each("annotate", "annotating", model) for model in MODELS)
    for family in GENERATED:
        yield from (each("solve", "solving", family, str(ops)) for ops in SIZES[: 2 if quick else None])
    yield from (each("solve", "solving", "adversarial", str(ops)) for ops in ADVERSARIAL[: 1 if quick else None])
    yield each("again", "again", "2000")
    yield "start", lambda: list(_starts())
    if not quick:
        yield each("meta", "weightless")
        yield from (each("export", "exporting", model) for model in EXPORTED)
        yield from (each("lower", "lowering", model) for model in EXPORTED)
        yield each("memory", "memory")


def _starts() -> Iterator[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        node = kept_run(Path(folder))
        yield from (started(command, Path(folder), node) for command in COMMANDS)


def main() -> None:
    """Measure, and write the page after each measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", action="append", choices=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--keep", type=Path, default=Path("benchmarks/speed/results.json"), metavar="FILE")
    parser.add_argument("--page", type=Path, default=Path("benchmarks/RESULTS.md"), metavar="FILE")
    given = parser.parse_args()
    known: dict[str, Any] = json.loads(given.keep.read_text()) if given.keep.exists() else {}
    fresh: set[str] = set()
    for part, measure in _measurements(given.quick):
        if given.only and part not in given.only:
            continue
        found = measure()
        before = known[part]["rows"] if part in fresh else []
        fresh.add(part)
        known[part] = {"load": os.getloadavg()[2], "rows": [*before, *found]}
        given.keep.write_text(json.dumps(known, indent=1) + "\n")
        given.page.write_text(page(known))


if __name__ == "__main__":
    main()
