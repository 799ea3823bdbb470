"""A search as text: what a user reads after ``qnnsolve search``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import attrs

from qnnsolve.report.lines import Line, count, paragraph, percent, section, times
from qnnsolve.results import SearchPoint, SearchResult, SensitivityRecord, UniformRecord

__all__ = ["Asked", "amount", "search_head", "search_lines"]

LISTED_SITES = 10
_BYTES = ("weights", "activations")
_SHARES = ("wide-ops",)
_COUNTS = ("converts",)


@attrs.frozen
class Asked:
    """The words of the user that a result does not hold: the model, the cost along which points lie, the least SQNR
    of a target, and the folder of recipes."""

    model: str
    axis: str
    least_db: float | None = None
    recipes: str | None = None


def amount(cost: str, value: float) -> str:
    """``2.44 kB``, ``16.3 M``, ``5`` or ``50 %``, as the cost is counted."""
    if cost in _SHARES:
        return percent(value)
    if cost in _COUNTS:
        return f"{value:,.0f}"
    unit = "B" if cost in _BYTES else ""
    for factor, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:.3g} {prefix}{unit}"
    return f"{value:.3g} {unit}".rstrip()


def search_lines(result: SearchResult, asked: Asked, *, verbose: bool = False) -> tuple[Line, ...]:
    """The report of a search; ``verbose``: all sensitivities, not only the largest."""
    return (
        *search_head(result, asked),
        *_uniforms(result, asked),
        *_points(result, asked),
        *_prices(result.points),
        *_sites(result.sensitivities, verbose),
        *section("Notes", [Line(f"  {note}") for note in result.notes]),
        *_passes(result),
        *_taking(result, asked),
        *times(result.timings),
    )


def search_head(result: SearchResult, asked: Asked) -> Iterator[Line]:
    """What was searched, the best that was found, and how far it may be from the best there is."""
    candidates = ", ".join(result.candidates)
    yield Line(f"{asked.model} for {result.soc}: mixed precision of {candidates}", style="bold")
    if not result.points:
        yield Line("no config was found", style="bold red")
    elif asked.least_db is not None:
        yield from _reached(result.points[0], asked, asked.least_db)
    else:
        number = _best(result.points)
        best = result.points[number - 1]
        found = f"{count(len(result.points), 'point')} along {asked.axis}; the best is point {number}: {_figures(best)}"
        yield Line(f"{found} at {_at(asked.axis, best)}", style="green")
    yield from _proof(result.points, asked)
    yield Line("costs are counted from shapes and widths: all but weights are estimates of what the chip spends")


def _reached(point: SearchPoint, asked: Asked, least_db: float) -> Iterator[Line]:
    missed = point.measured_db is not None and point.measured_db < least_db
    said = "is predicted to reach" if point.measured_db is None else "misses" if missed else "reaches"
    text = f"the cheapest config in {asked.axis} {said} {least_db:g} dB: {_figures(point)} at {_at(asked.axis, point)}"
    yield Line(text, style="bold red" if missed else "green")


def _proof(points: Sequence[SearchPoint], asked: Asked) -> Iterator[Line]:
    gap = max((point.gap for point in points), default=0.0)
    least, budget = "the least predicted noise", "within its budget"
    if asked.least_db is not None:
        least, budget = f"the least {asked.axis}", "of all configs that are predicted to reach it"
    others = [number for number, point in enumerate(points, 1) if point.found_as != "optimum"]
    but = f", but for {count(len(others), 'point')} where another config measured better" if others else ""
    if points:
        proven = f"a point has {least} {budget}, proven" if gap == 0 else ""
        yield Line((proven or f"a point lies at most {percent(gap)} above {least} {budget}") + but)


def _best(points: Sequence[SearchPoint]) -> int:
    """The number of the best point; of equals the first."""
    return max(range(1, len(points) + 1), key=lambda number: (*_quality(points[number - 1]), -number))


def _quality(point: SearchPoint) -> tuple[float, float]:
    """More is better: the metric where there is one, then what was measured, else what was predicted."""
    sqnr = point.predicted_db if point.measured_db is None else point.measured_db
    return (0.0 if point.metric is None else point.metric, sqnr)


def _figures(point: SearchPoint) -> str:
    metric = "" if point.metric is None else f"metric {point.metric:.6g}, "
    if point.measured_db is None:
        return f"{metric}{point.predicted_db:.2f} dB predicted, not measured"
    return f"{metric}{point.measured_db:.2f} dB measured, {point.predicted_db:.2f} predicted"


def _at(axis: str, point: SearchPoint) -> str:
    return f"{amount(axis, point.amounts[axis])} of {axis}"


def _uniforms(result: SearchResult, asked: Asked) -> Iterator[Line]:
    rows = [(each.name, *_cells(each, result, asked)) for each in result.uniforms]
    header = ("", *_columns(result, asked))
    yield from section("Uniform: one candidate everywhere, as near as the chip allows", _table(header, rows))


def _points(result: SearchResult, asked: Asked) -> Iterator[Line]:
    header = ("", *(f"{cost} at most" for cost in _limited(result)), *_columns(result, asked), "gap", "")
    rows = []
    for number, point in enumerate(result.points, 1):
        most = [amount(cost, point.budgets[cost]) for cost in _limited(result)]
        other = "" if point.found_as == "optimum" else f"  {point.found_as} measured better within this budget"
        rows.append((f"point {number}", *most, *_cells(point, result, asked), percent(point.gap), other))
    yield from section("Points", _table(header, rows))


def _limited(result: SearchResult) -> tuple[str, ...]:
    """The costs that points have budgets of, in order."""
    return tuple(dict.fromkeys(cost for point in result.points for cost in point.budgets))


def _order(amounts: Mapping[str, float], axis: str) -> tuple[str, ...]:
    return (axis, *(cost for cost in amounts if cost != axis))


def _columns(result: SearchResult, asked: Asked) -> tuple[str, ...]:
    known: list[SearchPoint | UniformRecord] = [*result.points, *result.uniforms]
    metric = ["metric"] if any(each.metric is not None for each in known) else []
    costs = _order(known[0].amounts, asked.axis) if known else ()
    return (*costs, "predicted", "measured", *metric)


def _cells(each: SearchPoint | UniformRecord, result: SearchResult, asked: Asked) -> Iterator[str]:
    yield from (amount(cost, each.amounts[cost]) for cost in _order(each.amounts, asked.axis))
    yield f"{each.predicted_db:.2f} dB"
    yield "-" if each.measured_db is None else f"{each.measured_db:.2f} dB"
    if "metric" in _columns(result, asked):
        yield "-" if each.metric is None else f"{each.metric:.6g}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[Line]:
    """Columns to the right, but for the first; nothing where there are no rows."""
    if not rows:
        return []
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    padded = [
        "  ".join(
            (row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)))
        )
        for row in (header, *rows)
    ]
    return [Line(f"  {text.rstrip()}") for text in padded]


def _prices(points: Sequence[SearchPoint]) -> Iterator[Line]:
    lines = []
    for number, point in enumerate(points, 1):
        told = [f"{cost} {price:+.3f} dB" for cost, price in point.prices.items() if price > 5e-4]
        if told:
            lines.append(Line(f"  point {number}: {', '.join(told)}"))
    yield from section("What one percent more of a budget brings (estimate)", lines)


def _sites(sensitivities: Sequence[SensitivityRecord], verbose: bool) -> Iterator[Line]:
    shown = sensitivities if verbose else sensitivities[:LISTED_SITES]
    rows = [(each.site, each.encoding, f"{each.db:.2f} dB") for each in shown]
    lines = _table(("where", "encoding", "SQNR"), rows)
    if len(shown) < len(sensitivities):
        lines.append(Line(f"  and {len(sensitivities) - len(shown):,} with less noise (--verbose)"))
    yield from section("Noisiest sites: the SQNR if nothing else were rounded (estimate)", lines)


def _passes(result: SearchResult) -> Iterator[Line]:
    passes = result.passes
    by = f"{count(result.samples, 'sample')}, {count(result.directions, 'direction')}"
    found = f"{passes['forward']} forward and {passes['backward']} backward to find the points"
    yield from paragraph(f"Passes over one sample ({by}): {found}, {passes['measuring']} to measure")


def _taking(result: SearchResult, asked: Asked) -> Iterator[Line]:
    if not result.points:
        return
    if asked.recipes is None:
        yield Line("To take a point: --recipes DIR writes a recipe of each")
        return
    recipe = f"{asked.recipes.rstrip('/')}/point-{_best(result.points)}.yaml"
    command = f"qnnsolve export {asked.model} --soc {result.soc} --recipe {recipe} --out model.pte"
    yield Line(f"To take a point: {command}")
