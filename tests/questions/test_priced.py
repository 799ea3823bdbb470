"""The price of every candidate at once, and why one is refused: as a question for each of them answers."""

from __future__ import annotations

import attrs
import pytest

from qnnsolve.constraints import Problem
from qnnsolve.encodings import FLOAT
from qnnsolve.questions import NodePlace, Opened, PlaceVerdict, prices_of_all, refusal, why_not
from qnnsolve.solver import Solution, solve
from tests.runs.kept import blocks, facts, solved


@pytest.fixture(scope="module")
def opened() -> Opened:
    return Opened.of(solved(facts(blocks(1))))


def test_prices_and_verdicts_are_those_of_one_question_each(opened: Opened) -> None:
    prices, met = prices_of_all(opened), set()
    assert prices.keys() == opened.problem.domains.keys()
    for name, ports in opened.sites_of.items():
        for port, site in ports:
            for encoding, price in prices[site].items():
                answer = why_not(opened, NodePlace(opened.facts.graph[name], port, site), encoding.name)
                met.add(answer.verdict)
                if answer.verdict is PlaceVerdict.CHOSEN:
                    assert price.more == 0
                elif encoding == FLOAT and answer.verdict is PlaceVerdict.DEARER:
                    assert (
                        price.verdict is PlaceVerdict.OFF
                        and price.more is not None
                        and price.more <= (answer.price or 0)
                    )
                else:
                    assert (price.verdict, price.more) == (answer.verdict, answer.price)
    assert met == {PlaceVerdict.CHOSEN, PlaceVerdict.DEARER, PlaceVerdict.OFF, PlaceVerdict.IMPOSSIBLE}


def test_refusals_tell_steps_with_sources(opened: Opened) -> None:
    prices = prices_of_all(opened)
    told = 0
    for site, costs in prices.items():
        for encoding, price in costs.items():
            if encoding == FLOAT or price.verdict not in (PlaceVerdict.OFF, PlaceVerdict.IMPOSSIBLE):
                continue
            steps = refusal(opened, site, encoding, staying=price.verdict is PlaceVerdict.OFF)
            assert len(steps) > 1 and encoding.name in steps[0].text
            assert all(step.sources for step in steps)
            told += 1
    assert told >= 10


def test_what_is_legal_is_not_refused(opened: Opened) -> None:
    prices = prices_of_all(opened)
    site, costs = next((site, each) for site, each in prices.items() if len(each) > 2)
    legal = next(each for each, price in costs.items() if price.verdict is PlaceVerdict.DEARER)
    assert refusal(opened, site, legal, staying=True) == ()


def test_without_a_proof_there_are_no_prices(opened: Opened) -> None:
    unproven = attrs.evolve(opened.solution, lower_bound=opened.solution.cost - 1)
    assert prices_of_all(attrs.evolve(opened, solution=unproven)) == {}


def test_a_refusal_is_a_conflict_of_the_whole(opened: Opened) -> None:
    prices = prices_of_all(opened)
    for site, costs in prices.items():
        for encoding, price in costs.items():
            if price.verdict is PlaceVerdict.IMPOSSIBLE:
                alone = Problem({**opened.problem.domains, site: (encoding,)}, opened.problem.constraints)
                assert not isinstance(solve(alone), Solution)
