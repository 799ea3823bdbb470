"""The comparison as a page in Markdown: :func:`page`."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import Any

Record = dict[str, Any]


def page(kept: Record) -> str:
    """The page for what ``--out`` holds."""
    return "\n".join(_lines(kept)) + "\n"


_ABOUT = """# Mixed precision: tools side by side

Made by `make search`. Each tool chooses which activations get 16 bits and which 8, with 8-bit weights. What it chose is
made legal for SM8750 by one solve, converted by torchao on the calibration samples, and measured on others. Budgets of
bit operations lie between everything narrow and everything wide; a tool offers what it holds best within each. The
search is asked for as many converts at most as the tool's point has, and for two amounts of bit operations: the budget,
and what the tool's point has itself.

- Legal: the nearest config that the chip takes. A convolution from 8 to 16 bits is not; its input becomes wide.
- Bit operations: multiplications times the bits of both operands.
- SQNR: signal over noise power at the output in dB.
- Passes: runs over one sample, forward or backward, calibration included, until the tool names its configs. Seconds are
  those of one core for all of it: reading the graph, solving, passes. That the configs are then converted and measured,
  each tool's alike, does not count; the search takes what is best by its prediction and by that, over the calibration
  samples.
- ±: the standard deviation of the difference over random halves of the samples that it was measured on. Of two configs
  that are equally good each is above the other by more than ± in one of six comparisons, and by more than twice that in
  one of 44: this is what a repetition may differ by.
"""


def _lines(kept: Record) -> Iterator[str]:
    yield _ABOUT
    yield "Versions: " + ", ".join(f"{name} {each}" for name, each in kept["versions"].items()) + "."
    for name, network in kept["networks"].items():
        yield from _network(name, network)


def _network(name: str, network: Record) -> Iterator[str]:
    metric = network["metric"].rpartition(":")[2].partition("_")[2]
    tools = network["tools"]
    yield f"\n## {name}\n"
    yield f"Measured at qnnsolve {network['qnnsolve']}. The float network has {metric} {network['float_metric']:.3f}."
    yield "With the same samples, every figure is the same each time. Calibrated on random halves of the samples, the"
    yield "SQNR of one config has a standard deviation"
    yield f"of {network['repeatability']:.2f} dB at most.\n"
    yield f"| preset | million bit operations | converts | SQNR | {metric} |\n|---|--:|--:|--:|--:|"
    for point in network["presets"]:
        figures = f"{point['converts']} | {point['sqnr']:.2f} | {point['metric']:.3f}"
        yield f"| {point['config']} | {point['bit_operations'] / 1e6:,.1f} | {figures} |"
    yield from _tools(tools)
    if "search" in network:
        yield from _held(network["search"])
    yield from _compiled(network.get("front"))
    if tools:
        yield f"\nPer budget in million bit operations: the tool's SQNR, {metric} and converts; by how much the search"
        yield "is above it in dB within the budget, and within the tool's own bit operations.\n"
        yield "| budget | " + " | ".join(tools) + " |"
        yield "|--:" + "|---" * len(tools) + "|"
    by_tool = [{each["budget"]: each for each in found["offers"]} for found in tools.values()]
    for budget in sorted({budget for found in by_tool for budget in found}):
        yield f"| {budget / 1e6:,.1f} | " + " | ".join(_cell(found.get(budget)) for found in by_tool) + " |"


def _tools(tools: Record) -> Iterator[str]:
    """What each took and what the search took for the same budgets and converts; and how the search does beside it."""
    if not tools:
        return
    yield "\n| tool | | passes | seconds | the search's passes | seconds |\n|---|---|--:|--:|--:|--:|"
    for tool, found in tools.items():
        ours = found["search"][0]
        theirs = f"{found['passes']:,} | {found['seconds']:,.2f}"
        yield f"| {tool} | {found['details']} | {theirs} | {ours['passes']:,} | {ours['seconds']:,.2f} |"
    yield "\nThe search beside each tool: in how many budgets it is above and below by more than ±, below by more than"
    yield "twice that, and by how much it is ahead in dB (least, median, most).\n"
    yield "| tool | budgets | above | below | by 2 ± | ahead | equal bit operations: above | below | by 2 ± | ahead |"
    yield "|---|--:|--:|--:|--:|---|--:|--:|--:|---|"
    for tool, found in tools.items():
        if found["offers"]:
            both = " | ".join(_beside([each[axis] for each in found["offers"]]) for axis in ("budgeted", "equal"))
            yield f"| {tool} | {len(found['offers'])} | {both} |"


def _beside(found: list[Record]) -> str:
    above = sum(each["ahead"] > each["repeats"] for each in found)
    below, far = (sum(-each["ahead"] > times * each["repeats"] for each in found) for times in (1, 2))
    ahead = [each["ahead"] for each in found]
    return f"{above} | {below} | {far} | {min(ahead):+.2f}, {median(ahead):+.2f}, {max(ahead):+.2f}"


def _held(search: Record) -> Iterator[str]:
    """How well what the search supposes holds, and what it found beyond the budgets."""
    held, target = search["held"], search["cheapest"]
    passes, seconds = search["prepared"]
    yield f"\nBefore any budget is asked for, the search takes {passes:,} passes and {seconds:.2f} s. Of"
    yield f"{held['configs']} configs of it, the prediction is {held['off_rms']:.2f} dB off the SQNR over the"
    yield f"calibration samples (rms; {held['off_worst']:+.2f} dB at worst)."
    ranks = held.get("sensitivities")
    if ranks:
        alike = f"{ranks['rank_correlation']:.4f} (8 bits: {ranks['rank_correlation_8_bits']:.4f})"
        yield f"Sensitivities of {ranks['pairs']} encodings at their sites: rank correlation {alike} with measuring"
        yield f"each alone, {ranks['seconds']:.2f} s against {ranks['measured_seconds']:.1f} s."
    if target is not None:
        point = f"{target['bit_operations'] / 1e6:,.1f} million bit operations, {target['converts']} converts"
        yield f"The cheapest point with a cosine of 0.99: {point}, {target['metric']:.4f}, {target['sqnr']:.2f} dB."
    if search["offers"]:
        found = ", ".join(f"{each['budget'] / 1e6:,.1f}: {_figures(each['point'])}" for each in search["offers"])
        yield f"With converts free, per budget: {found}."


def _compiled(front: Record | None) -> Iterator[str]:
    """What `qnnsolve search --verify` says of a front, and of a target where there is one."""
    if front is None:
        return
    asked = f"--candidates {front['candidates']} --points {front['asked']} --verify"
    yield f"\n`qnnsolve search {asked}` (at {front['qnnsolve']}): each point"
    yield f"compiled by the real compiler, {front['samples']} samples on the emulator, {front['seconds']:,} s in all.\n"
    yield "| point | million bit operations | converts | predicted | measured | emulator | delegates | on the CPU |"
    yield "|---|--:|--:|--:|--:|--:|--:|---|"
    for number, each in enumerate(front["points"], 1):
        yield f"| {number} | {_compiled_point(each)} |"
    for each in front["targets"]:
        yield f"\nThe cheapest in {each['axis']} with {each['target']}:\n"
        yield "| | million bit operations | weights | activations | converts | emulator | of the task on the emulator |"
        yield "|---|--:|--:|--:|--:|--:|--:|"
        for point in each["points"]:
            costs = " | ".join(f"{point[cost] / 1e6:,.2f}" for cost in ("bit-ops", "weights", "activations"))
            yield f"| {point['name']} | {costs} | {point['converts']} | {point['db']:.2f} dB | {point['metric']:.4f} |"


def _compiled_point(each: Record) -> str:
    cpu = "what the solve said" if not each["unannounced"] else ", ".join(each["unannounced"])
    cpu = f"{each['cpu_ops']}, {cpu}" if each["cpu_ops"] else "nothing"
    emulator = "-" if each["emulator_db"] is None else f"{each['emulator_db']:.2f} dB"
    differs = "" if each["agrees"] else " (differs)"
    figures = f"{each['predicted_db']:.2f} dB | {each['measured_db']:.2f} dB | {emulator}{differs}"
    return f"{each['bit_ops'] / 1e6:,.1f} | {each['converts']} | {figures} | {each['delegates']} | {cpu}"


def _cell(offer: Record | None) -> str:
    if offer is None:
        return "-"
    ahead = "; ".join(f"{offer[axis]['ahead']:+.2f} ± {offer[axis]['repeats']:.2f}" for axis in ("budgeted", "equal"))
    return f"{_figures(offer['point'])}; {ahead}"


def _figures(point: Record) -> str:
    return f"{point['sqnr']:.2f} dB, {point['metric']:.3f}, {point['converts']}"
