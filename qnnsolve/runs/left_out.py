"""Why encodings are no candidates, as rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from qnnsolve.constraints import LeftOut, Problem, Site
from qnnsolve.encodings import Encoding
from qnnsolve.facts.graph import Graph
from qnnsolve.reasons import Reason
from qnnsolve.runs.file import Row, Rows
from qnnsolve.runs.ids import Ids, Met, StoredIds

__all__ = ["bare_sites", "left_out_rows", "read_left_out"]


def bare_sites(graph: Graph, problem: Problem) -> tuple[Site, ...]:
    """Outputs and edges of the graph that have no candidates, sorted."""
    outputs = {Site(node.name) for node in graph}
    edges = {Site(name, user) for name, users in graph.users.items() for user in users}
    return tuple(sorted((outputs | edges) - problem.domains.keys()))


def left_out_rows(records: Iterable[LeftOut], reasons: Ids[Reason], met: Met) -> dict[str, list[Row]]:
    """The rows of ``left_out`` and ``left_out_rows``."""
    counts: list[Row] = []
    rows: list[Row] = []
    for at, record in enumerate(records):
        mine: list[Row] = [(at, met.encodings.many(sorted(named)), reasons(why)) for why, named in record.named]
        if record.others is not None:
            mine.append((at, "[]", reasons(record.others)))
        counts.append((at, len(mine)))
        rows += mine
    return {"left_out": counts, "left_out_rows": rows}


def read_left_out(
    rows: Rows, known: StoredIds, sites: tuple[Site, ...], reasons: list[Reason]
) -> Callable[[Site], LeftOut]:
    """What answers for each site as :attr:`~qnnsolve.constraints.Problem.left_out` does."""
    named: list[list[tuple[Reason, frozenset[Encoding]]]] = [[] for _ in rows["left_out"]]
    others: dict[int, Reason] = {}
    for record, encodings, reason in rows["left_out_rows"]:
        which = frozenset(known.encodings_of(encodings))
        if which:
            named[record].append((reasons[reason], which))
        else:
            others[record] = reasons[reason]
    if [len(each) + (at in others) for at, each in enumerate(named)] != [number for _, number in rows["left_out"]]:
        raise ValueError("a record of what is left out has not all of its rows")
    records = [LeftOut(tuple(each), others.get(at)) for at, each in enumerate(named)]
    found = {site: row[7] for site, row in zip(sites, rows["sites"], strict=True)}
    for node, user, record in rows["without_candidates"]:
        found[Site(known.nodes[node], "" if user is None else known.nodes[user])] = record
    return lambda site: records[found[site]]
