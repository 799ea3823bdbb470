"""Calls that differ in names alone are of one *kind*: :class:`Kinds`. A rule about one call sees a :class:`Call`.

A network repeats its layers, so that some thousand calls are of some dozen kinds. What holds for one call holds for all
of its kind: candidates are looked up once for each kind, and rules are asked once (:mod:`qnnsolve.rules.repeating`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from operator import itemgetter
from typing import TYPE_CHECKING, TypeVar

import attrs

from qnnsolve.constraints import Site
from qnnsolve.constraints.repeats import Place
from qnnsolve.encodings import Encoding
from qnnsolve.facts.graph import Graph, Node, NodeKind, TensorFact
from qnnsolve.rules.builders import Built, Fate, Input
from qnnsolve.rules.wishes import Wish

if TYPE_CHECKING:
    from qnnsolve.rules.base import Facts

__all__ = ["Call", "Kinds", "becoming", "first_calls", "once"]

T = TypeVar("T")


def once(facts: Facts, key: object, make: Callable[[], T]) -> T:
    """What ``make`` returns, made once for all whose ``key`` is equal."""
    if key not in facts.made:
        facts.made[key] = make()
    return facts.made[key]  # type: ignore[no-any-return]


def becoming(facts: Facts, *ops: str | None) -> list[tuple[Node, Built]]:
    """The calls that become one of these ops of the accelerator (None: no op), in topological order."""
    by_op = once(facts, becoming, lambda: _by_op(facts.calls))
    found = [each for op in ops for each in by_op.get(op, ())]
    return [(node, built) for _, node, built in sorted(found, key=itemgetter(0))]


def _by_op(calls: Iterable[tuple[Node, Built]]) -> dict[str | None, list[tuple[int, Node, Built]]]:
    found: dict[str | None, list[tuple[int, Node, Built]]] = {}
    for place, (node, built) in enumerate(calls):
        found.setdefault(built.op, []).append((place, node, built))
    return found


@attrs.frozen(eq=False)
class Call:
    """One call as a rule about a single call sees it: what it becomes, what it reads and makes, and its sites.

    Of the graph around it such a rule may read what :class:`Kinds` tells apart, and nothing else: of each node that it
    reads the kind, the tensors, whether it is a constant, one that no convert may follow, or an input of several
    readers; the candidates at its sites and at those that it reads; and the wishes at it.
    """

    facts: Facts
    node: Node
    built: Built
    sites: tuple[Site, ...]
    """The edge of each node that it reads, then the output of each, then its own outputs."""

    def once(self, key: object, make: Callable[[], T]) -> T:
        """What ``make`` returns, made once for all calls whose ``key`` is equal, whatever their kinds."""
        return once(self.facts, key, make)

    def float_inputs(self) -> tuple[tuple[int, Input, Site, TensorFact], ...]:
        """Port, input, edge and tensor of every input that is a float tensor."""
        return tuple(self.facts.float_inputs(self.node, self.built))

    def own_sites(self) -> tuple[Site, ...]:
        """The edges into it, and its outputs where they are not taken out of a tuple: what has candidates of those."""
        own = (site for site in self.sites if self.node.name in (site.user, site.node))
        return tuple(site for site in own if site in self.facts.domains)

    def candidates(self, *sites: Site) -> tuple[tuple[Encoding, ...], ...]:
        """Those at each of these sites."""
        return tuple(self.facts.domains[site] for site in sites)


class Kinds:
    """The kind of every call, by number, and the nodes that each call reads, in the order in which a kind counts them.

    Two calls are of one kind where they call the same, become the same, read and make tensors of the same shapes and
    dtypes at the same ports, and the user asks the same of them.
    """

    def __init__(
        self,
        graph: Graph,
        built: Mapping[str, Built],
        wishes: Mapping[str, tuple[Wish, ...]],
        no_convert_after: Collection[str],
    ) -> None:
        self._graph, self._built, self._wishes, self._stuck = graph, built, wishes, no_convert_after
        self._read: dict[str, object] = {}
        self._numbers: dict[object, int] = {}
        self._outputs: dict[str, Site] = {}
        self.of: dict[str, int] = {}
        """By call its kind."""
        self.reads: dict[str, tuple[str, ...]] = {}
        """By call the nodes that it reads."""
        self.sites: dict[str, tuple[Site, ...]] = {}
        """By call, of each node that it reads the edge, then of each the output, then its own outputs."""
        for name, each in built.items():
            node = graph[name]
            self.of[name] = self._number(node, each)
            read = self.reads[name]
            own = [name]
            if node.several:
                items = graph.items_of(name)
                own = [item for port in range(len(node.tensors)) for item in items.get(port, ())]
            self.sites[name] = (*[Site(ref, name) for ref in read], *map(self.output, read), *map(self.output, own))

    def edges(self, name: str) -> tuple[Site, ...]:
        """The edges into a call, from each node that it reads one."""
        return self.sites[name][: len(self.reads[name])]

    def own_sites(self, name: str) -> tuple[Site, ...]:
        """The edges into a call, then its outputs, also where they are taken out of a tuple."""
        count = len(self.reads[name])
        return (*self.sites[name][:count], *self.sites[name][2 * count :])

    def output(self, name: str) -> Site:
        """The output of a node; of one with several outputs nothing stands there."""
        found = self._outputs.get(name)
        if found is None:
            found = self._outputs[name] = Site(name)
        return found

    def _number(self, node: Node, built: Built) -> int:
        slots: dict[str, int] = {}
        # Members of an enum live for ever: their ``id`` stands for them, since their hash is slow.
        inputs = []
        for entry in built.inputs:
            slot = -1 if entry.ref is None else slots.setdefault(entry.ref, len(slots))
            inputs.append((slot, id(entry.role), entry.ch_axis, entry.code, entry.like))
        if built.fate is Fate.UNKNOWN:
            slots = {ref: slot for slot, ref in enumerate(self._graph.reads[node.name])}
        self.reads[node.name] = tuple(slots)
        becomes = (id(built.fate), built.op, built.case, built.why, built.outputs, built.steps)
        read = [self._read.get(ref) or self._as_read(ref) for ref in slots]
        key = (
            node.target,
            becomes,
            node.tensors,
            tuple(inputs),
            tuple(read),
            self._wishes.get(node.name),
            self._more(node, built),
        )
        return self._numbers.setdefault(key, len(self._numbers))

    def _as_read(self, name: str) -> object:
        """What a call may know of a node that it reads."""
        node, built = self._graph[name], self._built.get(name)
        constant = built is not None and built.fate is Fate.CONSTANT
        once = node.kind is NodeKind.INPUT and len(self._graph.users[name]) > 1
        found = id(node.kind), node.tensors, node.several, constant, node.target in self._stuck, once
        self._read[name] = found
        return found

    def _more(self, node: Node, built: Built) -> object:
        """Of several outputs how many read each; of one taken out of several its place, and its owner's kind."""
        if built.fate is Fate.ITEM:
            return node.argument(1), self.of.get(self._graph.reads[node.name][0])
        if not node.several:
            return None
        items = self._graph.items_of(node.name)
        return tuple(len(items.get(port, ())) for port in range(len(node.tensors)))

    def placed(self, domains: Mapping[Site, tuple[Encoding, ...]]) -> tuple[Place, ...]:
        """As :attr:`~qnnsolve.rules.base.Facts.places`; equal candidates are one object."""
        numbers: dict[tuple[int, ...], int] = {}
        found = []
        for name, sites in self.sites.items():
            key = (self.of[name], *[id(domains.get(site)) for site in sites])
            found.append((numbers.setdefault(key, len(numbers)), sites))
        return tuple(found)


def first_calls(facts: Facts) -> Mapping[int, Call]:
    """The first call of each number in :attr:`~qnnsolve.rules.base.Facts.places`."""
    found: dict[int, Call] | None = facts.made.get(first_calls)
    if found is None:
        found = facts.made[first_calls] = {}
        for (number, sites), (name, built) in zip(facts.places, facts.built.items(), strict=True):
            if number not in found:
                found[number] = Call(facts, facts.graph[name], built, sites)
    return found
