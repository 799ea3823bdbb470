"""The candidate encodings of every site: what the solver may choose from, before any constraint removes some."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from qnnsolve.constraints import Site
from qnnsolve.encodings import FLOAT, Encoding
from qnnsolve.facts.graph import Node, TensorFact
from qnnsolve.rules.builders import Built, Fate
from qnnsolve.rules.request import Role

if TYPE_CHECKING:
    from qnnsolve.rules.base import Facts

__all__ = ["Domains"]

_UNKNOWN = Built(Fate.UNKNOWN)


@attrs.frozen(eq=False)
class Domains:
    """The candidates over some facts. Equal domains are one object."""

    _facts: Facts
    _pool: dict[tuple[Encoding, ...], tuple[Encoding, ...]] = attrs.field(factory=dict, init=False, repr=False)
    _reached: dict[tuple[object, ...], tuple[Encoding, ...]] = attrs.field(factory=dict, init=False, repr=False)
    _fixed: dict[str, tuple[Encoding, ...]] = attrs.field(factory=dict, init=False, repr=False)
    _fixed_by_kind: dict[tuple[object, ...], tuple[Encoding, ...]] = attrs.field(factory=dict, init=False, repr=False)

    def by_site(self) -> dict[Site, tuple[Encoding, ...]]:
        """Candidate encodings of every site that carries a float tensor.

        Inputs of the graph, outputs of calls, and edges into calls. Equal domains are one object. A parameter has no
        site of its own: every edge from it is quantized by itself.
        """
        found: dict[Site, tuple[Encoding, ...]] = dict.fromkeys(
            (Site(node.name) for node in self._facts.inputs), self._candidates(Role.ACTIVATION)
        )
        kinds, known = self._facts.kinds, {}
        for name, built in self._facts.built.items():
            sites = kinds.sites[name]
            # What a call may have at its sites follows from its kind and from the fixed encodings that reach it.
            key = (kinds.of[name], self._fixed_of(name), *map(self._fixed_of, kinds.reads[name]))
            if key not in known:
                known[key] = self._of_call(self._facts.graph[name], built, sites)
            for at, domain in known[key]:
                found.setdefault(sites[at], domain)
        for name in (name for name, built in self._facts.built.items() if built.fate is Fate.CONSTANT):
            read = (Site(name, user) in found for user in self._facts.graph.users[name])
            if Site(name) in found and not any(read):
                found[Site(name)] = self._interned((FLOAT,))  # of a constant for the CPU there is nothing to fold
        return found if not self._facts.wanted.saved else {site: self._with_saved(site, found[site]) for site in found}

    def _of_call(
        self, node: Node, built: Built, sites: tuple[Site, ...]
    ) -> tuple[tuple[int, tuple[Encoding, ...]], ...]:
        """The candidates at the edges into a call, and at its output where it is one tensor, by place in ``sites``."""
        found: dict[Site, tuple[Encoding, ...]] = {}
        for port, _, edge, tensor in self._facts.float_inputs(node, built):
            found.setdefault(edge, self._reach(node, built, port, tensor))
        if built.fate is Fate.UNKNOWN:
            for ref in self._facts.graph.reads[node.name]:
                tensor_read = self._facts.graph[ref].tensor
                if tensor_read is not None and tensor_read.is_float:
                    found[Site(ref, node.name)] = self._interned((FLOAT,))
        if node.tensor is not None and node.tensor.is_float:
            found[Site(node.name)] = self._outputs(node)
        return tuple((sites.index(site), domain) for site, domain in found.items())

    def _with_saved(self, site: Site, domain: tuple[Encoding, ...]) -> tuple[Encoding, ...]:
        """With the encoding that a saved node had there, where anything but float can stand there."""
        saved = self._facts.wanted.saved_at(self._facts.owner(site), self._facts.port(site))
        if saved is None or saved in domain or domain == (FLOAT,):
            return domain
        return self._interned(tuple(sorted({*domain, saved})))

    def _reach(self, node: Node, built: Built, port: int, tensor: TensorFact) -> tuple[Encoding, ...]:
        entry = built.inputs[port]
        reach = self._candidates(entry.role, len(tensor.shape), entry.ch_axis, node.name)
        if entry.role not in (Role.ACTIVATION, Role.OPERAND):
            return reach
        fixed = {*self._fixed_of(str(entry.ref)), *self._facts.fixed_at(node, built, port, reach)}
        return self._interned(tuple(sorted({*reach, *fixed}))) if fixed else reach

    def _outputs(self, node: Node) -> tuple[Encoding, ...]:
        owner = self._facts.graph[self._facts.owner(Site(node.name))]
        built = self._facts.built.get(owner.name, _UNKNOWN)
        if built.fate is Fate.UNKNOWN:
            return self._interned((FLOAT,))
        fixed = self._fixed_of(node.name)
        reach = self._candidates(Role.ACTIVATION)
        accepted = self._facts.operators.accepted(str(built.op), self._facts.form(owner, built))
        if fixed and accepted is not None:
            bound = {code for code, _ in accepted.fixed_at(len(accepted.inputs))} - accepted.free_at(
                len(accepted.inputs)
            )
            reach = tuple(e for e in reach if not e.quantized or e.name not in bound)
        return self._interned(tuple(sorted({*reach, *fixed}))) if fixed else reach

    def _fixed_of(self, name: str) -> tuple[Encoding, ...]:
        """Encodings with a fixed scale that can reach the output of ``name``: its own, or through shared ones.

        Filled in topological order by :meth:`by_site`, so a long run of sharing ops is no deep recursion.
        """
        if name not in self._fixed:
            self._fixed[name] = self._find_fixed(name)
        return self._fixed[name]

    def _find_fixed(self, name: str) -> tuple[Encoding, ...]:
        built = self._facts.built.get(name)
        if built is None:
            return ()
        if built.fate is Fate.ITEM:
            return self._fixed_of(self._facts.owner(Site(name)))
        kinds = self._facts.kinds
        key = (kinds.of[name], *map(self._fixed_of, kinds.reads[name]))
        if key not in self._fixed_by_kind:
            self._fixed_by_kind[key] = self._own_and_shared(self._facts.graph[name], built)
        return self._fixed_by_kind[key]

    def _own_and_shared(self, node: Node, built: Built) -> tuple[Encoding, ...]:
        output = len(built.inputs)
        own = self._facts.fixed_at(node, built, output, self._candidates(Role.ACTIVATION))
        ports = (
            {0, output}
            if built.fate is Fate.IDENTITY
            else self._facts.shared(str(built.op), self._facts.form(node, built), output)[0]
        )
        shares = output in ports
        through = [entry.ref for port, entry in enumerate(built.inputs) if shares and port in ports]
        return tuple(dict.fromkeys((*own, *(e for ref in through if ref is not None for e in self._fixed_of(ref)))))

    def _candidates(self, role: Role, rank: int = 2, ch_axis: int = 0, node: str = "") -> tuple[Encoding, ...]:
        """The candidates for a role: for weights those within reach of the request at ``node``, for all others those
        of any request."""
        wanted = self._facts.wanted
        requests = (*wanted.everywhere, *wanted.said_at(node)) if role is Role.WEIGHT else wanted.requests
        key = (role, rank, ch_axis, requests)
        if key not in self._reached:
            reach = (each for request in requests for each in request.reach(role, rank, ch_axis))
            self._reached[key] = self._interned(tuple(sorted({*reach, *wanted.encodings(role)})))
        return self._reached[key]

    def _interned(self, domain: tuple[Encoding, ...]) -> tuple[Encoding, ...]:
        return self._pool.setdefault(domain, domain)
