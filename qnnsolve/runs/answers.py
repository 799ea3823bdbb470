"""What came of a solve, as rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from qnnsolve.constraints import Convertible, Problem, Site
from qnnsolve.encodings import Encoding
from qnnsolve.results import Deviation, Placement, SolveResult, SourceRecord
from qnnsolve.runs.file import Row, Rows
from qnnsolve.runs.ids import Met, StoredIds, compact, parsed
from qnnsolve.solver import Conflict, Convert, Solution, Statistics, Unknown, Unsatisfiable
from qnnsolve.sources import Source, SourceKind

__all__ = ["answer_rows", "read_chosen", "read_conflicts", "read_placed", "read_solution"]


def answer_rows(
    problem: Problem, outcome: Solution | Unsatisfiable | Unknown, result: SolveResult, met: Met
) -> dict[str, list[Row]]:
    """The rows of ``outcome``, ``breakdown``, ``converts``, ``conflicts``, ``placed`` and ``deviations``."""
    number = {id(constraint): at for at, constraint in enumerate(problem.constraints)}
    solution = outcome if isinstance(outcome, Solution) else None
    stopped_by = None if isinstance(outcome, Unsatisfiable) else outcome.limit
    cost, bound = (None, None) if solution is None else (solution.cost, solution.lower_bound)
    conflicts = outcome.conflicts if isinstance(outcome, Unsatisfiable) else ()
    return {
        "outcome": [(result.status.value, cost, bound, stopped_by)],
        "breakdown": [] if solution is None else [(*key, each) for key, each in solution.breakdown.items()],
        "converts": [] if solution is None else _convert_rows(problem, solution),
        "conflicts": [
            (compact([number[id(c)] for c in each.constraints]), int(each.irredundant), int(each.by_search))
            for each in conflicts
        ],
        "placed": [(met.nodes(node.name), node.placement.value) for node in result.nodes],
        "deviations": [
            (
                met.nodes(node.name),
                each.site,
                each.requested,
                each.chosen,
                each.reason,
                each.rule,
                met.sources.many(Source(SourceKind(source.kind), source.citation) for source in each.sources),
                each.asked_by,
            )
            for node in result.nodes
            for each in node.deviations
        ],
    }


def _convert_rows(problem: Problem, solution: Solution) -> list[Row]:
    """By the constraint that allows it: the one over the edge with its price and reason."""
    allowing = {
        (c.target, c.price, c.reason): at for at, c in enumerate(problem.constraints) if isinstance(c, Convertible)
    }
    return [(allowing[each.site, each.price, each.reason],) for each in solution.converts]


def read_chosen(rows: Rows, known: StoredIds, sites: tuple[Site, ...]) -> dict[Site, Encoding]:
    """The encoding that each site has under the solution; empty where there is none."""
    pairs = zip(sites, rows["sites"], strict=True)
    return {site: known.encodings[row[5]] for site, row in pairs if row[5] is not None}


def read_placed(rows: Rows, known: StoredIds) -> tuple[dict[str, Placement], dict[str, list[Deviation]]]:
    """Where each call runs, and its deviations, by its name."""
    places = {place.value: place for place in Placement}
    placed = {known.nodes[node]: places[place] for node, place in rows["placed"]}
    deviations: dict[str, list[Deviation]] = {}
    for node, site, requested, chosen, reason, rule, sources, asked_by in rows["deviations"]:
        cited = tuple(SourceRecord(each.kind.value, each.citation) for each in known.sources_of(sources))
        found = deviations.setdefault(known.nodes[node], [])
        found.append(Deviation(site, requested, chosen, reason, rule, cited, asked_by))
    return placed, deviations


def read_conflicts(rows: Rows, problem: Problem) -> tuple[Conflict, ...]:
    """The conflicts, without their derivations: those come of solving again."""
    return tuple(
        Conflict(tuple(problem.constraints[at] for at in parsed(constraints)), (), bool(irredundant), bool(by_search))
        for constraints, irredundant, by_search in rows["conflicts"]
    )


def read_solution(
    rows: Rows,
    problem: Problem,
    chosen: Mapping[Site, Encoding],
    statistics: Statistics,
    why: Callable[[Site, Encoding], Any],
) -> Solution:
    """The solution; ``why`` answers for its trail."""
    ((_, cost, lower_bound, stopped_by),) = rows["outcome"]
    groups: dict[int, list[Site]] = {}
    for site, row in zip(chosen, rows["sites"], strict=True):
        groups.setdefault(row[6], []).append(site)
    allowing = [problem.constraints[at] for (at,) in rows["converts"]]
    return Solution(
        encodings=chosen,
        groups=tuple(map(tuple, groups.values())),
        converts=tuple(
            Convert(c.target, chosen[c.source], chosen[c.target], c.price, c.reason)
            for c in allowing
            if isinstance(c, Convertible)
        ),
        cost=cost,
        breakdown={(kind, rule): price for kind, rule, price in rows["breakdown"]},
        lower_bound=lower_bound,
        statistics=lambda: statistics,
        why=why,
        limit=stopped_by,
    )
