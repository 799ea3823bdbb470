"""What the wishes come to at each port: :class:`Asked`."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

import attrs

from qnnsolve.encodings import Encoding
from qnnsolve.facts.graph import Graph, NodeKind
from qnnsolve.rules.matching import matching
from qnnsolve.rules.request import Request, Role
from qnnsolve.rules.saying import IN_CALIBRATION, THINGS, contradicts, field_of, in_order, is_signed, keeps, says
from qnnsolve.rules.unaskable import refuse_blocks_of_another_rank, refuse_mixed_precision
from qnnsolve.rules.wishes import By, Strength, What, Wish, check_port

__all__ = ["Asked", "Port"]


@attrs.frozen
class Port:
    """One port of a node: the position of an input (None: an output), the node that it reads, and its kind.

    ``output`` counts the outputs of a node with several.
    """

    position: int | None = None
    source: str = ""
    role: Role = Role.ACTIVATION
    rank: int = 2
    ch_axis: int = 0
    output: int = 0

    @property
    def name(self) -> str:
        """``weight``, ``in[1]``, ``out``; ``out[1]`` of several outputs the second."""
        if self.role is Role.WEIGHT:
            return "weight"
        if self.position is not None:
            return f"in[{self.position}]"
        return f"out[{self.output}]" if self.output else "out"

    def is_named(self, name: str) -> bool:
        """Whether a wish that says ``@name`` means this port."""
        if self.position is None:
            return name in ("out", f"out[{self.output}]")
        if name.startswith("from:"):
            return name == f"from:{self.source}"
        return name == f"in[{self.position}]" or (name == "weight" and self.role is Role.WEIGHT)


@attrs.frozen(eq=False, slots=False)
class Asked:
    """The request at every node: the default one, and over it the wishes of the node, the later over the earlier."""

    default: Request
    all: tuple[Wish, ...]
    """Every wish, whether a node has it or not, the earliest first."""
    by_node: Mapping[str, tuple[Wish, ...]]
    """Those of each node that has any, the earliest first."""
    _graph: Graph
    also: tuple[Request, ...] = ()
    """Requests that nobody asks for, and whose encodings are candidates everywhere: what a search chooses from."""
    _requests: dict[tuple[What, ...], Request] = attrs.field(factory=dict, init=False, repr=False)
    _encodings: dict[tuple[object, ...], Encoding] = attrs.field(factory=dict, init=False, repr=False)

    @classmethod
    def of(cls, default: Request, wishes: Sequence[Wish], graph: Graph, also: Sequence[Request] = ()) -> Asked:
        """What is asked for in ``graph``, and what is a candidate there ``also``.

        Raises:
            UsageError: a wish finds no node, names a port that cannot be, mixes half precision with quantized
                activations, or has block sizes for other dimensions than a weight has.
        """
        for wish in wishes:
            if wish.where.port:
                check_port(wish.where.port, wish.words)
        asked = cls(default, tuple(wishes), matching(wishes, graph), graph, tuple(also))
        refuse_mixed_precision(asked, graph)
        refuse_blocks_of_another_rank(asked, graph)
        return asked

    @functools.cached_property
    def nodes_of(self) -> Mapping[Wish, int]:
        """How many nodes each wish finds; those that find none are left out."""
        return Counter(chain.from_iterable(map(dict.fromkeys, self.by_node.values())))

    def wishes(self, node: str) -> tuple[Wish, ...]:
        """Those of a node, the earliest first."""
        return self.by_node.get(node, ())

    def request(self, node: str) -> Request:
        """What is asked for at a node as a whole."""
        return self._folded(tuple(wish.what for wish in self.wishes(node) if not wish.where.port))

    @functools.cached_property
    def requests(self) -> tuple[Request, ...]:
        """Every one that some port has, the default first."""
        return tuple(dict.fromkeys((*self.everywhere, *chain.from_iterable(map(self.said_at, self.by_node)))))

    @property
    def everywhere(self) -> tuple[Request, ...]:
        """Those whose encodings are candidates at every node, the default first."""
        return (self.default, *self.also)

    def said_at(self, node: str) -> tuple[Request, ...]:
        """Those of a node and its ports, where wishes say something of it."""
        wishes = self.wishes(node)
        if not wishes:
            return ()
        ports = dict.fromkeys(wish.where.port for wish in wishes)
        return tuple(self._folded(tuple(w.what for w in wishes if w.where.port in ("", port))) for port in ports)

    @functools.cached_property
    def saved(self) -> tuple[Wish, ...]:
        """Those for nodes of an earlier graph."""
        return tuple(wish for wish in self.all if wish.where.by is By.SAVED)

    @functools.cached_property
    def missing(self) -> tuple[Wish, ...]:
        """Those for nodes of an earlier graph that this one has no more."""
        return tuple(wish for wish in self.saved if wish not in self.nodes_of)

    def encodings(self, role: Role) -> tuple[Encoding, ...]:
        """Exact ones that are asked for somewhere, and can stand at such a port.

        Those of saved nodes stand at their own ports alone: each of the ports around them has its own.
        """
        if role is Role.BIAS:
            return ()
        everywhere = role is not Role.ACTIVATION
        return tuple(sorted({e for e, at_output in self._exact if everywhere or at_output or not is_signed(e)}))

    @functools.cached_property
    def _exact(self) -> frozenset[tuple[Encoding, bool]]:
        """Exact encodings that are asked for somewhere, and whether that is at an output."""
        wishes = dict.fromkeys(chain.from_iterable(self.by_node.values()))
        ports = ((wish.what.encoding, wish.where.port) for wish in wishes if wish.where.by is not By.SAVED)
        exact = ((encoding, not port or port.startswith("out")) for encoding, port in ports)
        return frozenset((encoding, at_output) for encoding, at_output in exact if encoding is not None)

    def observer(self, node: str, port: Port) -> str | None:
        """The name of the observer that is asked for at a port."""
        weight = port.role in (Role.WEIGHT, Role.NORM)
        said = ((w.what.weight_observer if weight else w.what.observer) for w in reversed(self._at(node, port)))
        return next((name for name in said if name is not None), None)

    def least_scale(self, node: str, port: Port) -> float:
        """The smallest scale that is asked for at a port, in real units per step; 0 where any will do."""
        said = (wish.what.eps for wish in reversed(self._at(node, port)))
        return next((eps for eps in said if eps is not None), 0.0)

    def on_cpu(self, node: str) -> Wish | None:
        """The wish that keeps a node on the CPU, if the last that says so does."""
        said = [wish for wish in self.wishes(node) if wish.what.cpu is not None and not wish.where.port]
        return said[-1] if said and said[-1].what.cpu else None

    def encoding(self, node: str, port: Port) -> Encoding:
        """The encoding that is asked for at a port."""
        wishes = self._at(node, port)
        key = (wishes, port.role, port.rank, port.ch_axis)
        if key not in self._encodings:
            said = [what for _, what in in_order(wishes, port.role)]
            exact = [what.encoding for what in said if what.encoding is not None]
            asked = self._folded(tuple(said)).asked(port.role, port.rank, port.ch_axis)
            self._encodings[key] = exact[-1] if exact else asked
        return self._encodings[key]

    def saved_at(self, node: str, port: Port) -> Encoding | None:
        """The encoding that a port had when its node was saved."""
        said = (wish.what.encoding for wish in reversed(self._at(node, port)) if wish.where.by is By.SAVED)
        return next((encoding for encoding in said if encoding is not None), None)

    def activation(self, node: str) -> Encoding:
        """The encoding of a node's activations."""
        return self.request(node).activation

    def said_of(self, node: str, port: Port) -> Wish | None:
        """The last wish that says something of a port; None where only the default does."""
        return next((wish for wish in reversed(self._at(node, port)) if says(wish.what, port.role)), None)

    def allowed(
        self, node: str, port: Port, domain: Iterable[Encoding]
    ) -> tuple[frozenset[Encoding], tuple[Wish, ...]]:
        """Of ``domain`` what the pins of a port leave, and those pins; all of it where there are none."""
        left, pins = list(domain), []
        for field, wish, what in self._counting(node, port, THINGS):
            if wish.strength is Strength.PIN:
                pins.append(wish)
                left = [each for each in left if keeps(each, field, what)]
        return frozenset(left), tuple(dict.fromkeys(pins))

    def held(self, node: str, port: Port, chosen: Encoding) -> dict[Wish, bool]:
        """The wishes that count at a port, and whether ``chosen`` is all that each of them asks for there."""
        found: dict[Wish, bool] = {}
        for field, wish, what in self._counting(node, port, (*THINGS, *IN_CALIBRATION)):
            found[wish] = found.get(wish, True) and keeps(chosen, field, what)
        return found

    def _counting(self, node: str, port: Port, fields: Iterable[str]) -> Iterator[tuple[str, Wish, What]]:
        """For each property of a port: the last wish that says something about it, and what it says."""
        wishes = self._at(node, port)
        ordered = in_order(wishes, port.role) if wishes else ()
        for field in fields if wishes else ():
            said = [each for each in ordered if field_of(each[1], field, port.role) is not None]
            if said:
                yield field, *said[-1]

    def overridden(self) -> Iterator[tuple[str, Wish, Wish]]:
        """Nodes where a later wish says something else of the same thing: node, the earlier and the later one."""
        for node, wishes in self.by_node.items():
            for index, later in enumerate(wishes):
                for earlier in wishes[:index]:
                    if earlier.where.port == later.where.port and contradicts(earlier.what, later.what):
                        yield node, earlier, later

    def _at(self, node: str, port: Port) -> tuple[Wish, ...]:
        wishes = self.wishes(node)
        if not wishes and port.position is None:
            wishes = self._of_readers(node)
        if not wishes:
            return ()
        return tuple(wish for wish in wishes if not wish.where.port or port.is_named(wish.where.port))

    def _of_readers(self, node: str) -> tuple[Wish, ...]:
        """Of an input of the graph nobody has to say anything: it has what all that read it ask of activations, in
        whatever words, as pins where each reader has it from a pin alone."""
        if not self.by_node or self._graph[node].kind is not NodeKind.INPUT:
            return ()
        readers = dict.fromkeys(
            tuple(w for w in self.wishes(reader) if not w.where.port) for reader in self._graph.readers(node)
        )
        if len({self._activation(tuple(wish.what for wish in wishes)) for wishes in readers}) != 1:
            return ()
        return min(readers, key=lambda wishes: bool(wishes) and all(w.strength is Strength.PIN for w in wishes))

    def _activation(self, said: tuple[What, ...]) -> Encoding:
        exact = [what.encoding for what in said if what.encoding is not None]
        return exact[-1] if exact else self._folded(said).activation

    def _folded(self, said: tuple[What, ...]) -> Request:
        if said not in self._requests:
            request = self.default
            for what in said:
                request = what.over(request)
            self._requests[said] = request
        return self._requests[said]
