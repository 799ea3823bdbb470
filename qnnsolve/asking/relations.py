"""What a kept run can be asked: the relations of its graph, and those of what was asked for and what was chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property

from qnnsolve.asking.declared import RELATIONS
from qnnsolve.asking.sites import RunSites
from qnnsolve.constraints import Same, Site
from qnnsolve.encodings import Encoding
from qnnsolve.explain import with_code
from qnnsolve.logic import Database, Given, Row, Support
from qnnsolve.results import Deviation, SourceRecord
from qnnsolve.rules.graph_relations import GraphRelations
from qnnsolve.runs import Run
from qnnsolve.solver import Solution
from qnnsolve.sources import Source, SourceKind

__all__ = ["RunRelations"]

_BY_NAME: Support = ((), "by its name")


def _recorded(records: tuple[SourceRecord, ...]) -> tuple[Source, ...]:
    return tuple(Source(SourceKind(each.kind), each.citation) for each in records)


class RunRelations:
    """The rows of :data:`RELATIONS` for a kept run, each relation read when it is first asked for."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._graph = GraphRelations(run.facts.graph, run.facts.built)
        self._rows: Mapping[str, Callable[[], Given]] = {
            "placed": self._placed,
            "asked": self._asked,
            "chosen": self._chosen,
            "deviates": self._deviates,
            "convert": self._converts,
            "shares": self._shares,
            "group": self._groups,
            "constraint": self._constraints,
            "source": self._constraint_sources,
            "wish": self._wishes,
            "bits": lambda: Given([(each.name, each.bits) for each in self._encodings], (), lambda _: _BY_NAME),
            "encoding": lambda: Given(
                [(each.name, each.dtype.value, each.qscheme.value) for each in self._encodings], (), lambda _: _BY_NAME
            ),
        }

    @property
    def order(self) -> Mapping[str, int]:
        """The place of each node in the graph."""
        return self._graph.order

    def database(self) -> Database:
        """All of them, to be asked."""
        return Database(RELATIONS, lambda name: self._rows[name]() if name in self._rows else self._graph.given(name))

    def _placed(self) -> Given:
        nodes = {node.name: node for node in self._run.result.nodes}

        def support(row: Row) -> Support:
            found = nodes[str(row[0])].deviations
            return _because(found[0]) if row[1] == "cpu" and found else ((), _FROM_SOLUTION)

        return Given([(name, node.placement.value) for name, node in nodes.items()], (), support)

    def _asked(self) -> Given:
        facts = self._run.facts

        def support(row: Row) -> Support:
            site = self._sites.site(row)
            wish = facts.wanted.said_of(facts.owner(site), facts.port(site))
            return (wish.source if wish is not None else Source(SourceKind.USER, f"{facts.request.name}"),), ""

        return self._at_ports({site: facts.asked(site).name for site in facts.domains}, support)

    def _chosen(self) -> Given:
        facts, chosen = self._run.facts, self._run.encodings

        def support(row: Row) -> Support:
            site = self._sites.site(row)
            if site in self._deviations:
                return _because(self._deviations[site])
            return (), "as asked for" if chosen[site] == facts.asked(site) else _FROM_SOLUTION

        return self._at_ports({site: encoding.name for site, encoding in chosen.items()}, support)

    def _deviates(self) -> Given:
        found: dict[Row, Deviation] = {
            (*place, each.requested, each.chosen, each.rule): each
            for node in self._run.result.nodes
            for each in node.deviations
            for place in self._sites.named(node.name, each.site)
        }
        renamed = {
            (row[0], name, *row[2:]): each for row, each in found.items() for name in self._sites.other_names(row)
        }
        deviations: Mapping[Row, Deviation] = {**renamed, **found}
        return Given(list(found), list(renamed), lambda row: _because(deviations[row]))

    def _converts(self) -> Given:
        converts = {(each.producer, each.user, each.source, each.target): each for each in self._run.result.converts}

        def support(row: Row) -> Support:
            each = converts[str(row[0]), str(row[1]), str(row[2]), str(row[3])]
            return _recorded(each.sources), f"{each.reason} [{each.rule}]"

        return Given(list(converts), (), support)

    def _shares(self) -> Given:
        def support(row: Row) -> Support:
            reasons = self._same.get(self._sites.site(row), ())
            return (), "; ".join(reasons) or _FROM_SOLUTION

        return self._at_ports(self._group_of, support)

    def _groups(self) -> Given:
        counts: dict[int, int] = {}
        for row in self._shares().rows:
            counts[int(row[2])] = counts.get(int(row[2]), 0) + 1
        return Given(list(counts.items()), (), lambda _: ((), "counted"))

    def _constraints(self) -> Given:
        rows: list[Row] = []
        other: list[Row] = []
        for at, each in enumerate(self._run.problem.constraints):
            for site in each.sites:
                for node, port, names in self._sites.ports(site):
                    rows.append((at, each.reason.rule, node, port))
                    other += [(at, each.reason.rule, node, name) for name in names]
        return Given(rows, other, self._reason)

    def _constraint_sources(self) -> Given:
        return Given(
            [
                (at, source.kind.value, source.citation)
                for at, each in enumerate(self._run.problem.constraints)
                for source in each.reason.sources
            ],
            (),
            self._reason,
        )

    def _reason(self, row: Row) -> Support:
        reason = self._run.problem.constraints[int(row[0])].reason
        return reason.sources, with_code(reason)

    def _wishes(self) -> Given:
        wanted = self._run.facts.wanted
        wishes = {
            (node, wish.words, wish.strength.value): wish
            for node in self._run.facts.graph.nodes
            for wish in wanted.wishes(node)
        }
        return Given(list(wishes), (), lambda row: ((Source(SourceKind.USER, str(row[1])),), ""))

    def _at_ports(self, values: Mapping[Site, str] | Mapping[Site, int], support: Callable[[Row], Support]) -> Given:
        rows: list[Row] = []
        other: list[Row] = []
        for site, value in values.items():
            for node, port, names in self._sites.ports(site):
                rows.append((node, port, value))
                other += [(node, name, value) for name in names]
        return Given(rows, other, support)

    @cached_property
    def _sites(self) -> RunSites:
        return RunSites(self._run.facts, self._graph)

    @cached_property
    def _group_of(self) -> dict[Site, int]:
        outcome = self._run.outcome if self._run.encodings else None
        groups = outcome.groups if isinstance(outcome, Solution) else ()
        return {site: at for at, group in enumerate(groups) for site in group}

    @cached_property
    def _deviations(self) -> dict[Site, Deviation]:
        """The deviation of each site that has one; ports that share an encoding have one in common."""
        deviations = {each.site: each for node in self._run.result.nodes for each in node.deviations}
        asked = self._run.facts.asked
        group_of = self._group_of
        of_group = {group_of[site]: deviations[str(site)] for site in group_of if str(site) in deviations}
        return {
            site: of_group[group]
            for site, group in group_of.items()
            if group in of_group and self._run.encodings[site] != asked(site)
        }

    @cached_property
    def _same(self) -> dict[Site, list[str]]:
        found: dict[Site, list[str]] = {}
        for each in self._run.problem.constraints:
            for site in each.sites if isinstance(each, Same) else ():
                found.setdefault(site, []).append(with_code(each.reason))
        return found

    @cached_property
    def _encodings(self) -> list[Encoding]:
        facts = self._run.facts
        domains = {id(domain): domain for domain in facts.domains.values()}.values()
        met = {each for domain in domains for each in domain}
        return sorted({*met, *self._run.encodings.values(), *map(facts.asked, facts.domains)})


_FROM_SOLUTION = "from the solution"


def _because(deviation: Deviation) -> Support:
    asked_by = f", asked for by {deviation.asked_by}" if deviation.asked_by else ""
    text = f"{deviation.requested}{asked_by} -> {deviation.chosen}, because {deviation.reason} [{deviation.rule}]"
    return _recorded(deviation.sources), text
