"""The short way of the solver: where it answers, it says what the long way says."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from unittest import mock

import attrs
from hypothesis import given
from hypothesis import strategies as st

from qnnsolve.constraints import Constraint, Constraints, Convertible, Derived, Prefer, Problem, Table
from qnnsolve.constraints.repeats import Place, Repeats, Said
from qnnsolve.solver import Limits, Solution, places, solve
from qnnsolve.solver.clock import Clock
from qnnsolve.solver.model import Model
from qnnsolve.solver.optimum import templates
from qnnsolve.solver.unique import only_cheapest
from tests.solver.generate import brute_force
from tests.solver.problems import WHY
from tests.solver.test_properties import examine, problems, written


def gathered(problem: Problem) -> Problem:
    """The same problem, with the constraints of each reader of an edge as what is said of one place."""
    places: dict[str, list[int]] = {}
    for index, c in enumerate(problem.constraints):
        users = {each.user or each.node for each in c.sites}
        places.setdefault(min(users), []).append(index)
    found: list[Place] = []
    said: dict[int, list[Said]] = {}
    for kind, (_, members) in enumerate(sorted(places.items())):
        constraints = [problem.constraints[index] for index in members]
        sites = tuple(dict.fromkeys(each for c in constraints for each in c.sites))
        found.append((kind, sites))
        said[kind] = [(c, tuple(map(sites.index, c.sites))) for c in constraints]
    return Problem(problem.domains, Constraints([Repeats(found, said)]), problem.left_out)


@given(problems, st.lists(st.integers(1, 5), min_size=1))
@examine
def test_it_says_what_the_long_way_says(problem: Problem, lengths: list[int]) -> None:
    """Whichever places are taken as one layer."""

    def any_layers(kinds: Sequence[int]) -> Iterator[range]:
        start = 0
        for length in itertools.cycle(lengths):
            if start + length > len(kinds):
                return
            yield range(start, start + length)
            start += length

    together = gathered(problem)
    with (
        mock.patch.object(templates, "_ENTRIES", 16),  # some variables stay, as they do in wide places
        mock.patch.object(places, "layers", any_layers),
    ):
        for each in (problem, together):
            model = Model(each)
            found = only_cheapest(model, Limits(), Clock(None))
            answer = solve(problem)
            if found is not None:
                assert isinstance(answer, Solution)
                said = (found.encodings, found.groups, found.converts, found.breakdown, sum(found.breakdown.values()))
                assert repr(said) == written(answer)
    assert written(solve(together)) == written(solve(problem))


def free(c: Constraint) -> Constraint:
    """The same for nothing."""
    match c:
        case Table(relation=relation) | Derived(relation=relation):
            return attrs.evolve(c, relation=attrs.evolve(relation, prices=(0,) * len(relation.rows)))
        case Convertible():
            return attrs.evolve(c, price=0)
    return c


@given(problems)
@examine
def test_it_answers_where_one_config_alone_is_the_cheapest(problem: Problem) -> None:
    """Each site pays a digit of its own, so that no two configs cost the same."""
    hard = [free(c) for c in problem.constraints if not isinstance(c, Prefer)]
    digits = [
        Prefer(at, tuple((each, place << (3 * index)) for place, each in enumerate(domain) if place), WHY)
        for index, (at, domain) in enumerate(sorted(problem.domains.items()))
    ]
    single = Problem(problem.domains, (*hard, *digits))
    found = only_cheapest(Model(single), Limits(), Clock(None))
    best = brute_force(single)
    assert (found is None) == (best is None)
    assert found is None or sum(found.breakdown.values()) == best
