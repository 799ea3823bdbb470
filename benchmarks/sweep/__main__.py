"""Run the forms, and write the table of those that are not as they should be.

python -m benchmarks.sweep --out sweep.jsonl --table docs/sweep.md   # all of them, resumed (make sweep)
python -m benchmarks.sweep --out sweep.jsonl --path library          # without compiling: minutes
python -m benchmarks.sweep --out sweep.jsonl --match conv3d          # some forms
python -m benchmarks.sweep --out sweep.jsonl --wrong                 # once more what was not as it should be
python -m benchmarks.sweep --out sweep.jsonl --stale                 # once more what an older commit gave
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from benchmarks.sweep import work
from benchmarks.sweep.forms import all_forms
from benchmarks.sweep.judge import faults, refusal
from benchmarks.sweep.results import Key, Results
from benchmarks.sweep.state import code_state
from benchmarks.sweep.table import table

CONFIGS = (("SM8350", "16a8w"), ("SM8750", "8a8w"), ("SM8750", "16a8w"))
PACK = 96
"""Forms per export: an export takes about 16 s of CPU by itself, and a form about half a second."""
MIXED = 32
"""Forms per export where each has ops on the CPU."""
BATCH = 20
"""Forms per task of the library path."""

SAMPLE = 20
"""Forms that go by the command line too, the first few each by itself."""
ALONE = 3
DOORS = ("module", "archive")
"""The command line's: a Python file and a ``.pt2``."""
PATHS = ("library", "export", *DOORS)

Config = tuple[str, str]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for; 1 where a form is not as it should be."""
    options = _options(arguments)
    results = Results(options.out)
    names = [name for name in all_forms() if not options.match or any(word in name for word in options.match)]
    if options.every > 1:
        names = names[:: options.every]
    configs = [each for each in CONFIGS if not options.config or f"{each[0]}:{each[1]}" in options.config]
    if options.wrong:
        results.forget(_wrong(results, names, configs))
    paths = [options.path] if options.path else list(PATHS)
    if options.stale:
        asked = {(path, *config, name) for path in paths for config in configs for name in names}
        results.forget(stale(results, asked))
    begun = time.monotonic()
    context = multiprocessing.get_context("spawn")
    for path in paths:
        with ProcessPoolExecutor(options.jobs, context, work.start) as pool:
            jobs = list(_jobs(path, results, names, configs, options.pack))
            function = {"library": work.through_library, "export": work.exported}.get(path, work.commanded)
            door = () if path in ("library", "export") else (path,)
            waiting = {pool.submit(function, job, *config, *door): (job, config) for job, config in jobs}
            for count, future in enumerate(as_completed(waiting), 1):
                job, config = waiting[future]
                try:
                    results.add(future.result())
                except Exception as error:  # the worker died: the next run takes them up again
                    print(f"{path} {' '.join(config)} {job[0]} ...: {type(error).__name__}: {error}", file=sys.stderr)
                print(f"{path}: {count}/{len(jobs)}, {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    if options.table:
        options.table.write_text(table(results, list(all_forms()), CONFIGS), encoding="utf-8")
    return _tell(results, names, configs)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the results, a line of JSON each; resumed")
    parser.add_argument("--table", type=Path, help="write the table there, in Markdown")
    parser.add_argument("--path", choices=PATHS, help="one of the paths only")
    parser.add_argument("--config", action="append", help="SOC:PRECISION, one of the three")
    parser.add_argument("--match", nargs="*", help="forms whose name holds one of these words")
    parser.add_argument("--every", type=int, default=1, help="every N-th form")
    parser.add_argument("--wrong", action="store_true", help="run again what is not as it should be")
    parser.add_argument("--stale", action="store_true", help="run again what another state of the code gave")
    parser.add_argument("--pack", type=int, default=PACK, help="forms per export; 1: each by itself")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    return parser.parse_args(arguments)


def _jobs(
    path: str, results: Results, names: Sequence[str], configs: Sequence[Config], size: int
) -> Iterator[tuple[list[str], Config]]:
    for config in configs:
        left = [name for name in names if results.get(path, *config, name) is None]
        if path == "library":
            yield from ((left[at : at + BATCH], config) for at in range(0, len(left), BATCH))
        elif path in DOORS:
            sample = [name for name in names[:: max(1, len(names) // SAMPLE)] if name in left]
            yield from ((pack, config) for pack in packs(results, sample[ALONE:], config, size))
            yield from (([name], config) for name in sample[:ALONE])
        else:
            yield from ((pack, config) for pack in packs(results, left, config, size))


def packs(results: Results, names: Sequence[str], config: Config, size: int = PACK) -> Iterator[list[str]]:
    """Forms that can be exported as one: each that the library path fails on is alone, and so is the first one with
    nothing for the accelerator, since a pack would hide what comes of a whole model like that. Those with ops on the
    CPU have smaller packs of their own, since a kernel that the runtime lacks keeps a whole pack from being run."""
    alone: list[str] = []
    idle: list[str] = []
    rest: list[str] = []
    mixed: list[str] = []
    for name in names:
        known = results.get("library", *config, name) or {}
        if "error" in known:
            alone.append(name)
        elif not idle and known.get("encodings") and all(not each.endswith("npu") for each in known["encodings"]):
            idle.append(name)
        else:
            (mixed if known.get("cpu") else rest).append(name)
    yield from ([name] for name in [*alone, *idle])
    for these, most in ((rest, size), (mixed, min(size, MIXED))):
        count = -(-len(these) // most)
        # Dealt out, so that the slow forms of a family are not all in one pack.
        yield from (these[at::count] for at in range(count))


def stale(results: Results, asked: Iterable[Key]) -> list[Key]:
    """Those of the results asked for that another state of the code gave."""
    return [key for key in asked if key in results.found and results.found[key].get("code") != code_state()]


def _wrong(results: Results, names: Sequence[str], configs: Sequence[Config]) -> Iterator[tuple[str, str, str, str]]:
    for config in configs:
        for name in names:
            if list(faults(results.get("library", *config, name), results.get("export", *config, name), config[1])):
                yield from ((path, *config, name) for path in ("library", "export"))


def _tell(results: Results, names: Sequence[str], configs: Sequence[Config]) -> int:
    wrong = 0
    for config in configs:
        refused = 0
        for name in names:
            library, exported = (results.get(path, *config, name) for path in ("library", "export"))
            refused += any(each is not None and refusal(each) is not None for each in (library, exported))
            for fault in faults(library, exported, config[1]):
                print(f"{' '.join(config)} | {name} | {fault}")
                wrong += 1
        print(f"{' '.join(config)}: {len(names)} forms, {refused} refused")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
