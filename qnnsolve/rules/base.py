"""What every rule sees: :class:`Facts`."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import attrs

from qnnsolve.constraints import Site
from qnnsolve.constraints.repeats import Place
from qnnsolve.encodings import Encoding
from qnnsolve.facts.accepted import Accepted
from qnnsolve.facts.forms import Form, Kernel
from qnnsolve.facts.graph import Graph, Node, NodeKind, TensorFact
from qnnsolve.facts.table_types import codes_of
from qnnsolve.opinfo_facts import OperatorFacts
from qnnsolve.reasons import Reason, Says
from qnnsolve.rules.asked import Asked, Port
from qnnsolve.rules.builders import Built, Fate, Input, SideOp, build
from qnnsolve.rules.builders.types import identity
from qnnsolve.rules.domains import Domains
from qnnsolve.rules.kinds import Kinds
from qnnsolve.rules.request import Request, Role
from qnnsolve.rules.wishes import Wish
from qnnsolve.sources import Source, SourceKind

__all__ = ["Facts"]

_GRAPH = Source(SourceKind.GRAPH, "the model's graph")


def _rank(tensors: Iterable[TensorFact | None]) -> int | None:  # a scalar becomes a tensor of one element
    return max((max(len(tensor.shape), 1) for tensor in tensors if tensor is not None), default=None)


def _built(node: Node, graph: Graph, wanted: Asked) -> Built:
    """The fate of a call; what the user keeps on the CPU stays there, whatever could be built of it."""
    built = build(node, graph)
    wish = wanted.on_cpu(node.name) if built.fate is Fate.OP else None
    if wish is None:
        return built
    why = f"you asked for it ({wish.words})" if wish.kind is SourceKind.USER else wish.words
    return attrs.evolve(built, fate=Fate.CPU, op=None, why=why, steps=())


@attrs.frozen(eq=False)
class Facts:
    """Everything that is known before a solve: the graph, the operators, what was asked for."""

    graph: Graph
    operators: OperatorFacts
    wanted: Asked
    built: dict[str, Built]
    """Fate of every call in the graph, by node name."""
    _fixed_ports: dict[tuple[object, ...], tuple[Encoding, ...]] = attrs.field(factory=dict, init=False, repr=False)
    _asked: dict[Site, Encoding] = attrs.field(factory=dict, init=False, repr=False)
    made: dict[object, Any] = attrs.field(factory=dict, init=False, repr=False)
    """What rules made once for several calls, by what it depends on."""
    _forms: dict[str, Form] = attrs.field(factory=dict, init=False, repr=False)

    @classmethod
    def of(
        cls,
        graph: Graph,
        operators: OperatorFacts,
        request: Request,
        wishes: Sequence[Wish] = (),
        folding: Collection[str] = (),
        also: Sequence[Request] = (),
    ) -> Facts:
        """Facts of a graph, with the fate of each of its calls looked up once.

        ``folding`` are calls that are folded into the one before them, once the model is trained; the encodings of
        ``also`` are candidates too.

        Raises:
            UsageError: a wish finds no node, or asks for what cannot be.
        """
        wanted = Asked.of(request, wishes, graph, also)
        calls = (node for node in graph if node.kind is NodeKind.CALL)
        built = {node.name: _built(node, graph, wanted) for node in calls}
        return cls(graph, operators, wanted, built | {name: identity(graph[name], graph) for name in folding})

    @property
    def request(self) -> Request:
        """What is asked for where no wish says anything else."""
        return self.wanted.default

    @functools.cached_property
    def calls(self) -> tuple[tuple[Node, Built], ...]:
        """Every call with its fate, in topological order."""
        nodes = self.graph.nodes
        return tuple([(nodes[name], built) for name, built in self.built.items()])

    @property
    def inputs(self) -> Iterator[Node]:
        """The graph's float inputs that a call reads."""
        return (
            node
            for node in self.graph
            if node.kind is NodeKind.INPUT and node.tensor is not None and node.tensor.is_float
            if any(user in self.built for user in self.graph.users[node.name])
        )

    def float_inputs(self, node: Node, built: Built) -> Iterator[tuple[int, Input, Site, TensorFact]]:
        """Port, input, edge and tensor of every input that is a float tensor."""
        for port, entry in enumerate(built.inputs):
            tensor = self.tensor(entry)
            if entry.ref is not None and tensor is not None and tensor.is_float:
                yield port, entry, Site(entry.ref, node.name), tensor

    def outputs(self, node: Node) -> tuple[tuple[Site, ...] | TensorFact, ...]:
        """Per output of ``node``: the sites that carry it, or its tensor where it has none (integer, or not read).

        A single tensor lives at the node itself, one of several at the nodes that take it out of the tuple.
        """
        items = self.graph.items_of(node.name) if node.several else {0: (node.name,)}
        return tuple(
            tuple(map(Site, items[port])) if tensor.is_float and port in items else tensor
            for port, tensor in enumerate(node.tensors)
        )

    def owner(self, site: Site) -> str:
        """The node that ``site`` is a port of: the reader of an edge, or the node whose output it is."""
        built = self.built.get(site.node)
        taken = not site.user and built is not None and built.fate is Fate.ITEM
        return self.graph.reads[site.node][0] if taken else site.user or site.node

    def tensor(self, entry: Input) -> TensorFact | None:
        """The tensor that an input reads, or None where it is absent or not a single tensor."""
        return None if entry.ref is None else self.graph[entry.ref].tensor

    def form(self, node: Node, built: Built) -> Form:
        """What the tables need to know of the op that ``node`` becomes: its case, ranks, kernel and constant inputs."""
        if node.name not in self._forms:
            tensors = [self.tensor(entry) for entry in built.inputs]
            weights = (t for t, each in zip(tensors, built.inputs, strict=True) if each.role is Role.WEIGHT)
            weight = next(weights, None)
            kernel = None if weight is None else Kernel.over(weight.shape[2:])
            constant = tuple(self._is_constant(entry) for entry in built.inputs)
            rank = _rank((*tensors, *node.tensors))
            self._forms[node.name] = Form(built.case, rank, kernel, constant)
        return self._forms[node.name]

    def step_form(self, node: Node, built: Built, step: SideOp) -> Form:
        """What is known of an op beside the main one: the ranks of the tensors for which its ports stand."""
        tensors = (*(self.tensor(entry) for entry in built.inputs), *node.tensors)
        return Form(step.case, _rank(tensors[port] for port in step.ports if isinstance(port, int)))

    def _is_constant(self, entry: Input) -> bool | None:
        """Whether lowering makes the input a static tensor; None for what is absent."""
        if entry.ref is None:
            return None if entry.code == "-" and entry.like is None else True
        built = self.built.get(entry.ref)
        return self.graph.is_param(entry.ref) or (built is not None and built.fate is Fate.CONSTANT)

    def unverified(self) -> tuple[Node, ...]:
        """Calls about which nothing is known, in order; constants and identities need no facts."""
        of, one = self.kinds.of, {kind: name for name, kind in self.kinds.of.items()}
        unknown = {kind for kind, name in one.items() if self._is_unknown(name)}
        return tuple(node for node, _ in self.calls if node.tensors and of[node.name] in unknown)

    def _is_unknown(self, name: str) -> bool:
        built = self.built[name]
        return built.fate is Fate.UNKNOWN or self.unknown_op(self.graph[name], built) is not None

    def unknown_op(self, node: Node, built: Built) -> tuple[str, Form] | None:
        """The first op that ``node`` becomes of which nothing is known, or not of this form; None: all are known."""
        if built.op is None:
            return None
        beside = ((step.op, self.step_form(node, built, step)) for step in built.steps)
        ops = ((built.op, self.form(node, built)), *beside)
        return next((each for each in ops if self.operators.accepted(*each) is None), None)

    @functools.cached_property
    def domains(self) -> dict[Site, tuple[Encoding, ...]]:
        """Candidate encodings of every site that carries a float tensor (:mod:`qnnsolve.rules.domains`)."""
        return Domains(self).by_site()

    @functools.cached_property
    def kinds(self) -> Kinds:
        """Which calls differ in names alone."""
        return Kinds(self.graph, self.built, self.wanted.by_node, self.operators.curated.no_convert_after)

    @functools.cached_property
    def places(self) -> tuple[Place, ...]:
        """Of every call its sites, and a number: the same for calls of one kind with the same candidates there."""
        return self.kinds.placed(self.domains)

    def shared(self, op: str, form: Form, inputs: int, outputs: int = 1) -> tuple[set[int], tuple[Source, ...]]:
        """Positions of the ports of an op (inputs, then outputs) that carry one encoding, and who says so.

        If one row of the op's table ties two ports, they are tied in every row.
        """
        accepted = self.operators.accepted(op, form)
        if accepted is None:
            return set(), ()
        positions, sources = accepted.same
        return {port for at in positions for port in accepted.places(at, inputs, outputs)}, sources

    def fixed_at(self, node: Node, built: Built, port: int, reach: tuple[Encoding, ...]) -> tuple[Encoding, ...]:
        """The encodings of ``reach`` with the scale and zero point that rows of the op fix at ``port``."""
        form = self.form(node, built)
        accepted = self.operators.accepted(str(built.op), form)
        if accepted is None:
            return ()
        key = (built.op, form, len(built.inputs), port, reach)
        if key not in self._fixed_ports:
            self._fixed_ports[key] = self._find_fixed_at(accepted, built, port, reach)
        return self._fixed_ports[key]

    def _find_fixed_at(
        self, accepted: Accepted, built: Built, port: int, reach: tuple[Encoding, ...]
    ) -> tuple[Encoding, ...]:
        ports = len(accepted.inputs) + len(accepted.outputs)
        return tuple(
            attrs.evolve(encoding, scale=fixed.scale, zero_point=fixed.zero_point)
            for at in range(ports)
            if port in accepted.places(at, len(built.inputs), 1)
            for code, fixed in accepted.fixed_at(at)
            for encoding in reach
            if encoding.quantized and codes_of(encoding) == code
        )

    def port(self, site: Site) -> Port:
        """The port of :meth:`owner` that ``site`` is; of several inputs that read one node the first."""
        built = self.built.get(site.user)
        if built is None:
            return Port(None if not site.user else 0, site.node, output=self._output(site))
        for position, entry in enumerate(built.inputs):
            tensor = self.tensor(entry)
            if entry.ref == site.node and tensor is not None:
                return Port(position, site.node, entry.role, len(tensor.shape), entry.ch_axis)
        return Port(0, site.node)

    def _output(self, site: Site) -> int:
        """Which output of its owner ``site`` is, from 0."""
        position = 0 if site.user or self.owner(site) == site.node else self.graph[site.node].argument(1)
        return position if isinstance(position, int) else 0

    def asked(self, site: Site) -> Encoding:
        """The encoding that the user asked for at ``site``.

        An edge into an op that shares its encoding with a weight or bias asks for that port's; everything else
        for the activation's.
        """
        if site not in self._asked:
            owner, port = self.owner(site), self.port(site)
            built = self.built.get(site.user)
            if port.role is Role.BIAS and built is not None and built.op not in self.operators.curated.derived:
                self._asked[site] = self.wanted.request(owner).asked_of_norm_bias
            else:
                self._asked[site] = self.wanted.encoding(owner, port)
        return self._asked[site]

    def graph_reason(self, code: str, says: Says, **given: str | int | None) -> Reason:
        """A reason that rests on the graph alone."""
        return Reason.of(code, says, (_GRAPH,), **given)
