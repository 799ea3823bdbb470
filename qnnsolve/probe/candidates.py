"""The tuples that the validator accepts, and which of their ports take a symmetric offset only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import attrs

from qnnsolve.probe.journal import Acceptance, Finding, Journal, Key
from qnnsolve.probe.questions import CaseSpec, OpSpec
from qnnsolve.probe.trial import Trial, TrialOutcome, Variant, variants_of

__all__ = ["Asker", "Candidate", "candidate_of", "candidates_of", "validated"]


class Asker(Protocol):
    """What the child needs of a backend."""

    def validate(self, spec: OpSpec, case: CaseSpec, codes: tuple[str, ...]) -> bool:
        """Whether the validator accepts."""

    def run(self, trial: Trial, before: Callable[[], None]) -> TrialOutcome:
        """Compile and run; ``before`` is called in between."""

    def run_together(self, trials: Sequence[Trial]) -> tuple[TrialOutcome, ...] | None:
        """Compile and run as one graph; None where that is refused."""


@attrs.frozen
class Candidate:
    """A tuple that the validator accepts, the ports that take a symmetric offset only, and the runs to try."""

    key: Key
    case: CaseSpec
    codes: tuple[str, ...]
    symmetric: tuple[int, ...]
    variants: tuple[Variant, ...]


def candidates_of(
    backend: Asker, spec: OpSpec, case: CaseSpec, todo: list[tuple[Key, tuple[str, ...]]], journal: Journal
) -> list[Candidate]:
    """Those of ``todo`` that the validator accepts; what it says of the others goes to ``journal``.

    Each is asked twice, the second time in the reverse order: an answer that differs is random, and noted as unstable.
    """
    first: dict[Key, tuple[int, ...] | None] = {}
    for key, codes in todo:
        journal.asking(key)
        first[key] = validated(backend, spec, case, codes)
    found: list[Candidate] = []
    for key, codes in reversed(todo):
        journal.asking(key)
        ports = validated(backend, spec, case, codes)
        if ports != first[key]:
            journal.answer(key, Finding(Acceptance.UNSTABLE))
        elif ports is None:
            journal.answer(key, Finding(Acceptance.REJECTED))
        else:
            found.append(candidate_of(spec, case, key, codes, ports))
    return found


def candidate_of(
    spec: OpSpec, case: CaseSpec, key: Key, codes: tuple[str, ...], symmetric: tuple[int, ...]
) -> Candidate:
    """``codes``, whose ports at ``symmetric`` take a symmetric offset only, with all runs to try."""
    asked = _with_offsets(codes, symmetric)
    return Candidate(key, case, asked, symmetric, variants_of(spec, case, codes))


def validated(backend: Asker, spec: OpSpec, case: CaseSpec, codes: tuple[str, ...]) -> tuple[int, ...] | None:
    """The ports that take a symmetric offset only, or None where the validator refuses the tuple."""

    def accepts(*special: int) -> bool:
        said = [f"{code}~" if index in special else code for index, code in enumerate(codes)]
        return backend.validate(spec, case, tuple(said))

    unsigned = tuple(index for index, code in enumerate(codes) if code in ("u8", "u16"))
    signed = tuple(index for index, code in enumerate(codes) if code in ("s8", "s16"))
    forced: tuple[int, ...] = ()
    if not accepts():
        if not unsigned or not accepts(*unsigned):
            return None
        forced = _needed(unsigned, accepts)
    return tuple(sorted((*forced, *(index for index in signed if not accepts(*forced, index)))))


def _needed(ports: tuple[int, ...], accepts: Callable[..., bool]) -> tuple[int, ...]:
    kept = ports
    for port in ports:
        fewer = tuple(other for other in kept if other != port)
        if accepts(*fewer):
            kept = fewer
    return kept


def _with_offsets(codes: tuple[str, ...], symmetric: tuple[int, ...]) -> tuple[str, ...]:
    """The codes with the special offset on the unsigned ports that need it; signed ones are symmetric anyway."""
    return tuple(f"{c}~" if index in symmetric and c[0] == "u" else c for index, c in enumerate(codes))
