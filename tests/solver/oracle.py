"""Whether a problem has a legal config at all, by python-sat: one variable per value and per row."""

from __future__ import annotations

import itertools

from pysat.solvers import Cadical153

from qnnsolve.constraints import Allow, Convertible, Derived, Forbid, Problem, Same, Site, Table
from qnnsolve.encodings import Encoding

__all__ = ["has_config"]


def has_config(problem: Problem) -> bool:
    """Whether some choice of candidates satisfies every hard constraint."""
    number = itertools.count(1)
    at = {(site, e): next(number) for site, domain in problem.domains.items() for e in domain}
    clauses: list[list[int]] = []
    for site, domain in problem.domains.items():
        clauses.append([at[site, e] for e in domain])
        clauses += [[-at[site, a], -at[site, b]] for a, b in itertools.combinations(domain, 2)]

    def one_of(sites: tuple[Site, ...], rows: list[tuple[Encoding, ...]]) -> None:
        possible = [row for row in rows if all((s, e) in at for s, e in zip(sites, row, strict=True))]
        chosen = [next(number) for _ in possible]
        clauses.append(chosen)
        for row, variable in zip(possible, chosen, strict=True):
            clauses.extend([-variable, at[s, e]] for s, e in zip(sites, row, strict=True))

    for c in problem.hard():
        match c:
            case Allow() | Forbid():
                wrong = {e for e in problem.domains[c.site] if (e in c.encodings) is isinstance(c, Forbid)}
                clauses += [[-at[c.site, e]] for e in wrong]
            case Same():
                every = {e for domain in problem.domains.values() for e in domain}
                one_of(c.sites, [(e,) * len(c.sites) for e in every])
            case Table() | Derived():
                one_of(c.sites, list(c.relation.rows))
            case Convertible():
                every = {e for domain in problem.domains.values() for e in domain}
                one_of(c.sites, [*c.pairs, *((e, e) for e in every)])
    with Cadical153(bootstrap_with=clauses) as solver:
        return bool(solver.solve())
