"""Compares mixed-precision tools on trained networks, at the same budgets, over the same data.

    python -m benchmarks.search --install                      # packages and environments; three minutes
    python -m benchmarks.search --verify --out results.json    # all networks; hours on one core
    python -m benchmarks.search --network cnn --out results.json --page docs/mixed-precision.md

``make search`` does all of it. What is in ``--out`` already is not measured again.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any

import attrs

from benchmarks.search import installed
from benchmarks.search.aimet import by_aimet
from benchmarks.search.budgets import Against, budgets, offers, repeatability
from benchmarks.search.configs import Bench, Proposal, uniform
from benchmarks.search.flips import by_executorch, by_layer, worst_share
from benchmarks.search.fronts import verified
from benchmarks.search.metrics import of
from benchmarks.search.networks import NETWORKS
from benchmarks.search.ours import GREEDY, NAME, Run, Search, by_greedy, cheapest, held
from benchmarks.search.page import page

COSINE = 0.99
"""What embeddings are to reach."""

TOOLS: Mapping[str, Callable[[Bench, Search], Proposal]] = MappingProxyType(
    {
        "ExecuTorch PerLayerSqnrAnalyzer": lambda bench, _: by_executorch(bench),
        "worst ops first": lambda bench, _: by_layer(bench),
        "worst 10 %": lambda bench, _: worst_share(by_layer(bench)),
        "AIMET choose_mixed_precision": lambda bench, _: by_aimet(bench),
        GREEDY: lambda _, search: by_greedy(search),
    }
)


def about(bench: Bench) -> dict[str, Any]:
    """What holds for a network whatever the tool."""
    network = bench.network
    return {
        "qnnsolve": commit(),
        "metric": network.metric,
        "float_metric": of(network, network.expected),
        "repeatability": repeatability(bench),
        "presets": [bench.measured(each).record for each in uniform()],
        "tools": {},
    }


def searched(search: Search, ranked: bool) -> dict[str, Any]:
    """What the search has found by itself, converts free, and how well what it supposes holds."""
    bench, run = search.bench, search.free
    target = cheapest(search, COSINE) if bench.network.name == "encoder" else None
    points = [None if each is None else search.point(each) for each in run.configs]
    return {
        **_took(run),
        "prepared": [search.prepared[0], round(search.prepared[1], 2)],
        "offers": [
            {"budget": budget, "point": point.record}
            for budget, point in zip(budgets(bench), points, strict=True)
            if point is not None
        ],
        "held": held(search, ranked),
        "cheapest": None if target is None else target.record,
    }


def offered(bench: Bench, search: Search, make: Callable[[Bench, Search], Proposal]) -> dict[str, Any]:
    """What a tool has found, and what it has within each budget."""
    proposal = make(bench, search)
    found = offers(bench, proposal, search.within)
    return {
        "passes": proposal.passes,
        "seconds": round(proposal.seconds, 2),
        "details": proposal.details,
        "offers": [
            {
                "budget": each.budget,
                "point": each.point.record,
                "budgeted": _against(each.budgeted),
                "equal": _against(each.equal),
            }
            for each in found
        ],
        "search": [_took(run) for run in search.runs[-2:]],
    }


def _took(run: Run) -> dict[str, Any]:
    return {"passes": run.passes, "seconds": round(run.seconds, 2), "measuring": run.measuring}


def _against(each: Against) -> dict[str, Any]:
    return {**attrs.asdict(each, recurse=False), "point": each.point.record}


def commit() -> str:
    """Of qnnsolve, which is measured."""
    command = ("git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty=+")
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or "unknown"


def versions() -> dict[str, str]:
    """Of all else that takes part."""
    names = ("torch", "torchao", "executorch", "scikit-learn", "transformers")
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in names},
        "aimet-torch": installed.AIMET_VERSION,
        **dict(each.split("==") for each in (installed.ENCODER, installed.PITCH)),
    }


def main() -> None:
    """Install, measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--install", action="store_true", help="install what is missing, and do nothing else")
    parser.add_argument("--network", action="append", choices=tuple(NETWORKS), help="only this one; may be repeated")
    parser.add_argument("--tool", action="append", choices=tuple(TOOLS), help="only this one; may be repeated")
    parser.add_argument("--unranked", action="store_true", help="do not measure every encoding at every site")
    parser.add_argument("--verify", action="store_true", help="compile every point of a front, and run it")
    parser.add_argument("--out", type=Path, help="results as JSON; what is there is kept")
    parser.add_argument("--page", type=Path, help="the page, in Markdown")
    options = parser.parse_args()
    if options.install:
        installed.install()
        return
    if options.out is None:
        parser.error("--out is needed")
    kept: dict[str, Any] = {"networks": {}}
    if options.out.exists():
        kept = json.loads(options.out.read_text(encoding="utf-8"))
    for name in options.network or NETWORKS:
        bench, tools = Bench(NETWORKS[name]()), kept["networks"].get(name, {}).get("tools", {})
        if name not in kept["networks"]:
            kept["networks"][name] = about(bench)
            _write(options.out, kept)
            tools = kept["networks"][name]["tools"]
        if options.verify and "front" not in kept["networks"][name]:
            print(f"{name}: compiling a front", file=sys.stderr, flush=True)
            kept["networks"][name]["front"] = {"qnnsolve": commit(), **verified(bench.network)}
            _write(options.out, kept)
        missing = [tool for tool in options.tool or TOOLS if tool not in tools]
        if not missing and NAME in kept["networks"][name]:
            continue
        search = Search(bench)
        for tool in missing:
            print(f"{name}: {tool}", file=sys.stderr, flush=True)
            tools[tool] = offered(bench, search, TOOLS[tool])
            _write(options.out, kept)
        if NAME not in kept["networks"][name]:
            kept["networks"][name][NAME] = searched(search, not options.unranked)
            _write(options.out, kept)
    if options.page is not None:
        options.page.write_text(page(kept), encoding="utf-8")


def _write(path: Path, kept: dict[str, Any]) -> None:
    kept["versions"] = versions()
    path.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
