"""Ways out that are no part of a proof: chips that take what this one does not."""

from __future__ import annotations

from collections.abc import Iterator

from qnnsolve.constraints import Site, Table
from qnnsolve.encodings import FLOAT, Encoding
from qnnsolve.facts.backends import backend as backend_of
from qnnsolve.facts.backends import chip_of
from qnnsolve.opinfo_facts import FactsSource, operator_facts
from qnnsolve.questions.chain import Narrowing, narrowings
from qnnsolve.questions.opened import Opened
from qnnsolve.reasons import Says
from qnnsolve.rules.base import Facts
from qnnsolve.rules.rows import one_row_of_the_operator_table
from qnnsolve.solver import Conflict

__all__ = ["hints_of"]


def hints_of(opened: Opened, conflict: Conflict) -> tuple[str, ...]:
    """From which chip on an op takes what it does not take here, by the shipped facts."""
    return tuple(dict.fromkeys(_since(opened, conflict)))


def _since(opened: Opened, conflict: Conflict) -> Iterator[str]:
    operators = opened.facts.operators
    backend = backend_of(operators.backend)
    archs = backend.archs
    later = archs[archs.index(operators.arch) + 1 :] if operators.arch in archs else ()
    for each in narrowings(opened, conflict):
        if isinstance(each.constraint, Table) and each.constraint.reason.says is Says.TAKES_ROWS:
            found = next(((arch, row) for arch in later for row in _rows(opened, each, arch)), None)
            if found is not None:
                arch, row = found
                ports = [site for site in row if site == each.site or site in each.given]
                takes = " and ".join(f"{row[site]} at {opened.named(site)}" for site in ports)
                op = each.constraint.reason.get("op")
                chip = chip_of(backend, arch)
                yield f"from {arch}{f' ({chip})' if chip else ''} on {op} takes {takes}"


def _rows(opened: Opened, each: Narrowing, arch: str) -> Iterator[dict[Site, Encoding]]:
    """Rows of the op's table on ``arch`` with what is lost here, beside what the other ports have."""
    facts = opened.facts
    name = facts.owner(each.constraint.sites[0])
    operators = operator_facts(facts.operators.backend, arch, None, FactsSource.MEASURED)
    alone = Facts(facts.graph, operators, facts.wanted, {name: facts.built[name]})
    for table in one_row_of_the_operator_table.generate(alone):
        if not isinstance(table, Table) or set(table.sites) != set(each.constraint.sites):
            continue
        for row in table.relation.rows:
            chosen = dict(zip(table.sites, row, strict=True))
            lost = chosen[each.site] in each.before - each.after and chosen[each.site] != FLOAT
            if lost and all(chosen[site] in had for site, had in each.given.items()):
                yield chosen
