"""Answers to questions, as plain records. Encodings stand by their short names (``u16``, ``s8/ch0``, ``float``)."""

from __future__ import annotations

import enum

import attrs

from qnnsolve.results import ConvertRecord, Shown, SourceRecord

__all__ = [
    "Alternative",
    "Alternatives",
    "Change",
    "Clash",
    "ExplanationStep",
    "Moved",
    "PlaceVerdict",
    "Repair",
    "RunDifference",
    "Tip",
    "WhyNot",
]


class PlaceVerdict(enum.Enum):
    """What came of asking for something at a place."""

    CHOSEN = "chosen"
    """It is what was chosen."""
    DEARER = "dearer"
    """It is legal, and another config is nearer to what was asked for."""
    OFF = "off the accelerator"
    """It is legal only if more ops go to the CPU."""
    IMPOSSIBLE = "impossible"
    """No config has it there."""
    OPEN = "open"
    """A limit was hit before anything was found."""


@attrs.frozen
class ExplanationStep:
    """A clause of an explanation. ``rule`` is the code to look up; ``sources`` say on whose word it holds.

    ``needs`` are the places, from 0, of the earlier steps that it rests on.
    """

    text: str
    rule: str = ""
    sources: tuple[SourceRecord, ...] = ()
    needs: tuple[int, ...] = ()


@attrs.frozen
class Change:
    """A port that has another encoding than before."""

    node: str
    target: str
    module_path: str
    port: str
    before: str
    after: str


@attrs.frozen
class Moved:
    """An op that runs elsewhere than before: ``npu``, ``cpu``, ``none`` (it becomes nothing), ``absent``."""

    node: str
    target: str
    module_path: str
    before: str
    after: str


@attrs.frozen
class Tip:
    """Part of a price: what is paid for, and by how much more (less: negative) than in the answer."""

    text: str
    price: int


@attrs.frozen
class RunDifference(Shown):
    """What is otherwise in one answer than in another. Costs are None where there is no config."""

    changes: tuple[Change, ...]
    moved: tuple[Moved, ...]
    converts_added: tuple[ConvertRecord, ...]
    converts_removed: tuple[ConvertRecord, ...]
    cost_before: int | None
    cost_after: int | None

    @property
    def empty(self) -> bool:
        """Whether both are the same config."""
        return not (self.changes or self.moved or self.converts_added or self.converts_removed)


@attrs.frozen
class Clash(Shown):
    """Pins that cannot all hold, by their words, and the steps that show it. Without any one of its members there is no
    such conflict."""

    pins: tuple[str, ...]
    nodes: tuple[str, ...]
    steps: tuple[ExplanationStep, ...]
    hints: tuple[str, ...]


@attrs.frozen
class Repair(Shown):
    """A way out, proven by a solve: pins to ``give_up``, by their words, or another ``soc`` on which all hold.

    ``lost`` says what the ``ports`` have then that cannot be as pinned; ``cost`` is that of the config.
    """

    give_up: tuple[str, ...]
    soc: str
    ports: int
    lost: tuple[str, ...]
    cost: int


@attrs.frozen
class Alternative:
    """What the ports of a node have together, by their names; ``price`` is what the best whole config that has it costs
    more than the answer, and ``tips`` say what for. ``chosen``: it is that of the answer."""

    encodings: tuple[tuple[str, str], ...]
    price: int
    chosen: bool
    tips: tuple[Tip, ...]


@attrs.frozen
class Alternatives(Shown):
    """The legal configs ``found`` around a node, the cheapest first. ``tried`` of them were solved; none is dearer than
    ``within`` (None: at any price), and ``limit`` are told at most. ``cut_off`` says why there may be more."""

    node: str
    target: str
    module_path: str
    line: str
    found: tuple[Alternative, ...]
    tried: int
    within: int | None
    limit: int
    cut_off: str


@attrs.frozen
class WhyNot(Shown):
    """What came of asking for ``asked`` at ``port`` of ``node`` (no port: the whole node).

    ``steps`` lead from what was asked to the verdict. Where it is legal, ``price`` is what the best config that has it
    costs more, ``tips`` say what for, and ``difference`` what else changes. ``hints`` are no part of the proof.
    """

    node: str
    target: str
    module_path: str
    line: str
    port: str
    chosen: str
    asked: str
    verdict: PlaceVerdict
    sentence: str
    steps: tuple[ExplanationStep, ...] = ()
    price: int | None = None
    tips: tuple[Tip, ...] = ()
    difference: RunDifference | None = None
    hints: tuple[str, ...] = ()
