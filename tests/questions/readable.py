"""What every answer to why and why-not must be: short, in the user's words, each leaf with a source."""

from __future__ import annotations

import re
from collections.abc import Iterator

import attrs

from qnnsolve.facts.graph import NodeKind
from qnnsolve.questions import NodePlace, Opened, PlaceVerdict, WhyNot, why, why_not
from qnnsolve.report.questions import why_lines

__all__ = ["Asked", "every_question"]

_INTERNAL = re.compile(
    r"Site\(|Encoding\(|Reason\(|frozenset|<qnnsolve|Says\.|Fate\.|Placement\.|\bNone\b|\[kept\]|\[question\]"
)


@attrs.frozen
class Asked:
    """A question and its answer: ``value`` is empty for a why."""

    place: str
    value: str
    answer: WhyNot

    @property
    def lines(self) -> list[str]:
        """What is printed of it."""
        return [line.text for line in why_lines([self.answer])]

    def faults(self) -> Iterator[str]:
        """What a reader would stumble over."""
        for line in self.lines:
            if _INTERNAL.search(line) and line.strip() != self.answer.line:  # the program may say what it likes
                yield f"an internal name: {line}"
        told = [re.sub(r"^  (because|and|therefore) ", "", line) for line in self.lines if line]
        if len(told) != len(set(told)):
            yield "a clause twice"
        for step in self.answer.steps:
            if not step.sources:
                yield f"no source: {step.text}"
        if any(not 0 <= need < place for place, need in self._needs()):
            yield "a step that rests on a later one"
        priced = self.answer.verdict in (PlaceVerdict.DEARER, PlaceVerdict.OFF)
        if not self.answer.sentence or not (self.answer.steps or (priced and self.answer.difference is not None)):
            yield "a verdict without anything behind it"

    def _needs(self) -> Iterator[tuple[int, int]]:
        for place, step in enumerate(self.answer.steps):
            yield from ((place, need) for need in step.needs)


def every_question(opened: Opened, each: int = 1) -> Iterator[Asked]:
    """Why, and why not for every candidate, the usual encodings and both places, at every port of each n-th node."""
    graph = opened.facts.graph
    for name in [*opened.sites_of][::each]:
        node = graph[name]
        for port, site in opened.sites_of[name] if node.kind in (NodeKind.CALL, NodeKind.INPUT) else ():
            place, text = NodePlace(node, port, site), f"{name}.{port.name}"
            yield from (Asked(text, "", answer) for answer in why(opened, place))
            candidates = (encoding.name for encoding in opened.problem.domains[site])
            for value in sorted({*candidates, "u8", "u16", "s8", "s16", "npu", "cpu"}):
                yield Asked(text, value, why_not(opened, place, value))
