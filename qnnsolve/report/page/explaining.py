"""Why ports are not what was asked for, as steps in a page's document."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

import attrs

from qnnsolve.errors import UsageError
from qnnsolve.questions import Clash, Clashing, Opened, Place, Repair, Step, Verdict, conflicts_of, repairs_of, why
from qnnsolve.results import Status
from qnnsolve.rules.wishes import Strength
from qnnsolve.runs import Run, Solved
from qnnsolve.solver import limits_of

__all__ = ["clashes", "explain"]

MOST_QUESTIONS = 40
"""That a page asks: each is a solve."""
SECONDS = 2.0
"""That one may take; the first that takes longer is the last."""


def explain(solved: Solved | Run, nodes: Iterable[dict[str, Any]], looks: Iterable[Hashable]) -> None:
    """Fill ``why`` of ports that deviate, as far as :data:`MOST_QUESTIONS` go; a node that looks like one before it
    names that one."""
    if solved.result.status is not Status.SATISFIABLE or solved.result.proof != "optimal":
        return
    opened = attrs.evolve(Opened.of(solved), limits=limits_of(SECONDS))
    told: dict[Hashable, str] = {}
    for node, look in zip(nodes, looks, strict=True):
        for at, (port, site) in enumerate(opened.sites_of.get(node["name"], ())):
            shown = next((each for each in node["inputs"] if each["name"] == site.node), None)
            shown = shown if site.user else node["output"]
            if shown is None or shown["chosen"] in (None, shown["asked"]):
                continue
            key = (look, at)
            if key in told:
                shown["why"] = [f"its steps stand at {told[key]}, a node that looks like this one"]
            elif len(told) < MOST_QUESTIONS:
                answers = why(opened, Place(solved.facts.graph[node["name"]], port, site))
                if any(each.verdict is Verdict.OPEN for each in answers):
                    return
                shown["why"] = [line for each in answers for line in (each.sentence, *map(_line, each.steps))]
                told[key] = node["name"]


def clashes(solved: Solved | Run) -> tuple[tuple[Clash, ...], tuple[Repair, ...]]:
    """The conflicts of the pins, those that were given up too, and the ways out; none where no pin is at fault."""
    pinned = any(wish.strength is Strength.PIN for wish in solved.facts.wanted.all)
    if not pinned:
        return (), ()
    result = solved.result
    if result.status is Status.SATISFIABLE and not any(
        each.strength == "pin" and each.missed for each in result.wishes
    ):
        return (), ()
    try:
        clashing = Clashing.of(solved)
    except UsageError:
        return (), ()
    return conflicts_of(clashing), repairs_of(clashing)


def _line(step: Step) -> str:
    code = f" [{step.rule}]" if step.rule.startswith("Q") else ""
    return f"{step.text}{code}"
