"""Asks again about tuples of which something is claimed already."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from qnnsolve.probe.candidates import Asker, Candidate, candidate_of, validated
from qnnsolve.probe.journal import Acceptance, Finding, Journal, Key
from qnnsolve.probe.questions import CaseSpec, OpSpec
from qnnsolve.probe.settling import TOGETHER, Settling
from qnnsolve.probe.trial import Variant

__all__ = ["Claim", "ask_claims"]


@attrs.frozen
class Claim:
    """A tuple of one operator, and the one variant in which it is claimed to be right; None: any will do."""

    key: Key
    case: CaseSpec
    codes: tuple[str, ...]
    variant: Variant | None = None


def ask_claims(
    backend: Asker, spec: OpSpec, claims: Sequence[Claim], seeds: Sequence[int], journal: Journal, together: bool = True
) -> None:
    """Note in ``journal`` what the backend says about ``claims``, with the numbers of each of ``seeds``.

    Right is only what is right with all of them. The claims share a graph, unless they are not asked ``together``.
    """
    left: list[Candidate] = []
    for claim in claims:
        journal.asking(claim.key)
        ports = validated(backend, spec, claim.case, claim.codes)
        if ports is None:
            journal.answer(claim.key, Finding(Acceptance.REJECTED))
            continue
        candidate = candidate_of(spec, claim.case, claim.key, claim.codes, ports)
        left.append(candidate if claim.variant is None else attrs.evolve(candidate, variants=(claim.variant,)))
    size = TOGETHER if together else 1
    for start in range(0, len(left), size):
        _ask_with_all_numbers(backend, spec, left[start : start + size], seeds, journal)


def _ask_with_all_numbers(
    backend: Asker, spec: OpSpec, candidates: list[Candidate], seeds: Sequence[int], journal: Journal
) -> None:
    right: dict[Key, Finding] = {}
    for seed in seeds:
        found: dict[Key, Finding] = {}
        Settling(backend, spec, journal, seed, found).settle(candidates)
        for key, finding in found.items():
            if finding.answer is not Acceptance.ACCEPTED:
                journal.answer(key, finding)
                right.pop(key, None)
            elif key not in right or finding.steps > right[key].steps:
                right[key] = finding
        candidates = [candidate for candidate in candidates if candidate.key in right]
    for key, finding in right.items():
        journal.answer(key, finding)
