"""A search as text: what a user reads after ``qnnsolve search``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import attrs

from qnnsolve.report.lines import Line, count, paragraph, percent, section, times
from qnnsolve.results import SearchPoint, SearchProgram, SearchResult, SearchTarget, SensitivityRecord, UniformRecord

__all__ = ["SearchWords", "amount", "found_as", "search_head", "search_lines"]

LISTED_SITES = 10
_BYTES = ("weights", "activations")
_SHARES = ("wide-ops",)
_COUNTS = ("converts",)


@attrs.frozen
class SearchWords:
    """The words of the user that a result does not hold: the model, and the folder of recipes."""

    model: str
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


def search_lines(result: SearchResult, asked: SearchWords, *, verbose: bool = False) -> tuple[Line, ...]:
    """The report of a search; ``verbose``: all sensitivities, not only the largest."""
    return (
        *search_head(result, asked),
        *_uniforms(result),
        *_points(result),
        *_programs(result.points),
        *_prices(result.points),
        *_sites(result.sensitivities, verbose),
        *section("Notes", [Line(f"  {note}") for note in result.notes]),
        *_passes(result),
        *_taking(result, asked),
        *times(result.timings),
    )


def search_head(result: SearchResult, asked: SearchWords) -> Iterator[Line]:
    """What was searched, the best that was found, and how far it may be from the best there is."""
    candidates = ", ".join(result.candidates)
    yield Line(f"{asked.model} for {result.soc}: mixed precision of {candidates}", style="bold")
    if not result.points:
        yield Line("no config was found", style="bold red")
    elif result.target is not None:
        yield from _reached(result.points[0], result.axis, result.target)
    else:
        number = _best(result.points)
        best = result.points[number - 1]
        found = (
            f"{count(len(result.points), 'point')} along {result.axis}; the best is point {number}: {_figures(best)}"
        )
        yield Line(f"{found} at {_at(result.axis, best)}", style="green")
    yield from _proof(result)
    yield Line("costs are counted from shapes and widths: all but weights are estimates of what the chip spends")


def _reached(point: SearchPoint, axis: str, target: SearchTarget) -> Iterator[Line]:
    who, said = f"the cheapest config in {axis}", {None: "is predicted to reach", True: "reaches"}.get(target.reached)
    if said is None:
        who, said = "the nearest config", "misses"
    text = f"{who} {said} {target}: {_figures(point)} at {_at(axis, point)}"
    yield Line(text, style="bold red" if target.reached is False else "green")


def _proof(result: SearchResult) -> Iterator[Line]:
    points, target = result.points, result.target
    if target is not None and target.reached is not None:
        if target.reached:
            yield Line("it is the cheapest of those that were measured; there may be cheaper ones")
        return
    gap = max((point.gap for point in points if point.found_as == "optimum"), default=0.0)
    least, budget = "the least predicted noise", "within its budget"
    if target is not None:
        least, budget = f"the least {result.axis}", "of all configs that are predicted to reach it"
    others = [number for number, point in enumerate(points, 1) if point.found_as != "optimum"]
    but = f", but for {count(len(others), 'point')} where another config did better" if others else ""
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


def _uniforms(result: SearchResult) -> Iterator[Line]:
    rows = [(each.name, *_cells(each, result)) for each in result.uniforms]
    header = ("", *_columns(result))
    yield from section("Uniform: one candidate everywhere, as near as the chip allows", _table(header, rows))


def _points(result: SearchResult) -> Iterator[Line]:
    compiled = ("emulator", "CPU ops", "program") if any(point.program for point in result.points) else ()
    header = ("", *(f"{cost} at most" for cost in _limited(result)), *_columns(result), *compiled, "gap", "")
    rows = []
    for number, point in enumerate(result.points, 1):
        most = [amount(cost, point.budgets[cost]) for cost in _limited(result)]
        cells = (*_cells(point, result), *_compiled(point.program), percent(point.gap), f"  {found_as(point)}".rstrip())
        rows.append((f"point {number}", *most, *cells))
    yield from section("Points", _table(header, rows))


def found_as(point: SearchPoint) -> str:
    """How a point was found, where it is not the optimum of what was predicted."""
    own = {"optimum": "", "alternative": "alternative", "near-optimal": "a near-optimal config did better"}
    return own.get(point.found_as, f"{point.found_as} measured better within this budget")


def _limited(result: SearchResult) -> tuple[str, ...]:
    """The costs that points have budgets of, in order."""
    return tuple(dict.fromkeys(cost for point in result.points for cost in point.budgets))


def _order(amounts: Mapping[str, float], axis: str) -> tuple[str, ...]:
    return (axis, *(cost for cost in amounts if cost != axis))


def _columns(result: SearchResult) -> tuple[str, ...]:
    known: list[SearchPoint | UniformRecord] = [*result.points, *result.uniforms]
    metric = ["metric"] if any(each.metric is not None for each in known) else []
    costs = _order(known[0].amounts, result.axis) if known else ()
    return (*costs, "predicted", "measured", *metric)


def _cells(each: SearchPoint | UniformRecord, result: SearchResult) -> Iterator[str]:
    yield from (amount(cost, each.amounts[cost]) for cost in _order(each.amounts, result.axis))
    yield f"{each.predicted_db:.2f} dB"
    yield "-" if each.measured_db is None else f"{each.measured_db:.2f} dB"
    if "metric" in _columns(result):
        yield "-" if each.metric is None else f"{each.metric:.6g}"


def _compiled(program: SearchProgram | None) -> Iterator[str]:
    if program is not None:
        yield "-" if program.emulator_db is None else f"{program.emulator_db:.2f} dB"
        yield f"{program.cpu_ops:,}"
        yield amount("weights", program.pte_bytes)


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


def _programs(points: Sequence[SearchPoint]) -> Iterator[Line]:
    """Whether the programs are what was told of them."""
    found = [(number, point.program) for number, point in enumerate(points, 1) if point.program is not None]
    lines = []
    for number, program in found:
        if program.unannounced:
            names = ", ".join(program.unannounced)
            lines.append(Line(f"  point {number}: on the CPU, which the solve had not said: {names}", style="bold red"))
        if program.agrees is False:
            lines.append(Line(f"  point {number}: the emulator differs from the converted model", style="bold red"))
        if program.emulator_db is None:
            lines.append(Line(f"  point {number}: nothing could be compared on the emulator"))
    if found and not lines:
        samples = count(max(program.samples for _, program in found), "sample")
        text = (
            f"  {count(len(found), 'program')}: no CPU op that the solve had not said; the emulator agrees ({samples})"
        )
        lines.append(Line(text, style="green"))
    yield from section("Compiled and run on the emulator", lines)


def _prices(points: Sequence[SearchPoint]) -> Iterator[Line]:
    lines = []
    for number, point in enumerate(points, 1):
        prices = [f"{cost} {price:+.3f} dB" for cost, price in point.prices.items() if price > 5e-4]
        if prices:
            lines.append(Line(f"  point {number}: {', '.join(prices)}"))
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
    then = f"{passes['trying']} to try near-optimal configs, {passes['measuring']} to measure"
    yield from paragraph(f"Passes over one sample ({by}): {found}, {then}")


def _taking(result: SearchResult, asked: SearchWords) -> Iterator[Line]:
    if not result.points:
        return
    if asked.recipes is None:
        yield Line("To take a point: --recipes DIR writes a recipe of each")
        return
    recipe = f"{asked.recipes.rstrip('/')}/point-{_best(result.points)}.yaml"
    command = f"qnnsolve export {asked.model} --soc {result.soc} --recipe {recipe} --out model.pte"
    yield Line(f"To take a point: {command}")
