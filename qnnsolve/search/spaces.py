"""The configs that a search chooses from: :class:`Space`. Only what is legal on the chip is in it.

Each candidate is first solved as it is, everywhere: a *uniform* config. A site of the space may have what some uniform
config has there, or what some candidate asks for, as long as the rules allow it. So every uniform config is in the
space, and so is every mixture of them that the rules allow, with converts between them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

import attrs

from qnnsolve.constraints import Allow, Constraint, Prefer, Problem, Relation, Site, Table
from qnnsolve.encodings import FLOAT, Encoding
from qnnsolve.errors import BudgetExceededError, UnsatisfiableError, UnverifiedError
from qnnsolve.explain import conflict_in_words
from qnnsolve.facts.graph import Graph
from qnnsolve.reasons import Reason, Says
from qnnsolve.rules import Facts, problem_of
from qnnsolve.rules.builders import Built
from qnnsolve.rules.request import Role
from qnnsolve.rules.requested import PINNED
from qnnsolve.rules.target import Target, Wanted
from qnnsolve.search.candidates import Candidates
from qnnsolve.solver import Limits, Solution, Unknown, Unsatisfiable, solve
from qnnsolve.sources import Source, SourceKind

__all__ = ["Space", "Uniform", "pinned_to", "solved_with"]

_BY_USER = Source(SourceKind.USER, "the candidates of the search")


@attrs.frozen(eq=False)
class Uniform:
    """One candidate everywhere: as near to it as the rules allow."""

    name: str
    facts: Facts
    problem: Problem
    solution: Solution


@attrs.frozen(eq=False)
class Space:
    """All configs that the search may choose. ``problem`` has their sites, and the constraints that hold in each."""

    candidates: Candidates
    uniforms: tuple[Uniform, ...]
    facts: Facts
    problem: Problem
    choices: Mapping[Site, frozenset[Encoding]]
    """What may stand at each site, before the constraints between sites remove some."""

    @classmethod
    def of(
        cls,
        graph: Graph,
        target: Target,
        candidates: Candidates,
        wanted: Wanted,
        limits: Limits | None = None,
    ) -> Space:
        """The space of ``candidates`` in ``graph``. The wishes of ``wanted`` hold in every config: pins bound the
        space, and what is preferred takes the place of the candidates.

        Raises:
            UnsatisfiableError: pins leave no config.
            UnverifiedError: strict, and there are ops without facts.
            BudgetExceededError: a solve hit a limit before it found a config.
            UsageError: a place finds no node.
        """
        limits = limits or Limits()
        uniforms = tuple(_uniform(graph, target, candidates, wanted, name, limits) for name in candidates.names)
        first = uniforms[0].facts
        wishes = first.wanted.all
        facts = Facts.of(graph, target.operators, first.request, wishes, also=candidates.requests)
        choices = {site: _choices(site, domain, uniforms) for site, domain in facts.domains.items()}
        hard = [c for c in problem_of(facts, target.rules).constraints if not isinstance(c, Prefer)]
        words = ", ".join(candidates.names)
        reason = Reason.of(PINNED, Says.PINNED, (_BY_USER,), what=words, words="the candidates of the search")
        allows: list[Constraint] = [Allow(site, allowed, reason) for site, allowed in choices.items()]
        pairs = _paired(facts, uniforms, choices, reason)
        problem = Problem(facts.domains, (*hard, *allows, *pairs))
        return cls(candidates, uniforms, facts, problem, choices)


def _uniform(
    graph: Graph, target: Target, candidates: Candidates, wanted: Wanted, name: str, limits: Limits
) -> Uniform:
    request, places = candidates.uniform(name)
    facts = Facts.of(graph, target.operators, request, (*places, *wanted.wishes))
    unverified = facts.unverified()
    if target.strict and unverified:
        raise UnverifiedError(tuple((node.name, node.target) for node in unverified), target.name)
    problem = problem_of(facts, target.rules)
    return Uniform(name, facts, problem, _solved(problem, limits))


def _solved(problem: Problem, limits: Limits) -> Solution:
    outcome = solve(problem, limits)
    if isinstance(outcome, Unsatisfiable):
        raise UnsatisfiableError(outcome.conflicts, tuple(map(conflict_in_words, outcome.conflicts)))
    if isinstance(outcome, Unknown):
        raise BudgetExceededError(outcome.limit)
    return outcome


def solved_with(space: Space, config: Mapping[Site, Encoding], limits: Limits | None = None) -> Solution:
    """The solution that is ``config``, a config of ``space``: its groups and its converts.

    Raises:
        UnsatisfiableError: it is none.
        BudgetExceededError: a limit was hit.
    """
    return _solved(pinned_to(space, config), limits or Limits())


def pinned_to(space: Space, config: Mapping[Site, Encoding]) -> Problem:
    """The problem of ``space`` in which each site has what ``config`` has there."""
    reason = Reason.of(PINNED, Says.PINNED, (_BY_USER,), what="what was found", words="the search")
    chosen = tuple(Allow(site, frozenset({encoding}), reason) for site, encoding in config.items())
    return attrs.evolve(space.problem, constraints=(*space.problem.constraints, *chosen))


def _choices(site: Site, domain: tuple[Encoding, ...], uniforms: tuple[Uniform, ...]) -> frozenset[Encoding]:
    """What uniform configs have at ``site``, and what their candidates ask for there.

    On the CPU is only what is there in all of them: a search would find it free of noise. The second operand of a
    product takes what its op leaves it.
    """
    had = {each.solution.encodings[site] for each in uniforms}
    if had == {FLOAT}:
        return frozenset(had)
    asked = {each.facts.asked(site) for each in uniforms}
    facts = uniforms[0].facts
    if site.user and facts.port(site).role is Role.OPERAND:
        widths = {encoding.bits for encoding in had | asked}
        asked |= {each for each in domain if each.quantized and each.bits in widths and each.scale is None}
    return frozenset(each for each in domain if each in had | asked and each != FLOAT)


def _paired(
    facts: Facts, uniforms: tuple[Uniform, ...], choices: Mapping[Site, frozenset[Encoding]], reason: Reason
) -> Iterator[Table]:
    """Per op with a weight: the pairs of activation and weight that some candidate asks for or some uniform config
    has. Of 16a4w and 8a8w none says that 8a4w will do."""
    relations: dict[frozenset[tuple[Encoding, Encoding]], Relation] = {}
    for node, built in facts.calls:
        edges = _weighted(facts, node.name, built)
        if edges is None or FLOAT in choices[edges[0]]:
            continue
        had = {(each.solution.encodings[edges[0]], each.solution.encodings[edges[1]]) for each in uniforms}
        asked = {(each.facts.asked(edges[0]), each.facts.asked(edges[1])) for each in uniforms}
        pairs = frozenset(had | asked)
        if len(pairs) < len(set(itertools.product(*zip(*pairs, strict=True)))):
            rows = tuple(sorted(pairs))
            relation = relations.setdefault(pairs, Relation(rows, (0,) * len(rows)))
            yield Table(edges, relation, reason)


def _weighted(facts: Facts, name: str, built: Built) -> tuple[Site, Site] | None:
    """The edges of an op's first activation and of its weight."""
    sites = {entry.role: edge for _, entry, edge, _ in reversed([*facts.float_inputs(facts.graph[name], built)])}
    if Role.WEIGHT not in sites or Role.ACTIVATION not in sites:
        return None
    return sites[Role.ACTIVATION], sites[Role.WEIGHT]
