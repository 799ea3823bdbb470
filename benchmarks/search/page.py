"""The comparison as a page in Markdown: :func:`page`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Record = dict[str, Any]


def page(kept: Record) -> str:
    """The page for what ``--out`` holds."""
    return "\n".join(_lines(kept)) + "\n"


_ABOUT = """# Mixed precision: tools side by side

Made by `make search`. Each tool chooses which activations get 16 bits and which 8, with 8-bit weights. What it chose is
made legal for SM8750 by one solve, converted by torchao on the calibration samples, and measured on others. Budgets of
bit operations lie between everything narrow and everything wide; a tool offers what it holds best within each.

- Legal: the nearest config that the chip takes. A convolution from 8 to 16 bits is not; its input becomes wide.
- Bit operations: multiplications times the bits of both operands.
- SQNR: signal over noise power at the output in dB.
- Passes: runs over one sample, forward or backward, calibration included, until the tool names its configs. That these
  are then converted and measured, each tool's alike, does not count. Seconds are those of one core.
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
    yield f"The float network has {metric} {network['float_metric']:.3f}. With the same samples, every figure is the"
    yield "same each time. Calibrated on random halves of the samples, the SQNR of one config has a standard deviation"
    yield f"of {network['repeatability']:.2f} dB at most.\n"
    yield f"| preset | million bit operations | converts | SQNR | {metric} |\n|---|--:|--:|--:|--:|"
    for point in network["presets"]:
        figures = f"{point['converts']} | {point['sqnr']:.2f} | {point['metric']:.3f}"
        yield f"| {point['config']} | {point['bit_operations'] / 1e6:,.1f} | {figures} |"
    yield "\n| tool | passes | seconds | |\n|---|--:|--:|---|"
    for tool, found in {"**search**": network["search"], **tools}.items():
        yield f"| {tool} | {found['passes']:,} | {found['seconds']:,.1f} | {found['details']} |"
    yield from _held(network["search"])
    yield f"\nPer budget in million bit operations: SQNR, {metric} and converts.\n"
    yield "| budget | " + " | ".join(tools) + " |"
    yield "|--:" + "|---" * len(tools) + "|"
    by_tool = [{each["budget"]: each for each in found["offers"]} for found in tools.values()]
    for budget in sorted({budget for found in by_tool for budget in found}):
        yield f"| {budget / 1e6:,.1f} | " + " | ".join(_cell(found.get(budget)) for found in by_tool) + " |"


def _held(search: Record) -> Iterator[str]:
    """How well what the search supposes holds, and what it found beyond the budgets."""
    held, target = search["held"], search["cheapest"]
    yield f"\nOf {held['configs']} configs of the search, the prediction is {held['off_rms']:.2f} dB off the SQNR"
    yield f"over the calibration samples (rms; {held['off_worst']:+.2f} dB at worst), and a trial at worst"
    yield f"{held['tried_off_worst']:+.2f} dB."
    ranks = held.get("sensitivities")
    if ranks:
        alike = f"{ranks['rank_correlation']:.4f} (8 bits: {ranks['rank_correlation_8_bits']:.4f})"
        yield f"Sensitivities of {ranks['pairs']} encodings at their sites: rank correlation {alike} with measuring"
        yield f"each alone, {ranks['seconds']:.1f} s against {ranks['measured_seconds']:.1f} s."
    if target is not None:
        point = f"{target['bit_operations'] / 1e6:,.1f} million bit operations, {target['converts']} converts"
        yield f"The cheapest point with a cosine of 0.99: {point}, {target['metric']:.4f}, {target['sqnr']:.2f} dB."
    offers = search["offers"]
    if offers:
        found = ", ".join(f"{each['budget'] / 1e6:,.1f}: {_figures(each['point'])}" for each in offers)
        yield f"With converts free, per budget: {found}."


def _cell(offer: Record | None) -> str:
    if offer is None:
        return "-"
    found = _figures(offer["point"])
    return found if offer["ours"] is None else f"{found}; search {_figures(offer['ours'])}"


def _figures(point: Record) -> str:
    return f"{point['sqnr']:.2f} dB, {point['metric']:.3f}, {point['converts']}"
