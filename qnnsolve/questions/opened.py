"""A solved problem, open for further questions: :class:`Opened`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property

import attrs

from qnnsolve.constraints import Constraint, Forbid, Problem, Site
from qnnsolve.encodings import FLOAT, Encoding
from qnnsolve.errors import UsageError
from qnnsolve.explain import describe
from qnnsolve.questions.kept_solves import KeptSolves
from qnnsolve.reasons import Reason
from qnnsolve.results import NodeRecord, SolveResult
from qnnsolve.rules.asked import Port
from qnnsolve.rules.base import Facts
from qnnsolve.runs import Run, Solved
from qnnsolve.solver import Limits, Solution, Unknown, Unsatisfiable, solve
from qnnsolve.sources import Source, SourceKind

__all__ = ["KEPT", "QUESTION", "Opened"]

QUESTION = "question"
"""In place of a rule's code: what a question asks for."""
KEPT = "kept"
"""In place of a rule's code: what runs on the accelerator stays there."""
_ASKED = Source(SourceKind.USER, "this question")


@attrs.frozen(eq=False, slots=False)
class Opened:
    """The facts, the problem and the answer of a solve that has a solution."""

    facts: Facts
    problem: Problem
    solution: Solution
    result: SolveResult
    limits: Limits

    @classmethod
    def of(cls, solved: Solved | Run) -> Opened:
        """What was solved.

        Raises:
            UsageError: there is no solution to ask about.
            RunError: the file of a run is damaged.
        """
        outcome = solved.outcome
        if not isinstance(outcome, Solution):
            run = f"run {solved.path}" if isinstance(solved, Run) else "the run"
            told = "there is no config to ask about; qnnsolve conflicts shows what cannot hold"
            raise UsageError(f"{run} is {solved.result.status.value}: {told}")
        return cls(solved.facts, solved.problem, outcome, solved.result, solved.limits)

    @property
    def encodings(self) -> Mapping[Site, Encoding]:
        """The encoding of every site."""
        return self.solution.encodings

    @cached_property
    def sites_of(self) -> Mapping[str, tuple[tuple[Port, Site], ...]]:
        """The ports of each node that have a choice, and their sites: inputs first, each by its position."""
        found: dict[str, list[tuple[Port, Site]]] = {}
        for site in self.facts.domains:
            found.setdefault(self.facts.owner(site), []).append((self.facts.port(site), site))
        return {name: tuple(sorted(each, key=_in_order)) for name, each in found.items()}

    @cached_property
    def records(self) -> Mapping[str, NodeRecord]:
        """What the answer says of each call, by its name."""
        return {node.name: node for node in self.result.nodes}

    def named(self, site: Site) -> str:
        """A site in words: ``linear weight``, ``add out``."""
        return f"{self.facts.owner(site)} {self.facts.port(site).name}"

    def solved_with(self, more: Iterable[Constraint]) -> Solution | Unsatisfiable | Unknown:
        """The answer where ``more`` has to hold, too.

        The first question is solved from scratch. Later ones solve again only what they change, in a session that is
        kept for them. What it finds impossible is solved from scratch, for its conflicts.
        """
        added = tuple(more)
        problem = Problem(self.problem.domains, (*self.problem.constraints, *added))
        return self._kept.solved(added, problem) or solve(problem, self.limits)

    @cached_property
    def _kept(self) -> KeptSolves:
        return KeptSolves(self.problem, self.staying, self.limits)

    @cached_property
    def constraints_at(self) -> Mapping[Site, tuple[Constraint, ...]]:
        """The constraints over each site."""
        found: dict[Site, list[Constraint]] = {}
        for constraint in self.problem.constraints:
            for site in dict.fromkeys(constraint.sites):
                found.setdefault(site, []).append(constraint)
        return {site: tuple(each) for site, each in found.items()}

    @cached_property
    def staying(self) -> tuple[Forbid, ...]:
        """What keeps on the accelerator all that is there."""
        found = []
        for site, encoding in self.encodings.items():
            if encoding != FLOAT and FLOAT in self.problem.domains[site]:
                reason = Reason.in_words(KEPT, f"{self.facts.owner(site)} stays on the accelerator", (_ASKED,))
                found.append(Forbid(site, frozenset({FLOAT}), reason))
        return tuple(found)

    @cached_property
    def staying_at(self) -> Mapping[Site, Forbid]:
        """The same by site."""
        return {each.site: each for each in self.staying}

    def described(self, outcome: Solution) -> SolveResult:
        """Another solution of this problem as records."""
        return describe(self.facts, self.problem, outcome, soc=self.result.soc, timings=())


def _in_order(each: tuple[Port, Site]) -> tuple[bool, int, int]:
    port, _ = each
    return port.position is None, port.position or 0, port.output
