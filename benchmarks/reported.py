"""Models after public reports of what goes wrong between PyTorch and this backend, and what becomes of each now.

    python -m benchmarks.reported --out docs/reported.md

By the library path on SM8750: where the ops are placed, and the SQNR of the converted model against the float one; or
the line in which qnnsolve refuses. Each was wrong, crashed or stayed on the CPU in qnnsolve 0.1, as told beside it.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("QNN_SDK_ROOT", "")

import torch

from benchmarks.reported_models import reported
from benchmarks.sweep.library import by_library

SOC = "SM8750"
HEAD = f"""# Reported models

Written by `python -m benchmarks.reported --out docs/reported.md` from the models in `benchmarks/reported_models.py`:
small ones after public reports, each with what qnnsolve made of it before it was looked at. Figures are decibels of the
converted model against the float model on {SOC}, the worst output of each; *whole* means that no op is left on the CPU.

| model | what was wrong | placement | 16a8w | 8a8w |
|---|---|---|---|---|
"""


def rows() -> Iterator[str]:
    """A line of the table per model."""
    for case in reported():
        made = [by_library(case.form, SOC, precision) for precision in ("16a8w", "8a8w")]
        cells = [case.form.name, case.was, placement(made[0]), *(figure(each) for each in made)]
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def placement(record: dict[str, Any]) -> str:
    """Where its ops are, or that there is no program."""
    if "error" in record:
        return "refused" if record["refused"] else "failed"
    kept = [text.partition(":")[0].rpartition(".")[0] or text for text in record["cpu"]]
    names = list(dict.fromkeys(f"`{name}`" for name in kept))
    return f"on the CPU: {', '.join(names)}" if names else "whole"


def figure(record: dict[str, Any]) -> str:
    """The worst output's SQNR; equal integers and equal values are *exact*."""
    if "error" in record:
        return str(record["error"])
    worst = min(record["outputs"], default=999.0)
    if worst < 0:
        return f"{-worst:.1f} % of its integers differ" if worst >= -100 else f"{worst:.1f} dB"
    return "exact" if worst == 999.0 else f"{worst:.1f} dB"


def main() -> None:
    """Print the page, or write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="the page, in Markdown; printed without")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    with contextlib.redirect_stdout(io.StringIO()):
        page = HEAD + "\n".join(rows()) + "\n"
    if options.out is None:
        sys.stdout.write(page)
    else:
        options.out.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
