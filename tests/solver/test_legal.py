"""Some legal config, which is what a solve answers with where a limit leaves no time for the cheapest one."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings

from qnnsolve.constraints import Forbid, Problem, Relation, Site, Table
from qnnsolve.encodings import FLOAT
from qnnsolve.solver import Limits, Unknown, Unsatisfiable, check, solve
from qnnsolve.solver.clock import Clock, LimitReached
from qnnsolve.solver.model import Model
from qnnsolve.solver.network import Network
from qnnsolve.solver.optimum.legal import legal
from tests.solver.generate import PALETTE, brute_force, reason
from tests.solver.test_properties import problems

U8, U16, S8, _ = PALETTE


def found(problem: Problem, clock: Clock | None = None) -> dict[Site, str] | None:
    """What :func:`legal` answers, by site; it must hold where there is an answer."""
    model = Model(problem)
    network = Network(model, range(len(model.constraints)), range(len(model.sites)))
    values = legal(network, network.initial, range(len(network.initial)), clock or Clock(None))
    if values is None:
        return None
    config = {site: model.encodings[values[network.variable[at]]] for at, site in enumerate(model.sites)}
    assert check(problem, config).legal
    return {site: encoding.name for site, encoding in config.items()}


@given(problems)
@settings(max_examples=150, deadline=None, print_blob=True)
def test_what_is_found_is_legal(problem: Problem) -> None:
    assert found(problem) is None or brute_force(problem) is not None


def chain(*rows: tuple[int, int], length: int = 6, domain: tuple[int, ...] = (0, 1, 2)) -> Problem:
    """Sites in a row, neighbours related by ``rows`` of places in the palette."""
    sites = [Site(f"n{at}") for at in range(length)]
    relation = Relation(tuple((PALETTE[left], PALETTE[right]) for left, right in rows), (0,) * len(rows))
    tables = [Table((one, two), relation, reason(at)) for at, (one, two) in enumerate(itertools.pairwise(sites))]
    return Problem({site: tuple(PALETTE[each] for each in domain) for site in sites}, tuple(tables))


def test_one_encoding_everywhere_is_taken_where_it_can_stand() -> None:
    assert set((found(chain((0, 1), (1, 0), (3, 3), domain=(0, 1, 3))) or {}).values()) == {FLOAT.name}


def test_values_that_must_alternate_are_found_one_after_another() -> None:
    names = list((found(chain((0, 1), (1, 0))) or {}).values())
    assert sorted(set(names)) == ["u16", "u8"] and all(one != two for one, two in itertools.pairwise(names))


def test_a_value_that_leads_nowhere_is_taken_back() -> None:
    """Most neighbours may have u8, but the last site may not: the dive has to give it up where it ends."""
    problem = chain((0, 0), (0, 1), (1, 1), (1, 2), length=3)
    last = Site("n2")
    problem = Problem({**problem.domains, last: (S8,)}, problem.constraints)
    assert list((found(problem) or {}).values()) == ["u8", "u16", "s8"]


def test_nothing_is_found_where_nothing_is_legal() -> None:
    assert found(chain((0, 1), (1, 2))) is None
    assert brute_force(chain((0, 1), (1, 2))) is None


def test_nothing_is_found_where_a_site_has_no_candidate_left() -> None:
    one = chain((0, 0), length=2)
    forbidden = Forbid(Site("n0"), frozenset(PALETTE), reason(9))
    assert found(Problem(one.domains, (*one.constraints, forbidden))) is None
    assert isinstance(solve(Problem(one.domains, (forbidden,)), Limits(seconds=0)), Unknown | Unsatisfiable)


def test_the_dive_looks_at_the_clock() -> None:
    with pytest.raises(LimitReached, match="seconds=0"):
        found(chain((0, 1), (1, 0)), Clock(0))
    assert found(chain((0, 0)), Clock(0)) is not None, "one encoding everywhere needs no time"
