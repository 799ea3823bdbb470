"""Compiles and runs what the validator accepts, until each tuple has its answer."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from qnnsolve.probe.candidates import Asker, Candidate
from qnnsolve.probe.journal import Acceptance, Finding, Journal, Key
from qnnsolve.probe.judge import judge
from qnnsolve.probe.questions import OpSpec
from qnnsolve.probe.trial import Trial, TrialOutcome, Variant, make_trial

__all__ = ["TOGETHER", "Settling"]

TOGETHER = 64
"""Tuples in one graph: 64 convolutions compile and run in the time of five alone. One by one after a death."""


@attrs.frozen
class Settling:
    """Compiles and runs candidates of one operator until each has its answer."""

    backend: Asker
    spec: OpSpec
    journal: Journal
    seed: int
    kept: dict[Key, Finding] | None = None
    """Where answers go; None: to the journal."""

    def settle(self, candidates: Sequence[Candidate]) -> None:
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
            self._answer(candidate, Finding(Acceptance.WRONG, candidate.symmetric, steps=off))

    def _found(self, candidate: Candidate, stage: int, outcome: TrialOutcome) -> Finding | None:
        """What one run settles; None where it is not right and another variant may be."""
        if not outcome.compiled:
            return Finding(Acceptance.VALIDATOR_ONLY, candidate.symmetric) if stage == 0 else None
        judgement = judge(outcome)
        return _right(candidate, candidate.variants[stage], outcome, judgement.steps) if judgement.right else None

    def _run(self, runs: list[Candidate], stage: int) -> list[tuple[Candidate, TrialOutcome]]:
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

    def _alone(self, candidate: Candidate, stage: int) -> TrialOutcome:
        def before() -> None:
            self.journal.running(candidate.key)

        self.journal.compiling(candidate.key)
        return self.backend.run(self._trial(candidate, stage), before)

    def _trial(self, candidate: Candidate, stage: int) -> Trial:
        return make_trial(self.spec, candidate.case, candidate.codes, candidate.variants[stage], self.seed)

    def _answer(self, candidate: Candidate, found: Finding) -> None:
        if self.kept is None:
            self.journal.answer(candidate.key, found)
        else:
            self.kept[candidate.key] = found


def _right(candidate: Candidate, variant: Variant, outcome: TrialOutcome, steps: float) -> Finding:
    fixed: tuple[tuple[int, float, int], ...] = ()
    if variant.fixed is not None:
        fixed = tuple((index, grid.step, grid.zero_point) for index, grid in outcome.trial.outputs)
    return Finding(Acceptance.ACCEPTED, candidate.symmetric, variant.same, fixed, steps)
