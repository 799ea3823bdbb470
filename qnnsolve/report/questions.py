"""Answers to questions about a kept run, as text and as JSON."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import attrs

from qnnsolve.questions import Change, Clash, ExplanationStep, Moved, PlaceVerdict, Repair, RunDifference, WhyNot
from qnnsolve.report.folding import fold, names_in_short
from qnnsolve.report.lines import Line, count, many, section
from qnnsolve.results import ConvertRecord, SourceRecord

__all__ = [
    "clash_lines",
    "clash_title",
    "difference_json",
    "difference_lines",
    "repair_lines",
    "repairs_json",
    "step_lines",
    "why_json",
    "why_lines",
]

_STYLES = {PlaceVerdict.CHOSEN: "green", PlaceVerdict.DEARER: "yellow"}
_TAGS = {"user": "you", "measured": "measured", "sdk": "BackendOpInfo", "graph": "the graph"}
_QNN = re.compile(r"\bqnn v(\d+\.\d+)")
SHOWN = 8
"""So many groups of changes are listed; ``--verbose`` lists all."""


def why_lines(answers: Sequence[WhyNot], *, verbose: bool = False, depth: int | None = None) -> Iterator[Line]:
    """Each answer: its verdict, where it stands in the model, then step by step.

    ``depth`` is how many steps may lie between a step that is shown and the verdict, which counts as one; None: any.
    """
    for index, answer in enumerate(answers):
        if index:
            yield Line("")
        yield Line(answer.sentence, _STYLES.get(answer.verdict, "red"))
        yield Line(f"  {answer.target}{f' in {answer.module_path}' if answer.module_path else ''}")
        if answer.line:
            yield Line(f"  {answer.line}")
        yield from step_lines(answer.steps, depth)
        if answer.difference is not None:
            yield from _price_lines(answer, verbose)
        yield from _hint_lines(answer.hints)


def _hint_lines(hints: Iterable[str]) -> Iterator[Line]:
    """Hints stand apart: they are no part of the proof."""
    for place, hint in enumerate(hints):
        if not place:
            yield Line("")
        yield Line(f"  hint: {hint}", "cyan")


def step_lines(steps: Sequence[ExplanationStep], depth: int | None = None) -> Iterator[Line]:
    """The steps; one that a later step than the next rests on has a number, by which that one cites it."""
    away = _depths(steps)
    shown = [at for at in range(len(steps)) if depth is None or away[at] <= depth]
    if len(shown) < len(steps):
        left = len(steps) - len(shown)
        yield Line(
            f"  ({count(left, 'earlier step')}; --depth {max(away)} shows {'them' if left > 1 else 'it'})", "dim"
        )
    before = {at: shown[place - 1] if place else None for place, at in enumerate(shown)}
    cited = sorted({need for at in shown for need in steps[at].needs if need != before[at] and need in before})
    number = {at: f"({place})" for place, at in enumerate(cited, 1)}
    for at in shown:
        step = steps[at]
        said = [number[need] for need in step.needs if need in number and need != before[at]]
        by = f", by {' and '.join(said)}" if said else ""
        mark = f" {number[at]}" if at in number else ""
        code = f" [{step.rule}]" if step.rule else ""
        follows = at == shown[-1] and len(shown) > 2 and step.needs
        word = "because" if before[at] is None else "therefore" if follows else "and"
        yield Line(f"  {word} {step.text}{by}{code}{_tags(step.sources)}{mark}")


def _depths(steps: Sequence[ExplanationStep]) -> list[int]:
    """How many steps lead from each to the verdict, the last one included."""
    away = [1] * len(steps)
    for at in range(len(steps) - 1, -1, -1):
        for need in steps[at].needs:
            away[need] = max(away[need], away[at] + 1)
    return away


def _tags(sources: Iterable[SourceRecord]) -> str:
    """On whose word: ``(you)``, ``(measured with QNN 2.51)``, ``(assumed: ExecuTorch 1.5.1)``."""
    found = dict.fromkeys(map(_tag, sources))
    shown = [tag for tag in found if not any(other.startswith(f"{tag} ") for other in found)]
    return f" ({'; '.join(shown)})" if shown else ""


def _tag(source: SourceRecord) -> str:
    if source.kind == "document":
        return f"assumed: {re.split(r'[,:;(]', source.citation, maxsplit=1)[0].strip()}"
    version = _QNN.search(source.citation) if source.kind == "measured" else None
    return f"{_TAGS.get(source.kind, source.kind)}{f' with QNN {version[1]}' if version else ''}"


def _price_lines(answer: WhyNot, verbose: bool) -> Iterator[Line]:
    assert answer.difference is not None
    if answer.verdict is PlaceVerdict.OFF:
        yield Line(f"  if ops may move to the CPU: {_cost(answer.price)}")
    for tip in answer.tips:
        yield Line(f"  {tip.price:+,}: {tip.text}")
    yield from _change_lines(answer.difference, verbose, "  ") if verbose else _changes_in_short(answer.difference)


def _changes_in_short(found: RunDifference) -> Iterator[Line]:
    """What else changes, one line for each kind of change."""
    kinds: list[tuple[str, list[tuple[str, str]]]] = [
        ("moves", [(f"{each.before} -> {each.after}:", each.node) for each in found.moved]),
        ("then also", [(f"{each.before} -> {each.after} at", f"{each.node} {each.port}") for each in found.changes]),
        ("more converts", [(f"{each.source} -> {each.target} before", each.user) for each in found.converts_added]),
        ("fewer converts", [(f"{each.source} -> {each.target} before", each.user) for each in found.converts_removed]),
    ]
    for title, places in kinds:
        for group in fold(places, lambda each: each[0]):
            yield Line(f"  {title}: {many(group)}{group[0][0]} {names_in_short([name for _, name in group])}")


def _cost(price: int | None) -> str:
    return "no price" if price is None else f"it costs {price:,} more"


def difference_lines(found: RunDifference, one: str, other: str, *, verbose: bool = False) -> Iterator[Line]:
    """How the answer ``other`` differs from ``one``."""
    if found.empty:
        yield Line(f"{one} and {other} are the same config", "green")
        return
    yield Line(f"from {one} to {other}: {_summary(found)}", "bold")
    yield Line(f"cost {_number(found.cost_before)} -> {_number(found.cost_after)}")
    yield from _change_lines(found, verbose, "")


def _summary(found: RunDifference) -> str:
    converts = len(found.converts_added) - len(found.converts_removed)
    return (
        f"{count(len(found.changes), 'port')} with another encoding, {count(len(found.moved), 'op')} elsewhere, "
        f"{converts:+d} converts"
    )


def _number(cost: int | None) -> str:
    return "no config" if cost is None else f"{cost:,}"


def _change_lines(found: RunDifference, verbose: bool, indent: str) -> Iterator[Line]:
    limit = None if verbose else SHOWN
    changes = [
        _changed(group)
        for group in fold(found.changes, lambda change: (change.target, change.port, change.before, change.after))
    ]
    moved = [_moved(group) for group in fold(found.moved, lambda move: (move.target, move.before, move.after))]
    added = [_convert(group) for group in fold(found.converts_added, lambda convert: (convert.source, convert.target))]
    removed = [
        _convert(group) for group in fold(found.converts_removed, lambda convert: (convert.source, convert.target))
    ]
    for title, lines in (
        (f"Elsewhere ({len(found.moved)})", moved),
        (f"Other encodings ({len(found.changes)})", changes),
        (f"More converts ({len(found.converts_added)})", added),
        (f"Fewer converts ({len(found.converts_removed)})", removed),
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


def clash_title(clash: Clash) -> str:
    """What cannot hold."""
    if not clash.pins:
        return "rules of your own leave no config, whatever is pinned"
    return f"{' and '.join(clash.pins)} cannot hold{' together' if len(clash.pins) > 1 else ''}"


def clash_lines(clashes: Sequence[Clash], depth: int | None = None, *, complete: bool = True) -> Iterator[Line]:
    """Each conflict, step by step; ``depth`` as in :func:`why_lines`."""
    yield Line(
        count(len(clashes), "conflict") if clashes else "no conflict: all pins hold", "red" if clashes else "green"
    )
    for clash in clashes:
        yield Line("")
        yield Line(f"{clash_title(clash)} ({names_in_short(clash.nodes)})", "red")
        yield from step_lines(clash.steps, depth)
        yield from _hint_lines(clash.hints)
    if not complete:
        yield Line("")
        yield Line("a limit ended the search, so there may be more conflicts than these", "yellow")


def repair_lines(repairs: Sequence[Repair], clashes: Sequence[Clash] = ()) -> Iterator[Line]:
    """Each repair, the cheapest first."""
    if clashes and not repairs:
        yield Line("no pin to give up helps: change what qnnsolve conflicts shows", "bold")
        return
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


def repairs_json(clashes: Sequence[Clash], repairs: Sequence[Repair], run: str, *, complete: bool) -> dict[str, Any]:
    """Conflicts and repairs (schema ``repairs-1.json``)."""
    found = {"conflicts": [_plain(each) for each in clashes], "repairs": [_plain(each) for each in repairs]}
    return {"schema": "qnnsolve/repairs/1", "run": run, "complete": complete, **found}


def why_json(answers: Sequence[WhyNot], run: str) -> dict[str, Any]:
    """The answers (schema ``why-1.json``)."""
    return {"schema": "qnnsolve/why/1", "run": run, "answers": [_plain(answer) for answer in answers]}


def difference_json(found: RunDifference, one: str, other: str) -> dict[str, Any]:
    """A difference (schema ``difference-1.json``)."""
    return {"schema": "qnnsolve/difference/1", "before": one, "after": other, **_plain(found)}


def _plain(record: Any) -> dict[str, Any]:
    def value(_: Any, __: Any, given: Any) -> Any:
        return given.value if isinstance(given, enum.Enum) else given

    found: dict[str, Any] = attrs.asdict(record, value_serializer=value)
    return found
