"""A solution node by node: the encodings of each, and why they differ from what was asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from qnnsolve.constraints import Same, Site, Table
from qnnsolve.encodings import FLOAT, Encoding
from qnnsolve.explain.placing import placements
from qnnsolve.explain.sentences import sentence
from qnnsolve.explain.wished import broken_at
from qnnsolve.facts.forms import Form
from qnnsolve.facts.graph import Node
from qnnsolve.reasons import Reason
from qnnsolve.results import Deviation, NodeRecord, Placement, SourceRecord
from qnnsolve.rules.base import Facts
from qnnsolve.rules.builders import Built, Fate
from qnnsolve.rules.request import Role
from qnnsolve.rules.rows import accepts, emitted, refusing
from qnnsolve.solver import Solution
from qnnsolve.sources import Source, SourceKind, joined

__all__ = ["Describer", "every_source", "node_records", "source_records"]


def source_records(sources: Iterable[Source]) -> tuple[SourceRecord, ...]:
    """Each source once, sorted, as a record; the graph itself is no source of facts about operators."""
    return every_source(source for source in sources if source.kind is not SourceKind.GRAPH)


def every_source(sources: Iterable[Source]) -> tuple[SourceRecord, ...]:
    """Each source once, sorted, as a record; the graph is one of them."""
    return tuple(SourceRecord(source.kind.value, source.citation) for source in joined(sources))


def node_records(
    facts: Facts,
    encodings: Mapping[Site, Encoding],
    where: Mapping[str, Placement],
    deviations: Mapping[str, Iterable[Deviation]],
) -> tuple[NodeRecord, ...]:
    """One per call, in the order of the graph: with its encodings, its place and its deviations, by its name."""
    names = {site: encoding.name for site, encoding in encodings.items()}
    return tuple(
        NodeRecord(
            name=node.name,
            target=node.target,
            qnn_op=built.op,
            module_path=node.module_path,
            inputs=_inputs(facts, node, built, names),
            output=names.get(Site(node.name)),
            placement=where[node.name],
            deviations=tuple(deviations.get(node.name, ())),
        )
        for node, built in facts.calls
    )


def _inputs(facts: Facts, node: Node, built: Built, names: Mapping[Site, str]) -> tuple[tuple[str, str], ...]:
    refs = [entry.ref for entry in built.inputs if entry.ref is not None] or list(node.refs())
    pairs = []
    for ref in dict.fromkeys(refs):
        name = names.get(Site(ref, node.name))
        tensor = facts.graph[ref].tensor
        pairs.append((str(ref), name or ("" if tensor is None else tensor.dtype)))
    return tuple(pairs)


@attrs.frozen(eq=False)
class Describer:
    """``tables`` holds the operator-table constraints of each node, by name: they say which encodings it cannot
    have. ``shared`` has for each site the constraints that tie it to others."""

    facts: Facts
    solution: Solution
    tables: Mapping[str, tuple[Table, ...]]
    shared: Mapping[Site, tuple[Same, ...]]

    def records(self) -> tuple[NodeRecord, ...]:
        """One per call, in the order of the graph."""
        where = placements(self.facts, self.solution.encodings)
        return node_records(self.facts, self.solution.encodings, where, self._deviations(where))

    def _deviations(self, where: Mapping[str, Placement]) -> dict[str, list[Deviation]]:
        """By node; one per set of sites that share an encoding, at the node whose table excludes the request."""
        found: dict[str, list[Deviation]] = {}
        sites_of: dict[str, list[Site]] = {}
        for site in self.solution.encodings:
            sites_of.setdefault(self.facts.owner(site), []).append(site)
        for node, built in self.facts.calls:
            if where[node.name] is Placement.CPU and built.fate is not Fate.ITEM:
                broken = broken_at(self.facts, sites_of.get(node.name, ()), self.solution.encodings)
                found[node.name] = [attrs.evolve(self._left_on_cpu(node, built), asked_by=broken)]
        group_of = {site: index for index, group in enumerate(self.solution.groups) for site in group}
        shown: set[int] = set()
        for site in sorted(self._deviating(where), key=self._blame):
            if group_of[site] not in shown:
                shown.add(group_of[site])
                found.setdefault(self.facts.owner(site), []).append(self._deviation(site))
        return found

    def _deviating(self, where: Mapping[str, Placement]) -> list[Site]:
        sites = []
        for site, encoding in self.solution.encodings.items():
            name = self.facts.owner(site)
            if where.get(name) is Placement.CPU or encoding == FLOAT or self._is_bias(site):
                continue
            if encoding.free != self.facts.asked(site):
                sites.append(site)
        return sites

    def _is_bias(self, site: Site) -> bool:
        built = self.facts.built.get(site.user)
        return any(e.ref == site.node and e.role is Role.BIAS for e in built.inputs) if built is not None else False

    def _blame(self, site: Site) -> tuple[bool, bool, str, str]:
        is_input = self.facts.owner(site) not in self.facts.built  # told at a node that reads it
        return self._excluded_by_table(site) is None, is_input, site.node, site.user

    def _excluded_by_table(self, site: Site) -> Table | None:
        """The node's table over ``site``, if it does not have the row that was asked for."""
        tables = (table for table in self.tables.get(self.facts.owner(site), ()) if site in table.sites)
        return next((table for table in tables if not self._holds_what_was_asked(table)), None)

    def _holds_what_was_asked(self, table: Table) -> bool:
        """Whatever its bias has: that follows from the weight and the input."""
        asked = tuple(None if self._is_bias(site) else self.facts.asked(site) for site in table.sites)
        return any(
            all(wanted is None or each.free == wanted for each, wanted in zip(row, asked, strict=True))
            for row in table.relation.rows
        )

    def _deviation(self, site: Site) -> Deviation:
        asked_by = broken_at(self.facts, (site,), self.solution.encodings)
        return attrs.evolve(self._unasked(site), asked_by=asked_by)

    def _unasked(self, site: Site) -> Deviation:
        asked, chosen = self.facts.asked(site), self.solution.encodings[site]
        table = self._excluded_by_table(site)
        if table is not None:
            subject = f"{table.reason.get('op')} on {table.reason.get('arch')}"
            inputs = ", ".join(self.facts.asked(s).name for s in table.sites if s.user)
            output = "".join(f" -> {self.facts.asked(s)}" for s in table.sites if not s.user)
            text = f"{subject} takes no ({inputs}){output}"
            return Deviation(str(site), asked.name, chosen.name, text, "QC001", self._refusing(table))
        for candidate in self.facts.domains[site]:
            removed = self.solution.why_removed(site, candidate) if candidate.free == asked else ()
            if removed:
                reason = removed[0].constraint.reason
                sources = source_records(reason.sources)
                return Deviation(str(site), asked.name, chosen.name, sentence(reason), reason.rule, sources)
        shared = self._shares_with(site)
        if shared is not None:
            other, reason = shared
            text = f"it shares its encoding with {other}, for which {chosen.free} was asked: {sentence(reason)}"
            return Deviation(str(site), asked.name, chosen.name, text, reason.rule, source_records(reason.sources))
        text = f"{asked} here would cost more elsewhere"
        return Deviation(str(site), asked.name, chosen.name, text, "QC006")

    def _shares_with(self, site: Site) -> tuple[Site, Reason] | None:
        """Where what is ``chosen`` was asked for, of the sites that must have the same encoding; and why they must."""
        for same in self.shared.get(site, ()):
            for other in same.sites:
                if self.facts.asked(other) == self.solution.encodings[site].free:
                    return other, same.reason
        return None

    def _left_on_cpu(self, node: Node, built: Built) -> Deviation:
        tensor = node.tensors[0] if node.tensors else None
        is_float = any(isinstance(each, tuple) for each in self.facts.outputs(node))
        asked = self.facts.asked(Site(node.name)).name if is_float else "accelerator"
        match built.fate:
            case Fate.CPU:
                reason, rule = built.why, "QC001"
            case Fate.CONSTANT | Fate.IDENTITY:
                reason, rule = self._only_feeds(node), "QC004"
            case Fate.UNKNOWN:
                reason, rule = f"no facts about {node.target}", "QC001"
            case _ if missing := self.facts.unknown_op(node, built):
                reason, rule = self._no_facts(*missing), "QC001"
            case _ if not is_float and (accepts(self.facts, node, built) or self._all_users_stay(node)):
                reason, rule = self._only_feeds(node), "QC004"
            case _ if kept := self._kept_on_cpu(node, built):
                reason, rule = kept, "QC001"
            case _:
                dtype = "" if tensor is None or tensor.is_float else f" for {tensor.dtype}"
                reason, rule = f"{built.op} on {self.facts.operators.arch} takes nothing{dtype} that fits here", "QC001"
        sources = self._about(node, built) if rule == "QC001" else ()
        return Deviation(node.name, asked, "float" if is_float else "CPU", reason, rule, sources)

    def _no_facts(self, op: str, form: Form) -> str:
        if not self.facts.operators.knows(op):
            return f"no facts about {op} on {self.facts.operators.arch}"
        return f"no facts about {op} of this form ({form}) on {self.facts.operators.arch}"

    def _kept_on_cpu(self, node: Node, built: Built) -> str:
        """Why an op stays on the CPU where the user's facts alone keep it there; empty where they do not."""
        for op in emitted(self.facts, node, built):
            accepted = self.facts.operators.accepted(op.op, op.form)
            refusing = {source for sources in accepted.refused.values() for source in sources} if accepted else set()
            if accepted and not accepted.rows and any(source.kind is SourceKind.USER for source in refusing):
                return f"your facts leave {op.op} nothing on the accelerator"
        return ""

    def _about(self, node: Node, built: Built) -> tuple[SourceRecord, ...]:
        """Every source that was asked about the ops of a node."""
        known = (self.facts.operators.accepted(op.op, op.form) for op in emitted(self.facts, node, built))
        return source_records(source for each in known if each is not None for source in each.known_from)

    def _refusing(self, table: Table) -> tuple[SourceRecord, ...]:
        """The sources that rule out what was asked for; where no source accepts it, those that know the op.

        A user's fact that only accepts something took no part.
        """
        asked = {site: self.facts.asked(site) for site in table.sites}
        name = self.facts.owner(table.sites[0])
        found = refusing(self.facts, self.facts.graph[name], self.facts.built[name], asked)
        others = [source for source in table.reason.sources if source.kind is not SourceKind.USER]
        return source_records(found or others or table.reason.sources)

    def _all_users_stay(self, node: Node) -> bool:
        """Whether ExecuTorch builds none of its users, so that the accelerator would have no use for this node."""
        users = self.facts.graph.readers(node.name)
        return bool(users) and all(
            self.facts.built[user].fate is Fate.CPU for user in users if user in self.facts.built
        )

    def _only_feeds(self, node: Node) -> str:
        users = ", ".join(dict.fromkeys(self.facts.graph[user].target for user in self.facts.graph.readers(node.name)))
        return f"only feeds {users}, which is on the CPU"
