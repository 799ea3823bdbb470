"""What every rule sees, and how a rule is written down.

A rule is a pure generator over :class:`Facts`: it yields constraints, and nothing else happens. Its docstring
has the sections *Why* and *Instead*, from which the command line and the reference are made.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator

import attrs

from qnnsolve.constraints import Constraint, Reason, Says, Site, Source, SourceKind
from qnnsolve.encodings import FLOAT, Encoding
from qnnsolve.facts.accepted import Accepted
from qnnsolve.facts.forms import Form, Kernel
from qnnsolve.facts.graph import Graph, Node, NodeKind, TensorFact
from qnnsolve.facts.table_types import codes_of
from qnnsolve.opinfo_facts import OperatorFacts
from qnnsolve.rules.builders import Built, Fate, Input, Step, build
from qnnsolve.rules.request import Request, Role

__all__ = ["Facts", "Rule", "rule"]

_GRAPH = Source(SourceKind.GRAPH, "the model's graph")
_UNKNOWN = Built(Fate.UNKNOWN)


def _rank(tensors: Iterable[TensorFact | None]) -> int | None:
    """The largest rank; a scalar becomes a tensor of one element."""
    return max((max(len(tensor.shape), 1) for tensor in tensors if tensor is not None), default=None)


def _is_weight(entry: Input) -> bool:
    return entry.role is Role.WEIGHT


def _kernel(tensor: TensorFact | None) -> Kernel | None:
    """Of a weight with channels in front; None where the channels are all that it has."""
    positions = () if tensor is None else tensor.shape[2:]
    return None if not positions else Kernel.POINT if set(positions) == {1} else Kernel.WIDER


@attrs.frozen(eq=False)
class Facts:
    """Everything that is known before a solve: the graph, the operators, what was asked for."""

    graph: Graph
    operators: OperatorFacts
    request: Request
    built: dict[str, Built]
    """Fate of every call in the graph, by node name."""
    _pool: dict[tuple[Encoding, ...], tuple[Encoding, ...]] = attrs.field(factory=dict, init=False, repr=False)
    _reached: dict[tuple[object, ...], tuple[Encoding, ...]] = attrs.field(factory=dict, init=False, repr=False)
    _fixed: dict[str, tuple[Encoding, ...]] = attrs.field(factory=dict, init=False, repr=False)
    _forms: dict[str, Form] = attrs.field(factory=dict, init=False, repr=False)
    _fixed_ports: dict[tuple[object, ...], tuple[Encoding, ...]] = attrs.field(factory=dict, init=False, repr=False)

    @classmethod
    def of(cls, graph: Graph, operators: OperatorFacts, request: Request) -> Facts:
        """Facts of a graph, with the fate of each of its calls looked up once."""
        calls = (node for node in graph if node.kind is NodeKind.CALL)
        return cls(graph, operators, request, {node.name: build(node, graph) for node in calls})

    @property
    def calls(self) -> Iterator[tuple[Node, Built]]:
        """Every call with its fate, in topological order."""
        return ((self.graph[name], built) for name, built in self.built.items())

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
        """The node of which ``site`` is a port: that which reads the edge, or which yields the output."""
        built = self.built.get(site.node)
        taken = not site.user and built is not None and built.fate is Fate.ITEM
        return self.graph[site.node].refs()[0] if taken else site.user or site.node

    def tensor(self, entry: Input) -> TensorFact | None:
        """The tensor that an input reads, or None where it is absent or not a single tensor."""
        return None if entry.ref is None else self.graph[entry.ref].tensor

    def form(self, node: Node, built: Built) -> Form:
        """What the tables need to know of the op that ``node`` becomes: its case, ranks, kernel and constant inputs."""
        if node.name not in self._forms:
            tensors = [self.tensor(entry) for entry in built.inputs]
            kernels = (
                _kernel(tensor) for tensor, entry in zip(tensors, built.inputs, strict=True) if _is_weight(entry)
            )
            constant = tuple(self._is_constant(entry) for entry in built.inputs)
            rank = _rank((*tensors, *node.tensors))
            self._forms[node.name] = Form(built.case, rank, next(kernels, None), constant)
        return self._forms[node.name]

    def step_form(self, node: Node, built: Built, step: Step) -> Form:
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
        return tuple(
            node
            for node, built in self.calls
            if node.tensors and (built.fate is Fate.UNKNOWN or not all(map(self.operators.knows, built.ops)))
        )

    @functools.cached_property
    def domains(self) -> dict[Site, tuple[Encoding, ...]]:
        """Candidate encodings of every site that carries a float tensor.

        Inputs of the graph, outputs of calls, and edges into calls. Equal domains are one object. A parameter has no
        site of its own: every edge from it is quantized by itself.
        """
        found: dict[Site, tuple[Encoding, ...]] = dict.fromkeys(
            (Site(node.name) for node in self.inputs), self._candidates(Role.ACTIVATION)
        )
        for node, built in self.calls:
            self._fixed_of(node.name)
            for port, _, edge, tensor in self.float_inputs(node, built):
                found.setdefault(edge, self._reach(node, built, port, tensor))
            if built.fate is Fate.UNKNOWN:
                for ref in node.refs():
                    tensor_read = self.graph[ref].tensor
                    if tensor_read is not None and tensor_read.is_float:
                        found[Site(ref, node.name)] = (FLOAT,)
            if node.tensor is not None and node.tensor.is_float:
                found[Site(node.name)] = self._outputs(node)
        for node, built in self.calls:
            read = (Site(node.name, user) in found for user in self.graph.users[node.name])
            if built.fate is Fate.CONSTANT and Site(node.name) in found and not any(read):
                found[Site(node.name)] = self._interned((FLOAT,))  # of a constant for the CPU there is nothing to fold
        return found

    def shared(self, op: str, form: Form, inputs: int, outputs: int = 1) -> tuple[set[int], tuple[Source, ...]]:
        """Positions of the ports of an op (inputs, then outputs) that carry one encoding, and who says so.

        What one row of the op asks for holds for the op.
        """
        accepted = self.operators.accepted(op, form)
        if accepted is None:
            return set(), ()
        positions, sources = accepted.same
        return {port for at in positions for port in accepted.places(at, inputs, outputs)}, sources

    def _reach(self, node: Node, built: Built, port: int, tensor: TensorFact) -> tuple[Encoding, ...]:
        entry = built.inputs[port]
        reach = self._candidates(entry.role, len(tensor.shape), entry.ch_axis)
        if entry.role not in (Role.ACTIVATION, Role.OPERAND):
            return reach
        fixed = {*self._fixed_of(str(entry.ref)), *self.fixed_at(node, built, port, reach)}
        return self._interned(tuple(sorted({*reach, *fixed}))) if fixed else reach

    def _outputs(self, node: Node) -> tuple[Encoding, ...]:
        owner = self.graph[self.owner(Site(node.name))]
        built = self.built.get(owner.name, _UNKNOWN)
        if built.fate is Fate.UNKNOWN:
            return self._interned((FLOAT,))
        fixed = self._fixed_of(node.name)
        reach = self._candidates(Role.ACTIVATION)
        accepted = self.operators.accepted(str(built.op), self.form(owner, built))
        if fixed and accepted is not None:
            bound = {code for code, _ in accepted.fixed_at(len(accepted.inputs))} - accepted.free_at(
                len(accepted.inputs)
            )
            reach = tuple(e for e in reach if not e.quantized or e.name not in bound)
        return self._interned(tuple(sorted({*reach, *fixed}))) if fixed else reach

    def _fixed_of(self, name: str) -> tuple[Encoding, ...]:
        """Encodings with a fixed scale that can reach the output of ``name``: its own, or through shared ones.

        Filled in topological order by :attr:`domains`, so a long run of sharing ops is no deep recursion.
        """
        if name not in self._fixed:
            self._fixed[name] = self._find_fixed(name)
        return self._fixed[name]

    def _find_fixed(self, name: str) -> tuple[Encoding, ...]:
        built = self.built.get(name)
        if built is None:
            return ()
        if built.fate is Fate.ITEM:
            return self._fixed_of(self.owner(Site(name)))
        output = len(built.inputs)
        node = self.graph[name]
        own = self.fixed_at(node, built, output, self._candidates(Role.ACTIVATION))
        ports = (
            {0, output}
            if built.fate is Fate.IDENTITY
            else self.shared(str(built.op), self.form(node, built), output)[0]
        )
        shares = output in ports
        through = [entry.ref for port, entry in enumerate(built.inputs) if shares and port in ports]
        return tuple(dict.fromkeys((*own, *(e for ref in through if ref is not None for e in self._fixed_of(ref)))))

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

    def _candidates(self, role: Role, rank: int = 2, ch_axis: int = 0) -> tuple[Encoding, ...]:
        key = (role, rank, ch_axis)
        if key not in self._reached:
            self._reached[key] = self._interned(self.request.reach(role, rank, ch_axis))
        return self._reached[key]

    def _interned(self, domain: tuple[Encoding, ...]) -> tuple[Encoding, ...]:
        return self._pool.setdefault(domain, domain)

    def asked(self, site: Site) -> Encoding:
        """The encoding that the user asked for at ``site``.

        An edge into an op that shares its encoding with a weight or bias asks for that port's; everything else
        for the activation's.
        """
        built = self.built.get(site.user)
        if built is not None:
            for entry in built.inputs:
                tensor = self.tensor(entry)
                if entry.ref == site.node and tensor is not None:
                    if entry.role is Role.BIAS and built.op not in self.operators.curated.derived:
                        return self.request.asked_of_norm_bias
                    return self.request.asked(entry.role, len(tensor.shape), entry.ch_axis)
        return self.request.asked(Role.ACTIVATION)

    def graph_reason(self, code: str, says: Says, **given: str | int | None) -> Reason:
        """A reason that rests on the graph alone."""
        return Reason.of(code, says, (_GRAPH,), **given)


Generator = Callable[[Facts], Iterator[Constraint]]


@attrs.frozen
class Rule:
    """A rule as the registry holds it. ``code`` is stable and never reused."""

    code: str
    name: str
    generate: Generator
    rests_on: tuple[str | Source, ...] = ()
    """What it reads of the operator facts (``tables``, or kinds of curated facts such as ``invariant``), and the
    sources of what it knows itself."""

    @property
    def doc(self) -> str:
        """The rule's docstring, dedented: a first line, then *Why* and *Instead*."""
        return inspect.getdoc(self.generate) or ""


def rule(code: str, rests_on: tuple[str | Source, ...] = ()) -> Callable[[Generator], Rule]:
    """Register the decorated generator under ``code``; its name is the function's. ``rests_on`` as in :class:`Rule`."""

    def wrap(generate: Generator) -> Rule:
        return Rule(code, generate.__name__, generate, rests_on)

    return wrap
