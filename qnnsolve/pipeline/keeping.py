"""What of a solve goes into files, and where: :class:`Keeping`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from os import PathLike
from pathlib import Path

import attrs

from qnnsolve.errors import BudgetExceededError, UnsatisfiableError
from qnnsolve.host.outputs import check_writable, spare_inputs
from qnnsolve.pipeline.arguments import SolveArguments
from qnnsolve.recipes import check_format, save_recipe
from qnnsolve.report.overlay import write_overlay
from qnnsolve.report.page import write_page
from qnnsolve.results import CompareResult, ExportResult
from qnnsolve.runs import Solved, check_target, save_run
from qnnsolve.solver import Solution

__all__ = ["Keeping"]


@attrs.frozen
class Keeping:
    """The files of the run, the recipe, the page and the overlay (None: there is none), what the model is called there,
    and who is told."""

    run: Path | None
    recipe: Path | None
    page: Path | None
    overlay: Path | None
    model: str
    tell: Callable[[Solved], object] | None

    @classmethod
    def of(cls, given: SolveArguments, others: Sequence[tuple[str, str | PathLike[str] | None]]) -> Keeping:
        """What the arguments ask for. ``others`` are read or written beside it: what each is for, and its path.

        Raises:
            UsageError: nothing can be kept there.
        """
        run = None if given.save is None else check_target(given.save)
        recipe = None if given.save_recipe is None else check_writable(given.save_recipe, "recipe")
        if recipe is not None:
            check_format(recipe)
            spare_inputs("save_recipe", recipe, [*others, ("the run", run)])
        if run is not None:
            spare_inputs("save", run, others)
        page = None if given.report is None else check_writable(given.report, "page")
        overlay = None if given.overlay is None else check_writable(given.overlay, "overlay")
        others = [*others, ("the run", run), ("the recipe", recipe)]
        for option, path in (("report", page), ("overlay", overlay)):
            if path is not None:
                spare_inputs(option, path, others)
            others = [*others, (f"the {option}", path)]
        return cls(run, recipe, page, overlay, given.model_name or type(given.model).__name__, given.on_solved)

    def keep(
        self, solved: Solved | None, export: ExportResult | None = None, compare: CompareResult | None = None
    ) -> None:
        """Write what is to be kept, a recipe only where there is a solution; then tell."""
        if solved is None:
            return
        if self.run is not None:
            save_run(self.run, solved, model=self.model, export=export, compare=compare)
        if self.recipe is not None and isinstance(solved.outcome, Solution):
            save_recipe(self.recipe, solved, model=self.model)
        if self.page is not None:
            write_page(solved, self.page, model=self.model, export=export, compare=compare)
        if self.overlay is not None and isinstance(solved.outcome, Solution):
            write_overlay(solved, self.overlay, export=export)
        if self.tell is not None:
            self.tell(solved)

    @contextlib.contextmanager
    def without_solution(self, solved: Callable[[], Solved | None]) -> Iterator[None]:
        """Inside, a solve that ends without a solution is an answer too, and kept, although an export ends there."""
        try:
            yield
        except (UnsatisfiableError, BudgetExceededError):
            self.keep(solved())
            raise
