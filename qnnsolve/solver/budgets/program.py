"""The best legal config under budgets: :class:`BudgetProgram`, compiled once, asked as often as one likes."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence

import attrs
import numpy as np
from numpy.typing import NDArray

from qnnsolve.constraints import Problem, Site
from qnnsolve.encodings import Encoding
from qnnsolve.errors import UnknownNameError, UsageError
from qnnsolve.solver.answers import Solution, Unknown, Unsatisfiable
from qnnsolve.solver.budgets.answers import Best, Exhausted, OverBudget, Short
from qnnsolve.solver.budgets.columns import Columns
from qnnsolve.solver.budgets.compiled import compiled
from qnnsolve.solver.budgets.exact import least
from qnnsolve.solver.budgets.measures import Measure
from qnnsolve.solver.budgets.query import HOLDS, BudgetOutcome, ImpossibleBudget, Query
from qnnsolve.solver.budgets.rounds import Rounds
from qnnsolve.solver.clock import Clock, LimitReached
from qnnsolve.solver.engine import solve
from qnnsolve.solver.joint import bits_of
from qnnsolve.solver.limits import Limits, Method
from qnnsolve.solver.model import Model
from qnnsolve.solver.network import Network
from qnnsolve.solver.optimum.find import Goal, ImpossibleComponent, find_optimum
from qnnsolve.solver.propagation import propagate

__all__ = ["BudgetProgram"]

Config = Mapping[Site, Encoding]
Floats = NDArray[np.float64]
Places = NDArray[np.int64]

_DEFAULT = Limits()


@attrs.frozen(eq=False)
class BudgetProgram:
    """The legal configs of a problem, and what each of them amounts to.

    The constraints of the problem say what is legal; its preferences and prices do not count here.
    """

    measures: Mapping[str, Measure]
    _network: Network = attrs.field(repr=False)
    _masks: Sequence[int] = attrs.field(repr=False)
    _some: Sequence[int] = attrs.field(repr=False)
    """The encoding index of every variable of the network in some legal config."""
    _columns: Columns = attrs.field(repr=False)
    _rounds: Rounds | None = attrs.field(repr=False)
    _lowest: dict[str, float] = attrs.field(factory=dict, init=False, repr=False)

    @classmethod
    def of(
        cls, problem: Problem, measures: Sequence[Measure], limits: Limits = _DEFAULT
    ) -> BudgetProgram | Unsatisfiable | Unknown:
        """The program of a problem; or what :func:`qnnsolve.solver.solve` says where no config is legal.

        Raises:
            ValueError: two measures have one name, or one names a site that the problem does not have.
        """
        named = {measure.name: measure for measure in measures}
        if len(named) < len(measures):
            raise ValueError("two measures have one name")
        clock = Clock(limits.seconds)
        model = Model(problem)
        network = Network(model, range(len(model.where)), range(len(model.sites)))
        try:
            propagation = propagate(network, clock)
            some = None
            if not propagation.wipeouts:
                some = find_optimum(network, propagation.masks, limits, clock, Goal.ANY)
        except LimitReached as reached:
            return Unknown(reached.limit)
        if some is None or isinstance(some, ImpossibleComponent):
            answer = solve(problem, attrs.evolve(limits, seconds=clock.remaining))
            assert not isinstance(answer, Solution), "no config is legal"
            return answer
        columns = Columns(compiled(network, propagation.masks, measures))
        rounds = None if limits.method is Method.MILP else Rounds.of(columns, limits)
        return cls(named, network, propagation.masks, some.values, columns, rounds)

    def least(
        self,
        objective: Mapping[str, float],
        budgets: Mapping[str, float] | None = None,
        *,
        then: str | None = None,
        within: float = 0.0,
        gap: float = 0.0,
        distinct_from: Sequence[Config] = (),
        limits: Limits = _DEFAULT,
    ) -> Best | OverBudget | Exhausted | Unknown:
        """The legal config with the least weighted sum of measures, each budget a measure's most.

        Args:
            objective: weight (>= 0) by name of a measure.
            budgets: the most that a measure may come to, up to a share of 1e-9 that rounding may add. Infinity: any.
            then: of the configs whose objective is within ``within`` of the best, the one with the least of this.
            within: a share of the best objective, such as 0.02.
            gap: the search ends where the objective is proven to be at most this share above the best; 0.005 saves most
                of the time on ten thousand ops.
            distinct_from: configs that the answer must differ from, each at one variable at least that matters for a
                measure.
            limits: ``seconds`` of wall time, for the whole answer.

        Raises:
            UnknownNameError: there is no such measure.
            UsageError: a weight, a budget, ``within`` or ``gap`` that is negative or no number.
        """
        clock = Clock(limits.seconds)
        asked = dict(budgets or {})
        _check({**objective, "within": within, "gap": gap})
        _check(asked, math.inf)
        self._weights(asked)
        budgets = {name: most for name, most in asked.items() if most < math.inf}
        taken = tuple([self._places(config) for config in distinct_from])
        query = attrs.evolve(self._query(objective, budgets), taken=taken)
        secondary = None if then is None else self._weights({then: 1.0})
        first = least(query, self._rounds, clock, gap=gap)
        if isinstance(first, ImpossibleBudget):
            first = least(attrs.evolve(query, taken=()), self._rounds, clock) if taken else first
            if isinstance(first, ImpossibleBudget):
                return self._over(budgets, clock)
            return Unknown(clock.name) if first.values is None else Exhausted()
        if first.values is None:
            return Unknown(clock.name)
        values, last = first.values, None
        if secondary is not None:
            most = first.objective * (1 + within)
            also = attrs.evolve(query, weights=secondary, rows=np.vstack([query.rows, query.weights]))
            second = least(attrs.evolve(also, limits=np.append(query.limits, most)), self._rounds, clock, values, gap)
            assert isinstance(second, BudgetOutcome) and second.values is not None, "the first holds"
            values, last = second.values, second
        return self._best(values, objective, asked, first, last, clock)

    def lowest(self, name: str, limits: Limits = _DEFAULT) -> float:
        """The least that any legal config can have of a measure; where a limit is hit, a proven bound below it.

        Raises:
            UnknownNameError: there is no such measure.
        """
        if name in self._lowest:
            return self._lowest[name]
        outcome = self._asked({name: 1.0}, {}, Clock(limits.seconds))
        assert isinstance(outcome, BudgetOutcome), "some config is legal"
        if not outcome.finished or outcome.values is None:
            return outcome.bound
        self._lowest[name] = self.measures[name].of(self._config(outcome.values))
        return self._lowest[name]

    def _weights(self, weights: Mapping[str, float]) -> Floats:
        for name in weights:
            if name not in self.measures:
                raise UnknownNameError("measure", name, self.measures)
        return np.array([float(weights.get(name, 0.0)) for name in self.measures])

    def _places(self, config: Config) -> Places:
        """For each variable of the core, the place of the config's value among its candidates; -1 where it is no
        candidate any more."""
        network, places = self._network, []
        for v in self._columns.core.variables:
            if v < 0:
                places.append(-1)
                continue
            value = network.model.encoding_index.get(config[network.model.sites[network.members[v][0]]], -1)
            values = bits_of(self._masks[v])
            places.append(values.index(value) if value in values else -1)
        return np.array(places, np.int64)

    def _config(self, values: Places) -> dict[Site, Encoding]:
        model, chosen = self._network.model, list(self._some)
        for v, place in zip(self._columns.core.variables, values.tolist(), strict=True):
            if v >= 0:
                chosen[v] = bits_of(self._masks[v])[place]
        variable = self._network.variable
        return {site: model.encodings[chosen[variable[index]]] for index, site in enumerate(model.sites)}

    def _best(
        self,
        values: Places,
        objective: Mapping[str, float],
        asked: Mapping[str, float],
        first: BudgetOutcome,
        last: BudgetOutcome | None,
        clock: Clock,
    ) -> Best:
        config = self._config(values)
        amounts = {name: measure.of(config) for name, measure in self.measures.items()}
        value = math.fsum([weight * amounts[name] for name, weight in objective.items()])
        held = [name for name, most in asked.items() if most < math.inf]
        prices = dict(zip(held, first.multipliers.tolist(), strict=True))
        finished = first.finished and (last is None or last.finished)
        return Best(
            encodings=config,
            amounts=amounts,
            objective=value,
            bound=min(value, first.bound),
            prices=dict.fromkeys(asked, 0.0) | prices,
            how=first.how if self._columns.core.variables else "propagation",
            secondary_bound=None if last is None else last.bound,
            limit=None if finished else clock.name,
        )

    def _over(self, budgets: Mapping[str, float], clock: Clock) -> OverBudget | Unknown:
        """Which budgets are impossible, and what can be reached instead."""
        alone = [Short(name, most, self._low(name, {}, clock)) for name, most in budgets.items()]
        alone = [short for short in alone if short.least > short.asked * (1 + HOLDS)]
        if alone:
            return OverBudget(tuple(alone))
        needed = dict(budgets)
        for name in budgets:
            others = {other: most for other, most in needed.items() if other != name}
            if isinstance(self._asked({}, others, clock), ImpossibleBudget):
                needed = others
        found = []
        for name, most in needed.items():
            others = {other: budget for other, budget in needed.items() if other != name}
            found.append(Short(name, most, self._low(name, others, clock), tuple(others)))
        return Unknown(clock.name) if clock.expired else OverBudget(tuple(found))

    def _low(self, name: str, others: Mapping[str, float], clock: Clock) -> float:
        """The least that a measure can be while all other limits hold, which must be possible; a bound of it where the
        time is over."""
        if not others:
            return self.lowest(name, Limits(seconds=clock.remaining))
        outcome = self._asked({name: 1.0}, others, clock)
        assert isinstance(outcome, BudgetOutcome), "the others are possible"
        if not outcome.finished or outcome.values is None:
            return outcome.bound
        return self.measures[name].of(self._config(outcome.values))

    def _asked(
        self, objective: Mapping[str, float], budgets: Mapping[str, float], clock: Clock
    ) -> BudgetOutcome | ImpossibleBudget:
        return least(self._query(objective, budgets), self._rounds, clock)

    def _query(self, objective: Mapping[str, float], budgets: Mapping[str, float]) -> Query:
        rows = [self._weights({name: 1.0}) for name in budgets]
        shape = len(budgets), len(self.measures)
        limits = np.array([*budgets.values()], np.float64)
        return Query(self._columns, self._weights(objective), np.array(rows).reshape(shape), limits)


def _check(numbers: Mapping[str, float], most: float = sys.float_info.max) -> None:
    for name, number in numbers.items():
        if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number <= most:
            raise UsageError(f"{name}={number!r} is not a number that is 0 or more")
