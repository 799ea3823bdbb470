"""A solution in the user's words: records per node, each deviation with its reason."""

from __future__ import annotations

from collections.abc import Iterable

from qnnsolve.constraints import Problem, Same, Site, Table
from qnnsolve.encodings import FLOAT
from qnnsolve.explain.nodes import Describer, node_records, source_records
from qnnsolve.explain.placing import placements
from qnnsolve.explain.sentences import conflict_in_words, sentence, with_code
from qnnsolve.explain.wished import missing_notes, overridden_records, wish_records
from qnnsolve.results import ConflictRecord, ConvertRecord, NodeRecord, SolveResult, Status
from qnnsolve.rules.base import Facts
from qnnsolve.solver import Solution, Unknown, Unsatisfiable

__all__ = [
    "conflict_in_words",
    "describe",
    "node_records",
    "notes_of_model",
    "notes_of_solve",
    "placements",
    "result_of",
    "sentence",
    "with_code",
]


def describe(
    facts: Facts,
    problem: Problem,
    outcome: Solution | Unsatisfiable | Unknown,
    *,
    soc: str,
    timings: tuple[tuple[str, float], ...],
) -> SolveResult:
    """The result of one solve as plain records."""
    nodes: tuple[NodeRecord, ...] = ()
    if isinstance(outcome, Solution):
        nodes = Describer(facts, outcome, _tables_by_node(facts, problem), _shared_at(problem)).records()
    return result_of(facts, outcome, soc=soc, nodes=nodes, timings=timings)


def result_of(
    facts: Facts,
    outcome: Solution | Unsatisfiable | Unknown,
    *,
    soc: str,
    nodes: tuple[NodeRecord, ...],
    timings: tuple[tuple[str, float], ...],
) -> SolveResult:
    """The result of one solve, of which the records of the ``nodes`` are known."""
    solution = outcome if isinstance(outcome, Solution) else None
    status = {Solution: Status.SATISFIABLE, Unsatisfiable: Status.UNSATISFIABLE, Unknown: Status.UNKNOWN}
    return SolveResult(
        status=status[type(outcome)],
        proof=None if solution is None else solution.proof,
        cost=None if solution is None else solution.cost,
        breakdown=() if solution is None else _breakdown(solution),
        backend=facts.operators.backend,
        soc=soc,
        arch=facts.operators.arch,
        precision=facts.request.name,
        nodes=nodes,
        converts=() if solution is None else _converts(facts, solution),
        unverified=tuple((node.name, node.target) for node in facts.unverified()),
        conflicts=_conflicts(outcome),
        timings=timings,
        facts=facts.operators.records,
        limit=None if isinstance(outcome, Unsatisfiable) else outcome.limit,
        wishes=wish_records(
            facts, {} if solution is None else solution.encodings, {node.name: node.placement for node in nodes}
        ),
        overridden=overridden_records(facts),
        notes=notes_of_solve(facts, outcome),
    )


_MORE_CONFLICTS = "a limit ended the search for conflicts, so there may be more than these"


def _cut_short(outcome: Solution | Unsatisfiable | Unknown) -> tuple[str, ...]:
    return (_MORE_CONFLICTS,) if isinstance(outcome, Unsatisfiable) and not outcome.exhaustive else ()


def notes_of_solve(facts: Facts, outcome: Solution | Unsatisfiable | Unknown) -> tuple[str, ...]:
    """What the solve did not find in the model, and what it did not come to."""
    return (*missing_notes(facts), *_cut_short(outcome))


def notes_of_model(notes: Iterable[str], facts: Facts) -> tuple[str, ...]:
    """Of the notes of a result those that the model gave, not its solve: they hold for another solve, too."""
    of_solve = (*missing_notes(facts), _MORE_CONFLICTS)
    return tuple(note for note in notes if note not in of_solve)


def _tables_by_node(facts: Facts, problem: Problem) -> dict[str, tuple[Table, ...]]:
    """The operator-table constraints of each node; one node becomes several ops, or has a port that repeats."""
    found: dict[str, list[Table]] = {}
    for constraint in problem.constraints:
        if isinstance(constraint, Table) and constraint.reason.rule == "QC001":
            found.setdefault(facts.owner(constraint.sites[0]), []).append(constraint)
    return {name: tuple(tables) for name, tables in found.items()}


def _shared_at(problem: Problem) -> dict[Site, tuple[Same, ...]]:
    found: dict[Site, list[Same]] = {}
    for constraint in problem.constraints:
        if isinstance(constraint, Same):
            for site in constraint.sites:
                found.setdefault(site, []).append(constraint)
    return {site: tuple(each) for site, each in found.items()}


_PRICED = {"Prefer": "deviations", "Convertible": "converts", "Table": "ops on the CPU"}
"""What each kind of constraint is paid for, in the words of a report."""


def _breakdown(solution: Solution) -> tuple[tuple[str, int], ...]:
    entries = ((f"{_PRICED.get(kind, kind)} [{rule}]", cost) for (kind, rule), cost in solution.breakdown.items())
    return tuple(sorted(entries, key=lambda entry: (-entry[1], entry[0])))


_AT_BORDER = "one end is on the CPU"


def _converts(facts: Facts, solution: Solution) -> tuple[ConvertRecord, ...]:
    place = {node.name: index for index, (node, _) in enumerate(facts.calls)}
    records = []
    for convert in sorted(solution.converts, key=lambda each: place.get(each.site.user, -1)):
        tensor = facts.graph[convert.site.node].tensor
        at_border = FLOAT in (convert.source, convert.target)  # ExecuTorch's own quantize or dequantize: no operator
        records.append(
            ConvertRecord(
                producer=convert.site.node,
                user=convert.site.user,
                source=convert.source.name,
                target=convert.target.name,
                numel=None if tensor is None else tensor.numel,
                price=convert.price,
                reason=_AT_BORDER if at_border else sentence(convert.reason),
                rule=convert.reason.rule,
                sources=() if at_border else source_records(convert.reason.sources),
            )
        )
    return tuple(records)


def _conflicts(outcome: Solution | Unsatisfiable | Unknown) -> tuple[ConflictRecord, ...]:
    if not isinstance(outcome, Unsatisfiable):
        return ()
    return tuple(
        ConflictRecord(
            nodes=conflict.nodes,
            constraints=tuple(f"{with_code(c.reason)} at {', '.join(map(str, c.sites))}" for c in conflict.constraints),
            text=conflict_in_words(conflict),
            sources=source_records(source for c in conflict.constraints for source in c.reason.sources),
        )
        for conflict in outcome.conflicts
    )
