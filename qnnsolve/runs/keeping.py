"""Where the run of a command is kept, if it is: :class:`Keeping`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from os import PathLike
from pathlib import Path

import attrs

from qnnsolve.errors import BudgetExceededError, UnsatisfiableError
from qnnsolve.host.outputs import spare_inputs
from qnnsolve.results import ExportResult
from qnnsolve.runs.file import check_target
from qnnsolve.runs.saving import Solved, save_run

__all__ = ["Keeping"]


@attrs.frozen
class Keeping:
    """The file of a run (None: it is not kept), and what its model is called there."""

    path: Path | None
    model: str

    @classmethod
    def at(
        cls,
        save: str | PathLike[str] | None,
        model: str,
        others: Iterable[tuple[str, str | PathLike[str] | None]],
    ) -> Keeping:
        """In ``save``, which is none of the ``others`` that are read or written: what each is for, and its path.

        Raises:
            UsageError: no run can be kept there.
        """
        if save is None:
            return cls(None, model)
        target = check_target(save)
        spare_inputs("save", save, others)
        return cls(target, model)

    def keep(self, solved: Solved | None, export: ExportResult | None = None) -> None:
        """Write the run, if it is to be kept."""
        if self.path is not None and solved is not None:
            save_run(self.path, solved, model=self.model, export=export)

    @contextlib.contextmanager
    def without_solution(self, solved: Callable[[], Solved | None]) -> Iterator[None]:
        """Inside, a solve that ends without a solution is an answer too, and kept, although an export ends there."""
        try:
            yield
        except (UnsatisfiableError, BudgetExceededError):
            self.keep(solved())
            raise
