"""Answers to questions about a kept run, as text and as JSON."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import attrs

from qnnsolve.questions import Change, Clash, Difference, Moved, Repair, Step, Verdict, WhyNot
from qnnsolve.report.folding import fold, names_in_short
from qnnsolve.report.lines import Line, count, many, section
from qnnsolve.results import ConvertRecord, SourceRecord

__all__ = [
    "clash_lines",
    "difference_json",
    "difference_lines",
    "repair_lines",
    "repairs_json",
    "why_json",
    "why_lines",
]

_STYLES = {Verdict.CHOSEN: "green", Verdict.DEARER: "yellow"}
_TAGS = {"user": "you", "measured": "measured", "sdk": "BackendOpInfo", "document": "document"}
SHOWN = 8
"""So many groups of changes are listed; ``--verbose`` lists all."""


def why_lines(answers: Sequence[WhyNot], *, verbose: bool = False) -> Iterator[Line]:
    """Each answer: its verdict, where it stands in the model, then step by step."""
    for index, answer in enumerate(answers):
        if index:
            yield Line("")
        yield Line(answer.sentence, _STYLES.get(answer.verdict, "red"))
        yield Line(f"  {answer.target}{f' in {answer.module_path}' if answer.module_path else ''}")
        if answer.line:
            yield Line(f"  {answer.line}")
        yield from (_step_line(step, first=not place) for place, step in enumerate(answer.steps))
        if answer.difference is not None:
            yield from _price_lines(answer, verbose)
        yield from (Line(f"  hint: {hint}") for hint in answer.hints)


def _step_line(step: Step, *, first: bool) -> Line:
    code = f" [{step.rule}]" if step.rule else ""
    return Line(f"  {'because' if first else 'and'} {step.text}{code}{_tags(step.sources)}")


def _tags(sources: Iterable[SourceRecord]) -> str:
    """On whose word: ``(you)``, ``(measured)``."""
    found = dict.fromkeys("you" if each.kind == "user" else _TAGS.get(each.kind, each.kind) for each in sources)
    return f" ({'; '.join(found)})" if found else ""


def _price_lines(answer: WhyNot, verbose: bool) -> Iterator[Line]:
    assert answer.difference is not None
    if answer.verdict is Verdict.OFF:
        yield Line(f"  if ops may move to the CPU: {_cost(answer.price)}")
    for tip in answer.tips:
        yield Line(f"  {tip.price:+,}: {tip.text}")
    yield from _change_lines(answer.difference, verbose, "  ")


def _cost(price: int | None) -> str:
    return "no price" if price is None else f"it costs {price:,} more"


def difference_lines(found: Difference, one: str, other: str, *, verbose: bool = False) -> Iterator[Line]:
    """How the answer ``other`` differs from ``one``."""
    if found.empty:
        yield Line(f"{one} and {other} are the same config", "green")
        return
    yield Line(f"from {one} to {other}: {_summary(found)}", "bold")
    yield Line(f"cost {_number(found.cost_before)} -> {_number(found.cost_after)}")
    yield from _change_lines(found, verbose, "")


def _summary(found: Difference) -> str:
    converts = len(found.converts_added) - len(found.converts_removed)
    return (
        f"{count(len(found.changes), 'port')} with another encoding, {count(len(found.moved), 'op')} elsewhere, "
        f"{converts:+d} converts"
    )


def _number(cost: int | None) -> str:
    return "no config" if cost is None else f"{cost:,}"


def _change_lines(found: Difference, verbose: bool, indent: str) -> Iterator[Line]:
    limit = None if verbose else SHOWN
    changes = [_changed(group) for group in fold(found.changes, lambda it: (it.target, it.port, it.before, it.after))]
    moved = [_moved(group) for group in fold(found.moved, lambda it: (it.target, it.before, it.after))]
    added = [_convert(group) for group in fold(found.converts_added, lambda it: (it.source, it.target))]
    removed = [_convert(group) for group in fold(found.converts_removed, lambda it: (it.source, it.target))]
    for title, lines in (
        (f"Elsewhere ({len(found.moved)})", moved),
        (f"Other encodings ({len(found.changes)})", changes),
        (f"Converts more ({len(found.converts_added)})", added),
        (f"Converts less ({len(found.converts_removed)})", removed),
    ):
        shown = lines[:limit]
        more = [f"and {len(lines) - len(shown)} more groups; --verbose lists them"] if len(shown) < len(lines) else []
        yield from section(f"{indent}{title}", [Line(f"{indent}  {text}") for text in (*shown, *more)])


def _changed(group: Sequence[Change]) -> str:
    first = group[0]
    names = names_in_short([each.node for each in group])
    return f"{many(group)}{names} ({first.target}) {first.port}: {first.before} -> {first.after}"


def _moved(group: Sequence[Moved]) -> str:
    first = group[0]
    names = names_in_short([each.node for each in group])
    return f"{many(group)}{names} ({first.target}): {first.before} -> {first.after}"


def _convert(group: Sequence[ConvertRecord]) -> str:
    names = names_in_short([each.user for each in group])
    return f"{many(group)}{group[0].source} -> {group[0].target} before {names}"


def clash_lines(clashes: Sequence[Clash]) -> Iterator[Line]:
    """Each conflict, step by step."""
    yield Line(
        count(len(clashes), "conflict") if clashes else "no conflict: all pins hold", "red" if clashes else "green"
    )
    for clash in clashes:
        yield Line("")
        names = names_in_short(clash.nodes)
        yield Line(
            f"{' and '.join(clash.pins)} cannot hold{' together' if len(clash.pins) > 1 else ''} ({names})", "red"
        )
        yield from (_step_line(step, first=not place) for place, step in enumerate(clash.steps))
        yield from (Line(f"  hint: {hint}") for hint in clash.hints)


def repair_lines(repairs: Sequence[Repair]) -> Iterator[Line]:
    """Each repair, the cheapest first."""
    yield Line(f"{count(len(repairs), 'way')} out, each solved again" if repairs else "nothing to repair", "bold")
    for place, repair in enumerate(repairs, 1):
        if repair.soc:
            yield Line(f"  {place}. another chip: on {repair.soc} all pins hold (cost {repair.cost:,})")
            continue
        pins = " and ".join(repair.give_up)
        yield Line(f"  {place}. give up {pins} at {count(repair.ports, 'port')} (cost {repair.cost:,})")
        yield from (Line(f"     {text}") for text in repair.lost[:SHOWN])
        if len(repair.lost) > SHOWN:
            yield Line(f"     and {len(repair.lost) - SHOWN} more")


def repairs_json(clashes: Sequence[Clash], repairs: Sequence[Repair], run: str) -> dict[str, Any]:
    """Conflicts and repairs (schema ``repairs-1.json``)."""
    found = {"conflicts": [_plain(each) for each in clashes], "repairs": [_plain(each) for each in repairs]}
    return {"schema": "qnnsolve/repairs/1", "run": run, **found}


def why_json(answers: Sequence[WhyNot], run: str) -> dict[str, Any]:
    """The answers (schema ``why-1.json``)."""
    return {"schema": "qnnsolve/why/1", "run": run, "answers": [_plain(answer) for answer in answers]}


def difference_json(found: Difference, one: str, other: str) -> dict[str, Any]:
    """A difference (schema ``difference-1.json``)."""
    return {"schema": "qnnsolve/difference/1", "before": one, "after": other, **_plain(found)}


def _plain(record: Any) -> dict[str, Any]:
    def value(_: Any, __: Any, given: Any) -> Any:
        return given.value if isinstance(given, enum.Enum) else given

    found: dict[str, Any] = attrs.asdict(record, value_serializer=value)
    return found
