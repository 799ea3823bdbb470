"""What the doors take: one list of arguments, which :func:`takes` makes the signature of a function."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

import attrs

from qnnsolve.facts.user import UserFacts
from qnnsolve.host.child import Progress
from qnnsolve.opinfo_facts import FactsSource
from qnnsolve.recipes import Recipe, Recipes
from qnnsolve.results import BOUND_DB
from qnnsolve.rules import Rule
from qnnsolve.rules.own_files import OwnRules
from qnnsolve.rules.target import PRECISION, FactFiles, Texts, Wanted
from qnnsolve.rules.wishes import Wish
from qnnsolve.runs import Solved
from qnnsolve.verification.verified_samples import VERIFIED_SAMPLES

if TYPE_CHECKING:
    import torch
    from torch.export import ExportedProgram

__all__ = ["CANDIDATES", "CompareArguments", "ExportArguments", "SearchArguments", "SolveArguments", "takes"]

CANDIDATES = ("8a8w", "16a8w")
"""What a search chooses from where nothing else is named."""

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")


@attrs.frozen(eq=False)
class _Model:
    """Those that may be given by place; all others are given by name."""

    model: torch.nn.Module | ExportedProgram
    example_inputs: tuple[Any, ...] | None = None


@attrs.frozen(eq=False, kw_only=True)
class _Aim(_Model):
    """What is wished, of which chip, and on whose word: what every door takes."""

    soc: str = "SM8750"
    backend: str = "htp"
    strict: bool = True
    block_size: int | None = None
    prefer: Texts = ()
    pin: Texts = ()
    wishes: Sequence[Wish] = ()
    unroll_limit: int | None = None
    time_limit: float | None = None
    user_facts: FactFiles = ()
    facts_source: str | FactsSource = FactsSource.BOTH
    model_name: str | None = None
    progress: Progress | None = None


@attrs.frozen(eq=False, kw_only=True)
class SolveArguments(_Aim):
    """The arguments of :func:`qnnsolve.pipeline.solve`, which says what each means."""

    precision: str | None = None
    recipe: Recipes = ()
    rules: OwnRules = ()
    save: str | PathLike[str] | None = None
    save_recipe: str | PathLike[str] | None = None
    report: str | PathLike[str] | None = None
    overlay: str | PathLike[str] | None = None
    on_solved: Callable[[Solved], object] | None = None

    def wanted(self, recipe: Recipe) -> Wanted:
        """What is asked for: what ``recipe``, which was read, says, and over it the other arguments.

        Raises:
            UnknownNameError: an unknown precision; names the nearest.
            UsageError: a wish is not of the form ``WHERE=WHAT``; names the nearest word.
        """
        return Wanted.of(
            self.precision or recipe.precision or PRECISION,
            self.block_size or recipe.block_size,
            prefer=self.prefer,
            pin=self.pin,
            wishes=(*recipe.wishes, *self.wishes),
        )

    def files(self, recipe: Recipe) -> list[tuple[str, str | PathLike[str] | None]]:
        """The files that are read beside the model, those of ``recipe`` among them: what each is for, and its path."""
        user = self.user_facts
        facts = user.paths if isinstance(user, UserFacts) else user
        return [
            *(("a file of the user's facts", path) for path in facts),
            *(("a recipe", path) for path in recipe.paths),
            *(("a file of the user's rules", each) for each in self.rules if not isinstance(each, Rule)),
        ]


@attrs.frozen(eq=False, kw_only=True)
class ExportArguments(SolveArguments):
    """The arguments of :func:`qnnsolve.pipeline.export`, which says what each means."""

    out: str | Path
    calibration: Iterable[tuple[Any, ...]] | None = None
    verify: bool = True
    verify_samples: int = VERIFIED_SAMPLES
    tolerance: float = 0.01
    cache: str | PathLike[str] | bool = True


@attrs.frozen(eq=False, kw_only=True)
class CompareArguments(SolveArguments):
    """The arguments of :func:`qnnsolve.compare`, which says what each means."""

    run: str | PathLike[str] | None = None
    calibration: Iterable[tuple[Any, ...]] | None = None
    bound: float = BOUND_DB
    emulator: bool = True
    verify_samples: int = VERIFIED_SAMPLES
    tolerance: float = 0.01

    def files(self, recipe: Recipe) -> list[tuple[str, str | PathLike[str] | None]]:
        """Those of a solve, and the run."""
        return [*super().files(recipe), ("the run", self.run)]


@attrs.frozen(eq=False, kw_only=True)
class SearchArguments(_Aim):
    """The arguments of :func:`qnnsolve.search_config`, which says what each means."""

    candidates: Texts = CANDIDATES
    fixed: Texts = ()
    budget: Texts = ()
    target: str | None = None
    points: int = 1
    alternatives: int = 0
    axis: str | None = None
    calibration: Iterable[tuple[Any, ...]] | None = None
    weights: Mapping[int | str, float] | None = None
    positions: Texts = ()
    directions: int | None = None
    measured: bool = False
    sensitivities: str | PathLike[str] | None = None
    metric: Any = None
    measure: bool = True
    verify: bool = False
    verify_samples: int = VERIFIED_SAMPLES
    workers: int = 1
    cluster: str | None = None
    executor: Executor | None = None
    recipes: str | PathLike[str] | None = None
    out: str | PathLike[str] | None = None
    report: str | PathLike[str] | None = None


def takes(arguments: Callable[P, T]) -> Callable[[Callable[[T], R]], Callable[P, R]]:
    """A decorator: the function is called with the fields of ``arguments``, and is handed the record of them.

    Type checkers see the fields as its arguments, and so do :func:`help` and :func:`inspect.signature`.
    """

    def door(work: Callable[[T], R]) -> Callable[P, R]:
        @functools.wraps(work)
        def called(*args: P.args, **kwargs: P.kwargs) -> R:
            return work(arguments(*args, **kwargs))

        answer = inspect.signature(work).return_annotation
        cast("Any", called).__signature__ = inspect.signature(arguments).replace(return_annotation=answer)
        del called.__annotations__
        return called

    return door
