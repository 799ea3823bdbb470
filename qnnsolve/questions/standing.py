"""What stands as it is, in steps: who asked for it, which row of an op's table it is, what keeps a node in place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

import attrs

from qnnsolve.constraints import Same, Site, Table
from qnnsolve.encodings import Encoding
from qnnsolve.explain import sentence
from qnnsolve.explain.nodes import every_source
from qnnsolve.questions.answers import ExplanationStep, PlaceVerdict, WhyNot
from qnnsolve.questions.opened import Opened
from qnnsolve.questions.places import NodePlace
from qnnsolve.reasons import Reason, Says
from qnnsolve.results import Placement
from qnnsolve.rules.builders import Fate
from qnnsolve.sources import Source, SourceKind

__all__ = [
    "CPU",
    "NPU",
    "PLACES",
    "asked_step",
    "is_on_cpu",
    "no_candidate",
    "placed_for_good",
    "rows_of",
    "verdict_on",
]

NPU, CPU = "npu", "cpu"
PLACES: Mapping[str, str] = MappingProxyType({NPU: "the accelerator", CPU: "the CPU"})
"""What can be asked for in place of an encoding, and what it is called."""

_GRAPH = Source(SourceKind.GRAPH, "the model's graph")


def verdict_on(blank: WhyNot, can: str) -> str:
    """The node or port, and that it ``is``, ``can`` or ``cannot be`` what was asked for."""
    if blank.asked not in PLACES:
        be = "" if can == "is" else " be"
        return f"{blank.node} {blank.port}".strip() + f" {can}{be} {blank.asked}"
    return f"{blank.node} {'runs' if can == 'is' else f'{can} run'} on {PLACES[blank.asked]}"


def is_on_cpu(opened: Opened, place: NodePlace) -> bool:
    """Whether the node of ``place`` runs on the CPU."""
    record = opened.records.get(place.node.name)
    return record is not None and record.placement is Placement.CPU


def asked_step(opened: Opened, place: NodePlace, asked: str) -> ExplanationStep:
    """Who asked for ``asked`` at a port: a wish, or the preset."""
    assert place.port is not None
    wish = opened.facts.wanted.said_of(place.node.name, place.port)
    words = f"--precision {opened.facts.request.name}" if wish is None else wish.words
    return ExplanationStep(f"{asked} was asked for by {words}", "QC006", every_source([Source(SourceKind.USER, words)]))


def rows_of(opened: Opened, place: NodePlace) -> Iterator[ExplanationStep]:
    """The rows of the op's tables that the node takes, those over the port alone where there is one; for a node that
    becomes no op what ties its ports."""
    own = {site for _, site in opened.sites_of.get(place.node.name, ())}
    wanted = own if place.site is None else {place.site}
    alike: dict[tuple[Reason, tuple[str, ...]], list[Table]] = {}
    for constraint in opened.problem.constraints:
        reason = constraint.reason
        if (
            isinstance(constraint, Table)
            and reason.says in (Says.TAKES_ROWS, Says.ONE_DTYPE)
            and wanted.intersection(constraint.sites)
            and own.issuperset(constraint.sites)
        ):
            row = tuple(opened.encodings[site].name for site in constraint.sites)
            alike.setdefault((reason, row), []).append(constraint)
    for (reason, row), tables in alike.items():
        columns = (
            list(dict.fromkeys(map(opened.named, sites))) for sites in zip(*(t.sites for t in tables), strict=True)
        )
        places = (f"{'each of ' if len(names) > 1 else ''}{', '.join(names)}" for names in columns)
        said = " and ".join(f"{encoding} at {where}" for encoding, where in zip(row, places, strict=True))
        takes = f"{reason.get('op')} on {reason.get('arch')} takes {said}"
        text = takes if reason.says is Says.TAKES_ROWS else f"{said}: {sentence(reason)}"
        yield ExplanationStep(text, reason.rule, every_source(reason.sources))
    for constraint in opened.problem.constraints:
        if not (wanted.intersection(constraint.sites) and own.issuperset(constraint.sites)):
            continue
        reason = constraint.reason
        if isinstance(constraint, Same):
            names = " and ".join(map(opened.named, constraint.sites))
            yield ExplanationStep(
                f"{names} share one encoding ({sentence(reason)})", reason.rule, every_source(reason.sources)
            )


def placed_for_good(opened: Opened, place: NodePlace, blank: WhyNot) -> WhyNot | None:
    """Why a node is not on the accelerator where no config could bring it there; None where it is to be tried."""
    name = place.node.name
    built, record = opened.facts.built.get(name), opened.records.get(name)
    graph = every_source((_GRAPH,))
    if built is None or record is None:
        text = f"{name} is an input of the model: nothing computes it"
        return attrs.evolve(blank, sentence=text, steps=(ExplanationStep("the model is given it", "", graph),))
    if record.placement is Placement.NPU:
        text = f"{name} runs on the accelerator"
        return attrs.evolve(
            blank, verdict=PlaceVerdict.CHOSEN, sentence=text, steps=tuple(rows_of(opened, NodePlace(place.node)))
        )
    if record.placement is Placement.NONE:
        steps = (ExplanationStep(f"{place.node.target} {built.fate.value}", "", graph),)
        return attrs.evolve(blank, sentence=f"{name} becomes no op", steps=steps)
    if built.fate is Fate.OP and opened.sites_of.get(name):
        return None
    causes = tuple(ExplanationStep(each.reason, each.rule, each.sources or graph) for each in record.deviations)
    return attrs.evolve(blank, sentence=f"{name} stays on the CPU", steps=causes)


def no_candidate(opened: Opened, blank: WhyNot, site: Site, wanted: frozenset[Encoding]) -> WhyNot:
    """Why a site has none of ``wanted``, which its domain leaves out."""
    named = ", ".join(each.name for each in sorted(wanted))
    text = f"{opened.named(site)} cannot be {named}: it is no candidate there"
    return attrs.evolve(blank, sentence=text, steps=_left_out_steps(opened, site, wanted))


def _left_out_steps(opened: Opened, site: Site, wanted: frozenset[Encoding]) -> tuple[ExplanationStep, ...]:
    """Why none of ``wanted`` is a candidate of ``site``, each reason once."""
    reasons = (
        each.constraint.reason for encoding in sorted(wanted) for each in opened.solution.why_removed(site, encoding)
    )
    where = opened.named(site)
    steps = (ExplanationStep(f"{where}: {sentence(each)}", each.rule, every_source(each.sources)) for each in reasons)
    candidates = ", ".join(each.name for each in opened.problem.domains[site])
    plain = ExplanationStep(f"{where} is chosen among {candidates} only", "QC011", every_source((_GRAPH,)))
    return tuple(dict.fromkeys(steps)) or (plain,)
