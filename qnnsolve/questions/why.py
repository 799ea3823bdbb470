"""Why a port has its encoding, and why not another one: :func:`why`, :func:`why_not`.

Propagation alone refutes little, since a node on the CPU is always legal. So the question is put to the solver: what
was asked must hold, and what runs on the accelerator must stay there. A conflict is an impossibility, with its core; a
solution has its price.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs

from qnnsolve.constraints import Allow, Constraint, Problem
from qnnsolve.encodings import FLOAT, Encoding
from qnnsolve.facts.graph import NodeKind
from qnnsolve.questions.answers import ExplanationStep, PlaceVerdict, WhyNot
from qnnsolve.questions.chain import steps_of
from qnnsolve.questions.differing import difference, ports_of
from qnnsolve.questions.fewest import with_fewest_pins
from qnnsolve.questions.hints import hints_of
from qnnsolve.questions.near import conflict_near
from qnnsolve.questions.opened import KEPT, QUESTION, Opened
from qnnsolve.questions.places import NodePlace
from qnnsolve.questions.prices import tips
from qnnsolve.questions.standing import (
    CPU,
    NPU,
    PLACES,
    asked_step,
    is_on_cpu,
    no_candidate,
    placed_for_good,
    rows_of,
    verdict_on,
)
from qnnsolve.questions.wanted import wanted
from qnnsolve.reasons import Reason
from qnnsolve.solver import Conflict, Solution, Unknown, Unsatisfiable
from qnnsolve.sources import Source, SourceKind

__all__ = ["why", "why_not"]

YOU_ASK = "you ask for"
PINNED = "QC010"
"""The rule of what users pin: of several conflicts that with the fewest pins is told, which takes the whole."""
_YOU = Source(SourceKind.USER, "this question")


def why(opened: Opened, place: NodePlace) -> tuple[WhyNot, ...]:
    """Why the port of ``place`` has its encoding, or each port of its node.

    Where a port has what was asked for, the steps say who asked, and on whose word it is legal. Otherwise they are the
    steps of :func:`why_not` for what was asked for.
    """
    if place.port is None:
        ports = opened.sites_of.get(place.node.name, ())
        if is_on_cpu(opened, place) or not ports:
            return (_kept_off(opened, place),)
        return tuple(each for port, site in ports for each in why(opened, NodePlace(place.node, port, site)))
    assert place.site is not None
    asked, chosen = opened.facts.asked(place.site), opened.encodings[place.site]
    if is_on_cpu(opened, place) and chosen == FLOAT:
        return (_kept_off(opened, NodePlace(place.node)),)
    as_asked = asked in (chosen, chosen.free)
    if as_asked:
        return (_as_it_is(opened, place, asked),)
    return (_in_their_words(opened, place, why_not(opened, place, asked.name)),)


def _kept_off(opened: Opened, place: NodePlace) -> WhyNot:
    """The answer for a node that is not on the accelerator: the cause that the solve tells comes first."""
    answer, record = why_not(opened, place, NPU), opened.records.get(place.node.name)
    causes = () if record is None else record.deviations
    if not causes or not any(YOU_ASK in step.text for step in answer.steps):
        return answer
    first = ExplanationStep(causes[0].reason, causes[0].rule, causes[0].sources)
    sentence = answer.sentence.replace(place.node.name, "it", 1)
    return attrs.evolve(
        answer, sentence=f"{place.node.name} stays on the CPU: {sentence}", steps=(first, *_after(answer.steps))
    )


def why_not(opened: Opened, place: NodePlace, value: str) -> WhyNot:
    """What comes of asking for ``value`` at ``place``: an encoding, a preset for the whole node, ``npu`` or ``cpu``.

    Raises:
        UsageError: no such value exists; names the nearest.
    """
    if value == NPU and (known := placed_for_good(opened, place, _blank(opened, place, value))):
        return known
    asked = dict(wanted(opened, place, value))
    blank = _blank(opened, place, value)
    missing = [(site, each) for site, each in asked.items() if not each & set(opened.problem.domains[site])]
    if missing:
        return no_candidate(opened, blank, *missing[0])
    if all(opened.encodings[site] in each for site, each in asked.items()):
        return attrs.evolve(
            blank, verdict=PlaceVerdict.CHOSEN, sentence=verdict_on(blank, "is"), steps=_standing(opened, place, value)
        )
    question = Reason.in_words(QUESTION, f"{YOU_ASK} {PLACES.get(value, value)}", (_YOU,))
    pins: list[Constraint] = [Allow(site, each, question) for site, each in asked.items()]
    own = set(asked) if value == CPU or FLOAT in next(iter(asked.values())) else set()
    staying = [each for each in opened.staying if each.site not in own]
    near = conflict_near(opened, pins)
    if near is not None and not any(each.reason.rule == PINNED for each in near.constraints):
        return _impossible(opened, blank, near)
    outcome = opened.solved_with([*pins, *staying])
    if isinstance(outcome, Solution):
        return _dearer(opened, blank, outcome)
    if isinstance(outcome, Unknown):
        return attrs.evolve(blank, verdict=PlaceVerdict.OPEN, sentence=f"stopped at {outcome.limit} before an answer")
    return _refused(opened, blank, outcome, pins, staying)


def _where(place: NodePlace) -> str:
    return place.node.name if place.port is None else f"{place.node.name} {place.port.name}"


def _blank(opened: Opened, place: NodePlace, value: str) -> WhyNot:
    node = place.node
    sites = [place.site] if place.site is not None else [site for _, site in opened.sites_of.get(node.name, ())]
    chosen = ", ".join(dict.fromkeys(opened.encodings[site].name for site in sites if site in opened.encodings))
    return WhyNot(
        node=node.name,
        target=node.target if node.kind is NodeKind.CALL else "an input of the model",
        module_path=node.module_path,
        line="" if node.line is None else str(node.line),
        port="" if place.port is None else place.port.name,
        chosen=CPU if place.port is None and is_on_cpu(opened, place) else chosen,
        asked=value,
        verdict=PlaceVerdict.IMPOSSIBLE,
        sentence="",
    )


def _standing(opened: Opened, place: NodePlace, value: str) -> tuple[ExplanationStep, ...]:
    """What makes a place what it is."""
    if value == CPU:
        return why_not(opened, NodePlace(place.node), NPU).steps
    rows = tuple(rows_of(opened, place))
    if rows or place.site is None:
        return rows
    asked = opened.facts.asked(place.site)
    return (asked_step(opened, place, asked.name),)


def _in_their_words(opened: Opened, place: NodePlace, answer: WhyNot) -> WhyNot:
    """The answer for a deviation: it was not the question that asked for it."""
    asked = asked_step(opened, place, answer.asked)
    rest = _after(answer.steps)
    sentence = answer.sentence.replace(_where(place), "it", 1)
    sentence = f"{_where(place)} is {answer.chosen}: {sentence}"
    return attrs.evolve(answer, sentence=sentence, steps=(asked, *rest))


def _as_it_is(opened: Opened, place: NodePlace, asked: Encoding) -> WhyNot:
    """A port that has what was asked for."""
    assert place.site is not None and place.port is not None
    chosen = opened.encodings[place.site]
    steps = (asked_step(opened, place, asked.name), *rows_of(opened, place))
    blank = _blank(opened, place, chosen.name)
    return attrs.evolve(
        blank, verdict=PlaceVerdict.CHOSEN, sentence=f"{_where(place)} is {chosen}, as was asked for", steps=steps
    )


def _dearer(opened: Opened, blank: WhyNot, outcome: Solution) -> WhyNot:
    price = outcome.cost - opened.solution.cost
    costs = f"costs {price:,} more" if price else "costs the same, with no fewer converts"
    before = (opened.result, opened.facts, ports_of(opened.facts, opened.encodings))
    after = (opened.described(outcome), opened.facts, ports_of(opened.facts, outcome.encodings))
    return attrs.evolve(
        blank,
        verdict=PlaceVerdict.DEARER,
        sentence=f"{verdict_on(blank, 'could')}, but the best config that has it {costs}",
        price=price,
        tips=tips(opened, outcome.encodings),
        difference=difference(before, after),
    )


def _refused(
    opened: Opened,
    blank: WhyNot,
    outcome: Unsatisfiable,
    pins: Sequence[Constraint],
    staying: Sequence[Constraint],
) -> WhyNot:
    conflict = _told(opened, outcome, [*pins, *staying])
    kept = any(each.reason.rule == KEPT for each in conflict.constraints)
    otherwise = opened.solved_with(pins) if kept else outcome
    if kept and isinstance(otherwise, Unsatisfiable):
        conflict = _told(opened, otherwise, pins)
    if not isinstance(otherwise, Solution):
        return _impossible(opened, blank, conflict)
    steps, hints = steps_of(opened, conflict), hints_of(opened, conflict)
    on = "" if blank.asked in PLACES else f" on {opened.facts.operators.arch}"
    moving = "moving other ops there" if blank.asked == CPU else "moving ops to the CPU"
    return attrs.evolve(
        _dearer(opened, blank, otherwise),
        verdict=PlaceVerdict.OFF,
        sentence=f"{verdict_on(blank, 'cannot')}{on} without {moving}",
        steps=steps,
        hints=hints,
    )


def _impossible(opened: Opened, blank: WhyNot, conflict: Conflict) -> WhyNot:
    arch = opened.facts.operators.arch
    text = verdict_on(blank, "cannot") + (f" ({arch})" if blank.asked in PLACES else f" on {arch}")
    return attrs.evolve(blank, sentence=text, steps=steps_of(opened, conflict), hints=hints_of(opened, conflict))


def _after(steps: Sequence[ExplanationStep]) -> Iterator[ExplanationStep]:
    """The steps that follow what the question asks for, with one step in its place."""
    place: dict[int, int] = {}
    number = 1
    for at, step in enumerate(steps):
        place[at] = 0 if YOU_ASK in step.text else number
        if place[at]:
            number += 1
            yield attrs.evolve(step, needs=tuple(sorted({place[each] for each in step.needs})))


def _told(opened: Opened, outcome: Unsatisfiable, more: Sequence[Constraint]) -> Conflict:
    """The conflict of what was asked, with the fewest wishes."""
    conflict = next(filter(_is_asked, outcome.conflicts), outcome.conflicts[0])
    problem = Problem(opened.problem.domains, (*opened.problem.constraints, *more))
    return with_fewest_pins(problem, conflict, opened.limits, _is_asked)


def _is_asked(conflict: Conflict) -> bool:
    return any(each.reason.rule == QUESTION for each in conflict.constraints)
