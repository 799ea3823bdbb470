"""Why ports are what they are, and why not something else, in a page's document."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Any

import attrs

from qnnsolve.encodings import FLOAT, Encoding
from qnnsolve.errors import UsageError
from qnnsolve.questions import (
    Clash,
    Clashing,
    ExplanationStep,
    NodePlace,
    Opened,
    PlaceVerdict,
    Price,
    Repair,
    conflicts_of,
    prices_of_all,
    refusal,
    repairs_of,
    why,
)
from qnnsolve.report.page.once import Once
from qnnsolve.report.questions import step_lines
from qnnsolve.results import Status
from qnnsolve.rules.wishes import Strength
from qnnsolve.runs import Run, Solved
from qnnsolve.solver import limits_of

__all__ = ["clashes", "explain"]

MOST_QUESTIONS = 40
"""Deviations that a page asks about: each is a solve."""
SECONDS = 2.0
"""That one may take; the first that takes longer is the last."""
MOST_REFUSALS = 1000
"""Refused candidates whose steps are in a page."""
_REFUSED = (PlaceVerdict.OFF, PlaceVerdict.IMPOSSIBLE)

Json = dict[str, Any]


def explain(solved: Solved | Run, nodes: Sequence[Json], looks: Sequence[Hashable]) -> Json:
    """Fill in why ports deviate (``why``), what each candidate costs (``prices``) and why one is refused
    (``refused``). A node that looks like one before it names that one.

    Answers the tables of it: ``prices``, ``refusals``, and in ``unpriced`` what is left out.
    """
    prices, refusals = Once[tuple[Any, ...]](), Once[tuple[str, ...]]()
    if solved.result.status is not Status.SATISFIABLE:
        return {"prices": [], "refusals": [], "unpriced": []}
    opened = Opened.of(solved)
    if opened.solution.proof != "optimal":
        left_out = ["What other candidates would cost is not known: the answer is not proven to be the best"]
        return {"prices": [], "refusals": [], "unpriced": left_out}
    _deviations(opened, nodes, looks)
    left_out = list(_prices(opened, nodes, looks, prices, refusals))
    return {
        "prices": [[list(each) if isinstance(each, tuple) else each for each in row] for row in prices],
        "refusals": [list(each) for each in refusals],
        "unpriced": left_out,
    }


def _ports(opened: Opened, node: Json) -> Iterator[tuple[int, NodePlace, Json]]:
    """The ports of a node that have a choice, by number, each with what stands for it in the document."""
    for at, (port, site) in enumerate(opened.sites_of.get(node["name"], ())):
        read = next((each for each in node["inputs"] if each["name"] == site.node), None)
        shown = read if site.user else node["output"]
        if shown is not None and shown["chosen"] is not None:
            yield at, NodePlace(opened.facts.graph[node["name"]], port, site), shown


def _deviations(opened: Opened, nodes: Sequence[Json], looks: Sequence[Hashable]) -> None:
    """The steps to what is not as asked for, as far as :data:`MOST_QUESTIONS` go."""
    opened = attrs.evolve(opened, limits=limits_of(SECONDS))
    first_with: dict[Hashable, str] = {}
    for node, look in zip(nodes, looks, strict=True):
        for at, place, shown in _ports(opened, node):
            if shown["chosen"] == shown["asked"]:
                continue
            key = (look, at)
            if key in first_with:
                shown["why"] = [f"its steps stand at {first_with[key]}, a node that looks like this one"]
            elif len(first_with) < MOST_QUESTIONS:
                answers = why(opened, place)
                if any(each.verdict is PlaceVerdict.OPEN for each in answers):
                    return
                shown["why"] = [line for each in answers for line in (each.sentence, *map(_line, each.steps))]
                first_with[key] = node["name"]


def _prices(
    opened: Opened,
    nodes: Sequence[Json],
    looks: Sequence[Hashable],
    prices: Once[tuple[Any, ...]],
    refusals: Once[tuple[str, ...]],
) -> Iterator[str]:
    """Fill in prices and refusals; yields what is left out."""
    known = prices_of_all(opened)
    first_with: dict[Hashable, int] = {}
    unpriced = untold = asked = 0
    for number, (node, look) in enumerate(zip(nodes, looks, strict=True)):
        for at, place, shown in _ports(opened, node):
            assert place.site is not None
            costs = known.get(place.site)
            if costs is None:
                unpriced += 1
                continue
            offers = [costs[each] for each in opened.problem.domains[place.site]]
            shown["prices"] = prices.of(tuple(map(_coded, offers)))
            wanted = [each for each in costs if costs[each].verdict in _REFUSED and each != FLOAT]
            key = (look, at, shown["prices"])
            if not wanted:
                continue
            if key in first_with:
                shown["alike"] = first_with[key]
            elif asked + len(wanted) <= MOST_REFUSALS:
                first_with[key] = number
                asked += len(wanted)
                shown["refused"] = _refused(opened, place, wanted, costs, refusals)
            else:
                untold += 1
    if unpriced:
        yield f"What others would cost is not known at {unpriced:,} ports: their part of the graph is too wide"
    if untold:
        yield f"Why candidates are refused is told at the first {MOST_REFUSALS:,}; {untold:,} ports are left out"


def _refused(
    opened: Opened, place: NodePlace, wanted: Sequence[Encoding], costs: dict[Encoding, Price], refusals: Once[Any]
) -> Json:
    """By the number of the candidate among all of its site, the number of its steps."""
    assert place.site is not None
    domain = opened.problem.domains[place.site]
    refused = {}
    for each in wanted:
        steps = refusal(opened, place.site, each, staying=costs[each].verdict is PlaceVerdict.OFF)
        lines = tuple(line.text.strip() for line in step_lines([*map(_without_question, steps[1:])]))
        if lines:
            refused[str(domain.index(each))] = refusals.of(lines)
    return refused


def _without_question(step: ExplanationStep) -> ExplanationStep:
    """A step, where the first one, what is asked for, stands above the others."""
    return attrs.evolve(step, needs=tuple(each - 1 for each in step.needs if each))


def _coded(price: Price) -> Any:
    """A number: so much more; in brackets: and more ops go to the CPU; False: no config has it."""
    if price.verdict is PlaceVerdict.IMPOSSIBLE:
        return False
    return (price.more,) if price.verdict is PlaceVerdict.OFF else price.more


def clashes(solved: Solved | Run) -> tuple[tuple[Clash, ...], tuple[Repair, ...]]:
    """The conflicts of the pins, those that were given up too, and the ways out; none where all holds."""
    pinned = any(wish.strength is Strength.PIN for wish in solved.facts.wanted.all)
    result = solved.result
    if not pinned and result.status is not Status.UNSATISFIABLE:
        return (), ()
    if result.status is Status.SATISFIABLE and not any(
        each.strength == "pin" and each.missed for each in result.wishes
    ):
        return (), ()
    try:
        clashing = Clashing.of(solved)
    except UsageError:
        return (), ()
    return conflicts_of(clashing), repairs_of(clashing)


def _line(step: ExplanationStep) -> str:
    code = f" [{step.rule}]" if step.rule.startswith("Q") else ""
    return f"{step.text}{code}"
