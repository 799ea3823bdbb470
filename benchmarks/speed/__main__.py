"""Measure everything, one process each, and write the page: ``make bench``, or ``python -m benchmarks.speed``.

``--quick`` leaves out the sizes and families that take minutes. ``--keep FILE`` holds what was measured, as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.speed.page import page
from benchmarks.speed.starting import COMMANDS, kept_run, started

MODELS = ("decoder48", "swin")
SIZES = (1_000, 5_000, 10_000, 50_000)
GENERATED = ("satisfiable", "unsatisfiable", "pinned")
ADVERSARIAL = (50, 1_000, 10_000)


def _child(module: str, *arguments: str) -> dict[str, Any]:
    """The JSON that ``python -m benchmarks.speed.MODULE`` prints last; what it prints before is of others."""
    command = [sys.executable, "-m", f"benchmarks.speed.{module}", *arguments]
    print(" ".join(command[1:]), file=sys.stderr, flush=True)
    given = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=given)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _solves(quick: bool) -> Iterator[dict[str, Any]]:
    for family in GENERATED:
        yield from (_child("solving", family, str(ops)) for ops in SIZES[: 2 if quick else None])
    yield from (_child("solving", "adversarial", str(ops)) for ops in ADVERSARIAL[: 1 if quick else None])


def _starts() -> Iterator[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        node = kept_run(Path(folder))
        yield from (started(command, Path(folder), node) for command in COMMANDS)


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--keep", type=Path, metavar="FILE")
    parser.add_argument("--page", type=Path, default=Path("benchmarks/RESULTS.md"), metavar="FILE")
    given = parser.parse_args()
    found = {
        "annotate": [_child("annotating", model) for model in MODELS],
        "solve": list(_solves(given.quick)),
        "meta": [] if given.quick else [_child("weightless")],
        "again": [_child("again", "2000")],
        "start": list(_starts()),
    }
    if given.keep is not None:
        given.keep.write_text(json.dumps(found, indent=1))
    given.page.write_text(page(found))


if __name__ == "__main__":
    main()
