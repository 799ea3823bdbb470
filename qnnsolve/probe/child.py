"""The child process: asks one SoC in one precision through a list of ops, noting everything in journals."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import attrs

from qnnsolve.probe.journal import Answer, Finding, Journal, Key, read
from qnnsolve.probe.judge import judge
from qnnsolve.probe.specs import CaseSpec, OpSpec
from qnnsolve.probe.trial import Outcome, Trial, Variant, make_trial, variants_of

__all__ = ["Asker", "Claim", "ask_claims", "ask_op", "journal_path", "main", "mode_of"]

_TOGETHER = 64
"""Tuples in one graph: 64 convolutions compile and run in the time of five alone. One by one after a death."""


class Asker(Protocol):
    """What the child needs of a backend."""

    def validate(self, spec: OpSpec, case: CaseSpec, codes: tuple[str, ...]) -> bool:
        """Whether the validator accepts."""

    def run(self, trial: Trial, before: Callable[[], None]) -> Outcome:
        """Compile and run; ``before`` is called in between."""

    def run_together(self, trials: Sequence[Trial]) -> tuple[Outcome, ...] | None:
        """Compile and run as one graph; None where that is refused."""


def mode_of(codes: tuple[str, ...]) -> str:
    """Return the precision of the graph to ask in: ``fp16`` where a tuple has floats and nothing quantized."""
    floats = any(code in ("f32", "f16") for code in codes)
    plain = all(code in ("f32", "f16", "i32", "u32", "b8", "-") for code in codes)
    return "fp16" if floats and plain else "quantized"


def journal_path(work: Path, soc: str, mode: str, turn: int, op: str) -> Path:
    """Return where the answers about ``op`` are kept; ``mode`` is ``fp16`` or ``quantized``."""
    return work / f"{soc}-{mode}-{turn}" / f"{op}.journal"


@attrs.frozen
class _Candidate:
    """A tuple that the validator accepts, with the ports that take a symmetric offset only."""

    key: Key
    case: CaseSpec
    codes: tuple[str, ...]
    symmetric: tuple[int, ...]
    variants: tuple[Variant, ...]


def ask_op(backend: Asker, spec: OpSpec, mode: str, path: Path, seed: int = 0) -> None:
    """Ask everything about ``spec`` that the journal at ``path`` does not know yet.

    The validator is asked twice, the second time in the reverse order: some answers are random, and are dropped.
    """
    known = read(path, spec.digest)
    with Journal(path, spec.digest) as journal:
        found: list[_Candidate] = []
        for number, case in enumerate(spec.cases):
            todo: list[tuple[Key, tuple[str, ...]]] = []
            for index, codes in enumerate(case.tuples()):
                if mode_of(codes) == mode and (number, index) not in known.answers:
                    todo.append(((number, index), codes))
            found += _candidates(backend, spec, case, todo, journal)
        settling = _Settling(backend, spec, journal, seed)
        size = 1 if known.deaths_together else _TOGETHER
        for start in range(0, len(found), size):
            settling.settle(found[start : start + size])


def _candidates(
    backend: Asker, spec: OpSpec, case: CaseSpec, todo: list[tuple[Key, tuple[str, ...]]], journal: Journal
) -> list[_Candidate]:
    first: dict[Key, tuple[int, ...] | None] = {}
    for key, codes in todo:
        journal.asking(key)
        first[key] = _validated(backend, spec, case, codes)
    found: list[_Candidate] = []
    for key, codes in reversed(todo):
        journal.asking(key)
        ports = _validated(backend, spec, case, codes)
        if ports != first[key]:
            journal.answer(key, Finding(Answer.UNSTABLE))
        elif ports is None:
            journal.answer(key, Finding(Answer.REJECTED))
        else:
            found.append(_candidate(spec, case, key, codes, ports))
    return found


def _candidate(
    spec: OpSpec, case: CaseSpec, key: Key, codes: tuple[str, ...], symmetric: tuple[int, ...]
) -> _Candidate:
    asked = _with_offsets(codes, symmetric)
    return _Candidate(key, case, asked, symmetric, variants_of(spec, case, codes))


@attrs.frozen
class _Settling:
    """Compiles and runs candidates of one operator until each has its answer."""

    backend: Asker
    spec: OpSpec
    journal: Journal
    seed: int
    kept: dict[Key, Finding] | None = None
    """Where answers go; None: to the journal."""

    def settle(self, candidates: Sequence[_Candidate]) -> None:
        """Answer for all, in one variant after the other until they are computed right."""
        left = [(candidate, 0.0) for candidate in candidates]
        for stage in range(max((len(candidate.variants) for candidate in candidates), default=0)):
            steps = {candidate.key: off for candidate, off in left}
            runs = [candidate for candidate, _ in left if len(candidate.variants) > stage]
            left = [(candidate, off) for candidate, off in left if len(candidate.variants) <= stage]
            for candidate, outcome in self._run(runs, stage):
                found = self._found(candidate, stage, outcome)
                if found is None:
                    left.append((candidate, steps[candidate.key] or judge(outcome).steps))
                else:
                    self._answer(candidate, found)
        for candidate, off in left:
            self._answer(candidate, Finding(Answer.WRONG, candidate.symmetric, steps=off))

    def _found(self, candidate: _Candidate, stage: int, outcome: Outcome) -> Finding | None:
        """What one run settles; None where it is not right and another variant may be."""
        if not outcome.compiled:
            return Finding(Answer.VALIDATOR_ONLY, candidate.symmetric) if stage == 0 else None
        judgement = judge(outcome)
        return _right(candidate, candidate.variants[stage], outcome, judgement.steps) if judgement.right else None

    def _run(self, runs: list[_Candidate], stage: int) -> list[tuple[_Candidate, Outcome]]:
        """Outcomes from one graph where that compiles; a refused graph is halved until the culprits stand alone."""
        if len(runs) == 1:
            return [(runs[0], self._alone(runs[0], stage))]
        if not runs:
            return []
        self.journal.together(runs[0].key)
        trials = [self._trial(candidate, stage) for candidate in runs]
        outcomes = self.backend.run_together(trials)
        if outcomes is None:
            half = len(runs) // 2
            return self._run(runs[:half], stage) + self._run(runs[half:], stage)
        return list(zip(runs, outcomes, strict=True))

    def _alone(self, candidate: _Candidate, stage: int) -> Outcome:
        def before() -> None:
            self.journal.running(candidate.key)

        self.journal.compiling(candidate.key)
        return self.backend.run(self._trial(candidate, stage), before)

    def _trial(self, candidate: _Candidate, stage: int) -> Trial:
        return make_trial(self.spec, candidate.case, candidate.codes, candidate.variants[stage], self.seed)

    def _answer(self, candidate: _Candidate, found: Finding) -> None:
        if self.kept is None:
            self.journal.answer(candidate.key, found)
        else:
            self.kept[candidate.key] = found


def _right(candidate: _Candidate, variant: Variant, outcome: Outcome, steps: float) -> Finding:
    fixed: tuple[tuple[int, float, int], ...] = ()
    if variant.fixed is not None:
        fixed = tuple((index, grid.step, grid.zero_point) for index, grid in outcome.trial.outputs)
    return Finding(Answer.ACCEPTED, candidate.symmetric, variant.same, fixed, steps)


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
    left: list[_Candidate] = []
    for claim in claims:
        journal.asking(claim.key)
        ports = _validated(backend, spec, claim.case, claim.codes)
        if ports is None:
            journal.answer(claim.key, Finding(Answer.REJECTED))
            continue
        candidate = _candidate(spec, claim.case, claim.key, claim.codes, ports)
        left.append(candidate if claim.variant is None else attrs.evolve(candidate, variants=(claim.variant,)))
    size = _TOGETHER if together else 1
    for start in range(0, len(left), size):
        _ask_with_all_numbers(backend, spec, left[start : start + size], seeds, journal)


def _ask_with_all_numbers(
    backend: Asker, spec: OpSpec, candidates: list[_Candidate], seeds: Sequence[int], journal: Journal
) -> None:
    right: dict[Key, Finding] = {}
    for seed in seeds:
        found: dict[Key, Finding] = {}
        _Settling(backend, spec, journal, seed, found).settle(candidates)
        for key, finding in found.items():
            if finding.answer is not Answer.ACCEPTED:
                journal.answer(key, finding)
                right.pop(key, None)
            elif key not in right or finding.steps > right[key].steps:
                right[key] = finding
        candidates = [candidate for candidate in candidates if candidate.key in right]
    for key, finding in right.items():
        journal.answer(key, finding)


def _validated(backend: Asker, spec: OpSpec, case: CaseSpec, codes: tuple[str, ...]) -> tuple[int, ...] | None:
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


def main(argv: list[str]) -> int:
    """Run as ``child SOC fp16|quantized TURN WORK OP...``; what the libraries print goes nowhere."""
    soc, mode, turn, work, *ops = argv
    import torch

    from qnnsolve.probe.ask import Backend
    from qnnsolve.probe.ops import OPS

    torch.set_num_threads(1)
    backend = Backend(soc, mode == "fp16")
    sys.stderr = os.fdopen(os.dup(2), "w")
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    for op in ops:
        ask_op(backend, OPS[op], mode, journal_path(Path(work), soc, mode, int(turn), op), int(turn))
    os._exit(0)  # the adaptor's own teardown is slow and not always clean


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
