"""Who measures and compiles the points of a search: :func:`workers_for`, and :func:`with_programs`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs

from qnnsolve.host.stages import Stages
from qnnsolve.pipeline.arguments import SearchArguments
from qnnsolve.results import SearchProgram, SearchResult
from qnnsolve.search.sensitivity import FloatOutputs
from qnnsolve.search.study import Searched
from qnnsolve.search.tasks import Portable, Setup, compiled, compiled_elsewhere
from qnnsolve.search.workers import Workers

__all__ = ["with_programs", "workers_for"]


def with_programs(
    given: SearchArguments,
    answer: Searched,
    examples: tuple[Any, ...],
    samples: Sequence[tuple[Any, ...]],
    stages: Stages,
) -> SearchResult:
    """The answer's result, each point compiled and run on the emulator."""
    setup, recipes, workers = Setup.of(given, examples, samples), [*answer.recipes()], answer.workers
    found: dict[int, SearchProgram] = {}
    with stages("compile", len(recipes)):
        here = ((place, compiled(setup, recipe)) for place, recipe in enumerate(recipes))
        for place, program in here if workers is None else workers.done(compiled_elsewhere, recipes):
            found[place] = program
            stages.step("compile", len(found), len(recipes))
    points = answer.result.points
    return attrs.evolve(
        answer.result, points=tuple(attrs.evolve(point, program=found[at]) for at, point in enumerate(points))
    )


def workers_for(
    given: SearchArguments, examples: tuple[Any, ...], samples: Sequence[tuple[Any, ...]], metric: Any
) -> Callable[[FloatOutputs], Workers | None] | None:
    """What makes the workers; None where none are asked for."""
    if given.workers == 1 and given.cluster is None and given.executor is None:
        return None

    def made(wanted: FloatOutputs) -> Workers | None:
        portable = Portable.of(Setup.of(given, examples, samples), wanted, metric)
        return Workers.of(portable, given.workers, given.cluster, given.executor)

    return made
