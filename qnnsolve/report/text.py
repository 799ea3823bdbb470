"""Results as text: what a user reads after ``qnnsolve export`` or ``qnnsolve solve``.

One line per deviation from the request; alike ones across a model's layers are folded into one line with a count.
Lines are not wrapped where the output is no terminal, so that ``grep`` finds them whole. Same result, same text.
"""

from __future__ import annotations

from qnnsolve.report.accuracy import LEAST_SQNR_DB, poor_lines
from qnnsolve.report.calibration import calibration_lines
from qnnsolve.report.lines import Line, memory, print_lines, times
from qnnsolve.report.program import program
from qnnsolve.report.solve import head, solve_body
from qnnsolve.report.wishes import overridden_lines
from qnnsolve.results import ExportResult, SolveResult

__all__ = ["LEAST_SQNR_DB", "Line", "export_lines", "print_lines", "solve_lines"]


def solve_lines(result: SolveResult, model: str, *, verbose: bool = False) -> tuple[Line, ...]:
    """The report of a solve; ``model`` as the user typed it. ``verbose``: also which wishes gave way to later ones."""
    overridden = overridden_lines(result) if verbose else ()
    return (*head(result, model), *solve_body(result), *overridden, *times(result.timings))


def export_lines(
    result: ExportResult, model: str, least_db: float = LEAST_SQNR_DB, *, verbose: bool = False
) -> tuple[Line, ...]:
    """The report of an export: the solve, the program that came of it, and how it compares.

    An output that has less than ``least_db`` against the float model is said on top.
    """
    return (
        *head(result.solve, model),
        *poor_lines(result, least_db),
        *solve_body(result.solve),
        *(overridden_lines(result.solve) if verbose else ()),
        *calibration_lines(result.solve.calibration),
        *program(result),
        *times(result.timings),
        *memory(result.peaks),
    )
