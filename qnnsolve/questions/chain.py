"""A conflict as a chain of steps: what was asked, what follows of it, and where nothing is left. :func:`steps_of`."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

import attrs

from qnnsolve.constraints import Allow, Constraint, Convertible, Derived, Forbid, Same, Site, Table
from qnnsolve.encodings import FLOAT, Encoding
from qnnsolve.explain import sentence
from qnnsolve.explain.nodes import every_source
from qnnsolve.questions.answers import ExplanationStep
from qnnsolve.questions.opened import KEPT, QUESTION, Opened
from qnnsolve.reasons import Reason, Says
from qnnsolve.solver import Conflict
from qnnsolve.sources import Source, SourceKind

__all__ = ["Narrowing", "narrowings", "steps_of"]

_SEARCHED = Source(SourceKind.GRAPH, "every combination was tried")
State: TypeAlias = dict[Site, frozenset[Encoding]]


@attrs.frozen(eq=False)
class Narrowing:
    """``constraint`` leaves ``after`` of ``before`` at ``site``, given what ``given`` sites had by then; what ``needs``
    have of it is enough."""

    constraint: Constraint
    site: Site
    before: frozenset[Encoding]
    after: frozenset[Encoding]
    given: Mapping[Site, frozenset[Encoding]]
    needs: Mapping[Site, frozenset[Encoding]]


def steps_of(opened: Opened, conflict: Conflict) -> tuple[ExplanationStep, ...]:
    """The steps from what is given to where nothing is left; where only a search refutes, what cannot hold together."""
    trail = narrowings(opened, conflict)
    return tuple(_told(opened, trail) if trail else _plain(opened, conflict))


def narrowings(opened: Opened, conflict: Conflict) -> Sequence[Narrowing]:
    """The narrowings that leave nothing somewhere, causes first; none where only a search refutes."""
    trail = _trail(conflict.constraints, opened.problem.domains)
    return _needed(trail, opened.problem.domains) if trail and not trail[-1].after else ()


def _trail(constraints: Sequence[Constraint], domains: Mapping[Site, tuple[Encoding, ...]]) -> list[Narrowing]:
    """Every narrowing, from what the question asks outwards, until nothing is left somewhere or nothing changes."""
    state: State = {site: frozenset(domains[site]) for c in constraints for site in c.sites}
    found: list[Narrowing] = []
    unary = [c for c in constraints if isinstance(c, Allow | Forbid)]
    joint = [c for c in constraints if not isinstance(c, Allow | Forbid)]
    queue: deque[Constraint] = deque(sorted(unary, key=lambda c: c.reason.rule != QUESTION))
    readers: dict[Site, list[Constraint]] = {}
    for c in joint:
        for site in c.sites:
            readers.setdefault(site, []).append(c)
    waiting = {id(c) for c in queue}
    queue.extend(joint)
    waiting.update(map(id, joint))
    while queue:
        constraint = queue.popleft()
        waiting.discard(id(constraint))
        for site in dict.fromkeys(constraint.sites):
            after = _left(constraint, site, state)
            if after == state[site]:
                continue
            given = {other: state[other] for other in constraint.sites if other != site}
            found.append(Narrowing(constraint, site, state[site], after, given, given))
            state[site] = after
            if not after:
                return found
            for reader in readers.get(site, ()):
                if id(reader) not in waiting and reader is not constraint:
                    waiting.add(id(reader))
                    queue.append(reader)
    return found


def _left(constraint: Constraint, site: Site, state: Mapping[Site, frozenset[Encoding]]) -> frozenset[Encoding]:
    """What ``constraint`` leaves at one of its sites."""
    if isinstance(constraint, Allow):
        return state[site] & constraint.encodings
    if isinstance(constraint, Forbid):
        return state[site] - constraint.encodings
    if isinstance(constraint, Same):
        return frozenset.intersection(*(state[each] for each in constraint.sites))
    return (
        frozenset(
            row[column]
            for row in _rows(constraint, state)
            for column, each in enumerate(constraint.sites)
            if each == site
        )
        & state[site]
    )


def _rows(constraint: Constraint, state: Mapping[Site, frozenset[Encoding]]) -> Iterator[tuple[Encoding, ...]]:
    """The rows that still stand."""
    if isinstance(constraint, Convertible):
        same = state[constraint.source] & state[constraint.target]
        rows: Iterable[tuple[Encoding, ...]] = (*((each, each) for each in same), *constraint.pairs)
    elif isinstance(constraint, Table | Derived):
        rows = constraint.relation.rows
    else:
        rows = ()
    for row in rows:
        if all(encoding in state[site] for encoding, site in zip(row, constraint.sites, strict=True)):
            yield row


def _needed(trail: Sequence[Narrowing], domains: Mapping[Site, tuple[Encoding, ...]]) -> list[Narrowing]:
    """The last narrowing, and of those before it the ones that it rests on."""
    wanted = {trail[-1].site}
    kept = []
    for each in reversed(trail):
        if each.site in wanted:
            alone, tight = _tight(each, domains)
            kept.append(tight)
            wanted.update(tight.needs)
            if alone:
                wanted.discard(each.site)
    return kept[::-1]


def _tight(each: Narrowing, domains: Mapping[Site, tuple[Encoding, ...]]) -> tuple[bool, Narrowing]:
    """Whether it holds whatever narrowed its own site before; and it, with the fewest other sites that it needs."""
    state: State = {**each.given, each.site: each.before}
    needed = dict(each.given)
    alone = False
    for site in (each.site, *each.given):
        loose = {**state, site: frozenset(domains[site])}
        if _left(each.constraint, each.site, loose) <= each.after:
            state = loose
            alone = alone or site == each.site
            needed.pop(site, None)
    return alone, attrs.evolve(each, needs=needed)


def _told(opened: Opened, trail: Sequence[Narrowing]) -> Iterator[ExplanationStep]:
    """A step per narrowing, and one per run of sharing; each names the earlier ones that it rests on."""
    said_by: dict[Site, int] = {}
    number = 0
    for is_shared, group in itertools.groupby(trail, key=lambda each: isinstance(each.constraint, Same)):
        for run in _connected(group) if is_shared else [[each] for each in group]:
            if run[0].constraint.reason.rule == KEPT:  # said once, in the verdict
                continue
            sites = {site for each in run for site in (each.site, *each.needs)}
            needs = tuple(sorted({said_by[site] for site in sites if site in said_by}))
            step = _sharing(opened, run) if is_shared else _step(opened, run[0])
            yield attrs.evolve(step, needs=needs)
            said_by.update((each.site, number) for each in run)
            number += 1


def _connected(group: Iterable[Narrowing]) -> list[list[Narrowing]]:
    """The runs of sharing among these, each over sites that hang together."""
    runs: list[tuple[set[Site], list[Narrowing]]] = []
    for each in group:
        sites = set(each.constraint.sites)
        run = [each]
        for other in [run for run in runs if not sites.isdisjoint(run[0])]:
            runs.remove(other)
            sites |= other[0]
            run = other[1] + run
        runs.append((sites, run))
    return [run for _, run in runs]


def _step(opened: Opened, each: Narrowing) -> ExplanationStep:
    constraint = each.constraint
    reason = constraint.reason
    sources = every_source(reason.sources)
    where = opened.named(each.site)
    if reason.rule == QUESTION:
        return ExplanationStep(f"{sentence(reason)} at {where}", "", sources)
    if isinstance(constraint, Allow | Forbid):
        return ExplanationStep(f"{where}: {sentence(reason)}", reason.rule, sources)
    given = ", ".join(
        f"{_names(encodings)} at {opened.named(site)}"
        for site, encodings in each.needs.items()
        if encodings and encodings != frozenset(opened.problem.domains[site])
    )
    left = _names(each.after)
    if reason.says is Says.TAKES_ROWS:
        subject = f"{reason.get('op')} on {reason.get('arch')}"
        takes = f"takes only {left} at {where}" if left else f"takes no {_names(each.before)} at {where}"
        return ExplanationStep(f"{subject}{f' with {given}' if given else ''} {takes}", reason.rule, sources)
    so = f"only {left} is left at {where}" if left else f"nothing is left for {where}"
    said = sentence(reason)
    if isinstance(constraint, Convertible) and reason.says is Says.NO_CONVERT:
        said = f"no convert can stand between {opened.named(constraint.source)} and {opened.named(constraint.target)}"
    text = f"{said}{f', and with {given}' if given else ''}: {so}"
    return ExplanationStep(text, reason.rule, sources)


def _sharing(opened: Opened, run: Sequence[Narrowing]) -> ExplanationStep:
    """A run of sharing as one step."""
    sites = list(dict.fromkeys(site for each in run for site in (*_others(each), each.site)))
    rules = ", ".join(sorted({each.constraint.reason.rule for each in run}))
    left = _names(run[-1].after)
    ends = f"{opened.named(sites[0])} and {opened.named(sites[-1])}"
    many = f"{len(sites)} ports from {opened.named(sites[0])} to {opened.named(sites[-1])}"
    why = "; ".join(dict.fromkeys(sentence(each.constraint.reason) for each in run))
    text = f"{ends if len(sites) == 2 else many} share one encoding ({why})"
    text += f": {left}" if left else f": nothing is left for {opened.named(run[-1].site)}"
    return ExplanationStep(
        text, rules, every_source(source for each in run for source in each.constraint.reason.sources)
    )


def _others(each: Narrowing) -> Iterator[Site]:
    return (site for site in each.constraint.sites if site != each.site)


def _names(encodings: Iterable[Encoding]) -> str:
    """Encodings in words, by their widths where there are many; float only where it is the only one: elsewhere it is
    meant that an op stays on the accelerator."""
    given = {*encodings}
    found = sorted(given - {FLOAT} or given)
    if len(found) <= 3:
        return " or ".join(each.name for each in found)
    widths = sorted({each.bits for each in found})
    return f"{' or '.join(map(str, widths))} bits"


def _plain(opened: Opened, conflict: Conflict) -> Iterator[ExplanationStep]:
    """Each reason with the places where it holds, and that they do not fit together."""
    places: dict[Reason, dict[str, None]] = {}
    for constraint in conflict.constraints:
        if constraint.reason.rule != KEPT:
            named = (opened.named(site) for site in constraint.sites)
            places.setdefault(constraint.reason, {}).update(dict.fromkeys(named))
    for reason, names in places.items():
        where = ", ".join([*names][:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
        rule = "" if reason.rule == QUESTION else reason.rule
        yield ExplanationStep(f"{sentence(reason)} at {where}", rule, every_source(reason.sources))
    needs = tuple(range(len(places)))
    yield ExplanationStep("no combination of these fits", "", every_source((_SEARCHED,)), needs)
