"""Runs ExecuTorch's own ``test_qnn_delegate.py``, unmodified, on the emulator, with either quantizer.

    make upstream                       # both quantizers, then docs/upstream.md; two hours on one core
    python -m benchmarks.upstream --quantizer qnnsolve --match conv --out results.jsonl
    python -m benchmarks.upstream --report --out results.jsonl --page docs/upstream.md

``SolveQuantizer`` itself stands where ``QnnQuantizer`` does (:func:`qnnsolve.executorch.install`), with nothing
between. What is in ``--out`` already is not run again. The tests are those of the installed ExecuTorch; they need
graphviz, expecttest, parameterized, pydot, pyparsing and tabulate, which ``make upstream`` installs into a folder
of its own.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from pathlib import Path

from benchmarks import state
from benchmarks.op_models import QUANTIZERS, Record, Worker
from benchmarks.upstream.page import page, read, word

PER_WORKER = 40
"""Tests that one process runs before a fresh one takes over."""
TEST_SECONDS = 420.0
"""Time limit of one test, where ``--seconds`` says no other."""
SOC = "SM8750"


def run(options: argparse.Namespace, quantizer: str) -> None:
    """Run what is not in ``--out`` yet, and append it there."""
    done = {(each["quantizer"], each["cls"], each["test"]) for each in read(options.out)}
    at = {**state.now(), "soc": SOC}
    with tempfile.TemporaryDirectory(prefix="upstream-") as folder:
        child = ("benchmarks.upstream.worker", "--quantizer", quantizer, "--soc", SOC)
        worker = Worker(quantizer, Path(folder), *child)
        try:
            tests = worker.ask({"names": True}, options.seconds)["names"]
            wanted = [each for each in tests if re.search(options.match, each[1]) and (quantizer, *each) not in done]
            for index, (owner, name) in enumerate(wanted):
                if index and index % PER_WORKER == 0:
                    worker.stop()
                test = {"quantizer": quantizer, "cls": owner, "test": name}
                answer = {**test, **at, **worker.ask(test, options.seconds)}
                _append(options.out, answer)
                print(f"[{index + 1}/{len(wanted)}] {quantizer} {name}: {word(answer)}", file=sys.stderr)
        finally:
            worker.stop()


def _append(path: Path, record: Record) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")


def main() -> None:
    """Run, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quantizer", choices=(*QUANTIZERS, "both"), default="both")
    parser.add_argument("--match", default="", help="only tests whose name this regular expression finds")
    parser.add_argument("--seconds", type=float, default=TEST_SECONDS, help="time limit of one test; %(default)s")
    parser.add_argument("--out", type=Path, required=True, help="JSON lines, appended to")
    parser.add_argument("--page", type=Path, help="the page, in Markdown; printed without")
    parser.add_argument("--report", action="store_true", help="run nothing")
    options = parser.parse_args()
    for quantizer in QUANTIZERS if options.quantizer == "both" else (options.quantizer,):
        if not options.report:
            run(options, quantizer)
    text = page(read(options.out))
    if options.page is None:
        sys.stdout.write(text)
    else:
        options.page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
