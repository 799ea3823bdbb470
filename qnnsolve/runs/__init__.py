"""A solve that is kept: one SQLite file, answered without torch.

:func:`save_run` writes it (``qnnsolve solve --save``), :func:`load_run` reads it. ``docs/runs.md`` has the tables.
"""

from qnnsolve.runs.file import check_target
from qnnsolve.runs.loading import Run, load_run
from qnnsolve.runs.saving import Solved, save_run

__all__ = ["Run", "Solved", "check_target", "load_run", "save_run"]
