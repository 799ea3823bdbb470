"""The best configs under budgets, and what a user is told of each: :class:`Front`.

A new budget, another target or another axis asks the same compiled program again: nothing is measured anew.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

import attrs

from qnnsolve.constraints import Site
from qnnsolve.encodings import Encoding
from qnnsolve.errors import BudgetExceededError, QnnSolveError, UnsatisfiableError, UsageError
from qnnsolve.explain import conflict_in_words
from qnnsolve.results import decibels
from qnnsolve.search.budgets import Budget
from qnnsolve.search.costs import COSTS, costs
from qnnsolve.search.mixtures import mixture
from qnnsolve.search.noises import LOSS, NOISE, noise_measure, varied
from qnnsolve.search.spaces import Space
from qnnsolve.solver import Best, BudgetProgram, Limits, Measure, OverBudget, Unknown, Unsatisfiable

__all__ = ["Front", "FrontPoint", "refuse_impossible"]

WITHIN = 0.023
"""Of configs whose noise is so near to the least (0.1 dB) the one with the fewest converts is taken."""
_BEST = "best"
_TIE = 1e-3
"""So little counts the noise beside what is taken from a task metric, which is 0 for many encodings."""
VARIED = 3
"""So many guesses of the noise are made beside the one that was found, each as likely."""

Key = tuple[Site, Encoding]


@attrs.frozen(eq=False)
class FrontPoint:
    """What is best within some budgets, in the costs' own units."""

    budgets: Mapping[str, float]
    best: Best

    @property
    def encodings(self) -> Mapping[Site, Encoding]:
        """By site."""
        return self.best.encodings

    @property
    def predicted_db(self) -> float:
        """SQNR, as the sensitivities add up."""
        return decibels(self.best.amounts[NOISE])


@attrs.frozen(eq=False)
class Front:
    """A space with the noise and the costs of all its configs."""

    space: Space
    program: BudgetProgram
    dearest: Mapping[str, float]
    """Of each cost, what the dearest uniform config has."""
    guesses: tuple[str, ...]
    """Measures of the program: what is least, with each site's off by as much as a prediction may be."""
    objective: Mapping[str, float]
    """What is least: the noise; or what is taken from a task metric, and of equal ones the noise."""
    noise: Mapping[Key, float] = attrs.field(factory=dict, repr=False)
    """That of each encoding at each site."""
    counted: tuple[str, ...] = COSTS
    """The costs that can be asked, mixtures among them."""
    _answers: dict[str, list[tuple[Mapping[str, float], Best]]] = attrs.field(factory=dict, init=False, repr=False)
    """What was best by the objective, and by each guess, within which budgets."""

    @classmethod
    def of(
        cls,
        space: Space,
        noise: Mapping[Key, float] | None,
        limits: Limits | None = None,
        losses: Mapping[Key, float] | None = None,
        mixtures: Iterable[str] = (),
    ) -> Front:
        """With the noise of each encoding at each site; None: not measured yet, so that only costs can be asked.
        ``losses``: what each takes from a task metric; then that decides. ``mixtures`` of costs can be asked, too
        (:mod:`qnnsolve.search.mixtures`); costs among them are.

        Raises:
            UnsatisfiableError, BudgetExceededError: see :meth:`Space.of`.
        """
        measures, guesses = list[Measure](_costs(space, mixtures)), dict[str, Measure]()
        counted = tuple(each.name for each in measures)
        if noise is not None:
            names = [f"{NOISE} {seed}" for seed in range(VARIED)]
            decides = noise if losses is None else losses
            guesses = {name: noise_measure(space, varied(decides, seed), name) for seed, name in enumerate(names)}
            measures = [noise_measure(space, noise), *measures, *guesses.values()]
        objective = {NOISE: 1.0}
        if noise is not None and losses is not None:
            measures.append(noise_measure(space, losses, LOSS))
            objective = {LOSS: 1.0, NOISE: _TIE * max(losses.values()) / (max(noise.values()) or 1.0)}
        program = BudgetProgram.of(space.problem, measures, limits or Limits())
        if isinstance(program, Unsatisfiable):
            raise UnsatisfiableError(program.conflicts, tuple(map(conflict_in_words, program.conflicts)))
        if isinstance(program, Unknown):
            raise BudgetExceededError(program.limit)
        dearest = {name: _dearest(space, measure) for name, measure in program.measures.items()}
        return cls(space, program, dearest, tuple(guesses), objective, noise or {}, counted)

    def amounts(self, budgets: Sequence[Budget]) -> dict[str, float]:
        """Budgets in the costs' own units."""
        return {budget.cost: budget.amount(self.dearest) for budget in budgets}

    def costs_of(self, config: Mapping[Site, Encoding]) -> dict[str, float]:
        """What a config costs, by the names of costs."""
        return {name: self.program.measures[name].of(config) for name in self.counted}

    def noise_of(self, config: Mapping[Site, Encoding]) -> float:
        """Its relative noise power, as the sensitivities add up."""
        return self.program.measures[NOISE].of(config)

    def fits(self, config: Mapping[Site, Encoding], budgets: Mapping[str, float]) -> bool:
        """Whether a config is within the budgets of costs."""
        costs = self.costs_of(config)
        return all(costs[cost] <= most * (1 + 1e-9) for cost, most in budgets.items() if cost != NOISE)

    def best(
        self, budgets: Mapping[str, float], limits: Limits, *, others: Sequence[Mapping[Site, Encoding]] = ()
    ) -> FrontPoint | None:
        """The least noise within ``budgets``; with ``others``, of a config that is none of them (None: there is none).

        Ask for tighter budgets after looser ones: what was best within those, and is within these, is best here.

        Raises:
            UsageError: the budgets are impossible; with the least that can be reached.
            BudgetExceededError: a limit was hit before any config was found.
        """
        known = None if others else self._known(_BEST, budgets)
        if known is not None:
            return FrontPoint(budgets, known)
        answer = self.program.least(
            self.objective, budgets, then="converts", within=WITHIN, gap=1e-4, distinct_from=others, limits=limits
        )
        if isinstance(answer, Best) and not others:
            self._answers.setdefault(_BEST, []).append((budgets, answer))
        return self._found(answer, budgets)

    def nearly(self, budgets: Mapping[str, float], limits: Limits) -> list[Mapping[Site, Encoding]]:
        """Configs within ``budgets`` that may be better than the one with the least predicted noise: each is the best
        by one of the guesses. Configs may repeat."""
        found: list[Mapping[Site, Encoding]] = []
        for guess in self.guesses:
            answer = self._known(guess, budgets)
            if answer is None:
                new = self.program.least({guess: 1.0}, budgets, gap=1e-3, limits=limits)
                if not isinstance(new, Best):
                    continue
                self._answers.setdefault(guess, []).append((budgets, answer := new))
            found.append(answer.encodings)
        return found

    def _known(self, objective: str, budgets: Mapping[str, float]) -> Best | None:
        """What was best within budgets at least as loose, and is within these. Of what is tighter here one percent more
        brings nothing: even more of it did not."""
        for looser, best in self._answers.get(objective, ()):
            tighter = all(budgets.get(name, math.inf) <= most for name, most in looser.items())
            if tighter and best.limit is None and all(best.amounts[name] <= most for name, most in budgets.items()):
                free = {name: 0.0 for name, most in budgets.items() if most < looser.get(name, math.inf)}
                return attrs.evolve(best, prices={**best.prices, **free})
        return None

    def cheapest(self, cost: str, least_db: float, budgets: Mapping[str, float], limits: Limits) -> FrontPoint | None:
        """The least of ``cost`` with an SQNR of at least ``least_db``, as predicted, within ``budgets``.

        Raises:
            UsageError: nothing reaches it; with the most that can be.
        """
        asked = {**budgets, NOISE: 10 ** (-least_db / 10)}
        answer = self.program.least({cost: 1.0}, asked, then=NOISE, limits=limits)
        return self._found(answer, asked)

    def axis(self, cost: str, points: int, budgets: Mapping[str, float], limits: Limits) -> Iterator[dict[str, float]]:
        """Budgets of a front: ``cost`` from the least that can be up to its budget, or the dearest uniform config's."""
        low = self.program.lowest(cost, limits)
        high = max(budgets.get(cost, self.dearest[cost]), low)
        for index in range(points):
            share = 1.0 if points == 1 else index / (points - 1)
            yield {**budgets, cost: low + (high - low) * share}

    def _found(self, answer: object, budgets: Mapping[str, float]) -> FrontPoint | None:
        if isinstance(answer, Best):
            return FrontPoint(budgets, answer)
        if isinstance(answer, OverBudget):
            raise _over(answer)
        if isinstance(answer, Unknown):
            raise BudgetExceededError(answer.limit)
        return None


def _costs(space: Space, mixtures: Iterable[str]) -> Iterator[Measure]:
    single = {each.name: each for each in costs(space)}
    dearest = {name: _dearest(space, each) for name, each in single.items()}
    yield from single.values()
    for name in dict.fromkeys(mixtures):
        if name not in single:
            yield mixture(name, single, dearest)


def _dearest(space: Space, measure: Measure) -> float:
    return max(measure.of(each.solution.encodings) for each in space.uniforms)


def refuse_impossible(front: Front, budgets: Mapping[str, float], limits: Limits) -> None:
    """Before anything is measured: refuse budgets that no config meets.

    Raises:
        UsageError: they are impossible; with the least that can be reached.
    """
    answer = front.program.least({}, budgets, limits=limits)
    if isinstance(answer, OverBudget):
        raise _over(answer)


def _over(answer: OverBudget) -> QnnSolveError:
    parts = []
    for short in answer.short:
        beside = f" beside {', '.join(short.beside)}" if short.beside else ""
        if short.budget == NOISE:
            most = decibels(short.least)
            parts.append(f"sqnr>={decibels(short.asked):.4g} is out of reach: at most {most:.4g} dB{beside}")
        else:
            parts.append(f"budget {short.budget}={_number(short.asked)}: at least {_number(short.least)}{beside}")
    return UsageError(f"no config is within the budgets; {'; '.join(parts)}")


def _number(value: float) -> str:
    return f"{math.ceil(value * 1e4) / 1e4:,.10g}" if value < 100 else f"{math.ceil(value):,}"
