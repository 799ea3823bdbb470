"""What was measured as a page: :func:`page`."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.speed.solving import LIMIT

__all__ = ["page"]

VERSIONS = ("torch", "executorch", "torchao", "numpy", "scipy")
STAGES = ("facts", "rules", "solve")
EXPORT_STAGES = ("export", "prepare", "calibrate", "convert", "compare", "lower", "verify")

HEAD = """# Speed

Made by `make bench`: a process for each measurement, CPU seconds (not the clock on the wall), and where there are two
sides, both in turn in one process, the least of five rounds. Seconds are of this machine; ratios travel further.
"""
ANNOTATE = """
## Beside ExecuTorch's quantizer

`annotate` is what `prepare_pt2e` waits for between its passes and its observers: ExecuTorch's annotation with its
replacement of infinities and `validate`, against facts, rules, solve and writing of ours. `passes` is
`transform_for_annotation`. 16a8w for the SM8750. Without Qualcomm's SDK ExecuTorch validates nothing: its figures are
lower bounds.
"""
SOLVE = """
## Generated graphs

A transformer of so many ops (facts and rules of the shipped tables): as it is; with pins that cannot hold, spread over
it; with pins at 5 % of its ops. The adversarial family is solved only: long skips, dense sharing, another table at each
op, all in one component; the limit is {limit} seconds on the wall.
"""
META = """
## Without weights

A Llama-style decoder of 16 layers, hidden size 2048 (1.1 billion parameters), on the meta device, from its exported
graph.
"""
AGAIN = """
## Asked again

A solve that is kept (`qnnsolve.solver.session`), and one site of it after the other pinned to a candidate: the median
of 20, beside a solve from scratch. Both find the same cost each time.
"""
EXPORT = """
## Exported twice

An export on this machine, and the same again: the second finds the program that the first one kept (`--cache`). Seconds
of the wall, 8a8w for the SM8750, verified on the emulator.
"""
LOWER = """
## Lowering

CPU seconds from the quantized model to its program, 8a8w for the SM8750, by cause: as ExecuTorch does it, with all its
exports, decompositions and passes, and with shortcuts (`qnnsolve/lowering/shortcuts.py`), one after the other. Both
make the same program, but for the bytes in which QNN writes down when it compiled.
"""
MEMORY = """
## Memory of an export

A Llama-style decoder, 16a8w for the SM8750, compiled and not verified: the most that the process had in memory by the
end of each stage. A child that took no more than the process itself is not told apart (-).
"""
START = """
## Start-up

CPU seconds of whole commands, as installed (with byte code on disk); the run has 500 ops.
"""


def page(found: dict[str, Any]) -> str:
    """The page of what ``python -m benchmarks.speed`` measured: the parts that there are."""
    parts = [HEAD, _machine()]
    for part, (head, told) in SECTIONS.items():
        if part in found:
            note = found[part].get("note", "")
            load = f"Load when it was measured: {found[part]['load']:.1f}{note and f' ({note})'}."
            parts += [head, *told(found[part]["rows"]), "", load]
    return "\n".join(parts) + "\n"


def _machine() -> str:
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in VERSIONS)
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    cpu = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())
    busy = f"{os.cpu_count()} cores; where more than that is running, CPU seconds grow, and those of the wall more so"
    return f"{cpu}, {busy}. Python {platform.python_version()}, {versions}."


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    heads = tuple(heads)
    yield "| " + " | ".join(heads) + " |"
    yield "|" + "---|" * len(heads)
    yield from ("| " + " | ".join(row) + " |" for row in rows)


def _annotate(measured: list[dict[str, Any]]) -> Iterator[str]:
    rows = []
    for each in measured:
        for what in ("annotate", "passes"):
            theirs, own = each[what]
            per_call = f"{own / each['calls'] * 1e6:.0f}"
            cells = [f"{theirs * 1e3:.0f}", f"{own * 1e3:.0f}", f"**{own / theirs:.2f}**", per_call]
            rows.append((f"{each['model']}, {what}", f"{each['calls']}", *cells))
    yield from _table(("graph", "calls", "ExecuTorch ms", "qnnsolve ms", "ratio", "us per call"), rows)
    yield ""
    yield "Stages of `annotate`, and what its explanation costs who asks for it (`explain`, not part of it):"
    yield ""
    stages = [stage for stage in measured[0]["stages"] if stage != "passes"]
    stage_rows = [
        (e["model"], *(f"{e['stages'][stage] * 1e3:.0f}" for stage in stages), f"{e['peak_mb']}") for e in measured
    ]
    yield from _table(("ms", *stages, "peak MB of the process"), stage_rows)
    yield ""
    yield "Where the time of `annotate` goes, by module, under a profiler (which makes calls dearer than they are):"
    yield ""
    for each in measured:
        shares = ", ".join(f"{module} {share:.0%}" for module, share in each["profile"])
        yield f"- {each['model']}: {shares}"


def _solve(measured: list[dict[str, Any]]) -> Iterator[str]:
    rows = []
    for each in measured:
        times = [f"{each['stages'][s]:.2f}" if s in each["stages"] else "-" for s in STAGES]
        spent = sum(each["stages"].get(stage, 0) for stage in STAGES)
        cells = [*times, f"{each['wall']:.1f}", f"{spent / each['ops'] * 1e6:.0f}", f"{each['peak_mb']}"]
        rows.append((each["family"], f"{each['ops']:,}", f"{each['sites']:,}", *cells, each["answer"]))
    heads = ("family", "ops", "sites", *(f"{s} s" for s in STAGES), "solve wall s", "us per op", "peak MB", "answer")
    yield from _table(heads, rows)
    yield ""
    yield from _growth(measured)


def _growth(measured: list[dict[str, Any]]) -> Iterator[str]:
    """How many times the work of 5,000 ops that of 50,000 is."""
    by = {(each["family"], each["ops"]): each["stages"] for each in measured}
    for family in dict.fromkeys(each["family"] for each in measured):
        small, large = by.get((family, 5_000)), by.get((family, 50_000))
        if small and large:
            total = sum(large[s] for s in STAGES)
            times = total / sum(small[s] for s in STAGES)
            yield f"- {family}: 50,000 ops cost {times:.1f} times 5,000, {total:.1f} s in all."


def _again(measured: list[dict[str, Any]]) -> Iterator[str]:
    heads = ("ops", "kept once ms", "a pin ms", "from scratch ms", "times faster")
    yield from _table(heads, map(_again_row, measured))


def _start(measured: list[dict[str, Any]]) -> Iterator[str]:
    yield from _table(("command", "CPU s"), ((f"`{e['command']}`", f"{e['cpu']:.2f}") for e in measured))


def _again_row(each: dict[str, Any]) -> Iterator[str]:
    milliseconds = (each[key] * 1e3 for key in ("keep", "again", "scratch"))
    return iter((f"{each['ops']:,}", *(f"{ms:.2f}" for ms in milliseconds), f"{each['scratch'] / each['again']:.0f}"))


def _meta(measured: list[dict[str, Any]]) -> Iterator[str]:
    heads = ("calls", "export s", "passes s", "annotate s", "peak MB", "answer")
    for each in measured:
        times = [f"{each[key]:.1f}" for key in ("export", "passes", "annotate")]
        yield from _table(heads, [(f"{each['calls']}", *times, f"{each['peak_mb']}", each["answer"])])


def _export(measured: list[dict[str, Any]]) -> Iterator[str]:
    heads = ("model", "export", *(f"{stage} s" for stage in EXPORT_STAGES), "whole s")
    rows = (
        (each["model"], when, *(f"{spent.get(stage, 0):.1f}" for stage in (*EXPORT_STAGES, "whole")))
        for each in measured
        for when, spent in zip(("first", "again"), each["rounds"], strict=True)
    )
    yield from _table(heads, rows)


def _lower(measured: list[dict[str, Any]]) -> Iterator[str]:
    causes = sorted(set().union(*(each["sides"]["plain"] for each in measured)))
    rows = []
    for each in measured:
        for side, told in (("plain", "as ExecuTorch does it"), ("short", "with shortcuts")):
            spent = each["sides"][side]
            cells = [f"{spent.get(cause, 0):.1f}" for cause in causes]
            rows.append((each["model"], told, *cells, f"**{sum(spent.values()):.1f}**", f"{each['differing']}"))
    yield from _table(("model", "lowered", *(f"{cause} s" for cause in causes), "whole s", "bytes that differ"), rows)


def _memory(measured: list[dict[str, Any]]) -> Iterator[str]:
    for each in measured:
        weights = each["parameters"] * 4 >> 20
        rows = [("weights in float32", f"{weights:,}", "-")]
        rows += [(stage, f"{own:,}", f"{child:,}" if child else "-") for stage, own, child in each["peaks"]]
        yield from _table(("by the end of", "MB", "MB of the largest child"), rows)
        yield ""
        millions = each["parameters"] / 1e6
        yield f"{millions:.0f} million parameters, {each['seconds']:.0f} s, a `.pte` of {each['pte_mb']:,} MB."


SECTIONS: dict[str, tuple[str, Callable[[list[dict[str, Any]]], Iterator[str]]]] = {
    "annotate": (ANNOTATE, _annotate),
    "solve": (SOLVE.format(limit=round(LIMIT)), _solve),
    "meta": (META, _meta),
    "again": (AGAIN, _again),
    "start": (START, _start),
    "export": (EXPORT, _export),
    "lower": (LOWER, _lower),
    "memory": (MEMORY, _memory),
}
"""The parts of the page: their text, and what tells their rows."""
