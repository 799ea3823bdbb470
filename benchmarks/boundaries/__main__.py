"""Compiles and runs every case on two chips, with qnnsolve and with ExecuTorch's quantizer; writes the page.

    python -m benchmarks.boundaries --out results.jsonl --page docs/boundaries.md
    python -m benchmarks.boundaries --match softmax --soc SM8750 --quantizer qnnsolve

What is in ``--out`` already is not run again. What does not answer in time is tried once more in a fresh child with
three times as long, and again by the next run; where it stays late, the page says so. The exit code is 1 where a
case of ours is neither refused nor whole and right.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks import state
from benchmarks.boundaries.cases import boundaries, settings_of
from benchmarks.boundaries.page import SOCS, cell, faults, page
from benchmarks.op_models import QUANTIZERS, Record, Worker, key, late, once, read, write

LATE: Record = {"exception": {"limit": 0.0}}
"""Stands for a result that is not there yet."""


def run(options: argparse.Namespace) -> list[Record]:
    """Every result that ``options`` ask for, those already there included."""
    done = {key(record): record for record in read(options.out)}
    at = state.now()
    for soc in options.soc or SOCS:
        with tempfile.TemporaryDirectory(prefix="boundaries-") as folder:
            child = "benchmarks.op_model_child"
            compiler, runner = (Worker(role, Path(folder), child, role, "boundaries") for role in ("compile", "run"))
            try:
                for quantizer in options.quantizers:
                    for name, case in boundaries().items():
                        record = {"soc": soc, "precision": case.precision, "case": name, "quantizer": quantizer}
                        wanted = not options.match or any(text in name for text in options.match)
                        unsaid = quantizer == "upstream" and settings_of(case) is None
                        if wanted and not unsaid and late(done.get(key(record), LATE)):
                            job = {**record, "weighted_only": False}
                            found = once(job, compiler, runner, Path(folder))
                            if late(found):
                                found = once(job, compiler, runner, Path(folder), patience=3)
                            done[key(record)] = {**record, **at, **found}
                            write(options.out, done[key(record)])
                            print(soc, quantizer, name, cell(done[key(record)]), file=sys.stderr)
            finally:
                for worker in (compiler, runner):
                    worker.stop()
    return list(done.values())


def main() -> int:
    """Run what was asked for, and write what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--soc", action="append", choices=SOCS, help="again for both")
    parser.add_argument("--quantizer", choices=(*QUANTIZERS, "both"), default="both")
    parser.add_argument("--match", action="append", help="only cases with this in their name; again for more")
    parser.add_argument("--out", type=Path, help="JSON lines, appended to")
    parser.add_argument("--page", type=Path, help="the page, in Markdown; printed without")
    options = parser.parse_args()
    options.quantizers = QUANTIZERS if options.quantizer == "both" else (options.quantizer,)
    records = run(options)
    text = page(records)
    if options.page is None:
        sys.stdout.write(text)
    else:
        options.page.write_text(text, encoding="utf-8")
    wrong = faults(records)
    print(*wrong, sep="\n", file=sys.stderr)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
