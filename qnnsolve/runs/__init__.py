"""A solve that is kept: one SQLite file, answered without torch.

:func:`save_run` writes it (``qnnsolve solve --save``), :func:`load_run` reads it. ``docs/runs.md`` has the tables.
:class:`Measurements` keeps what a search measures in the same file.
"""

from qnnsolve.runs.file import check_target
from qnnsolve.runs.loading import Run, load_run
from qnnsolve.runs.measurements import Measurements, content_key
from qnnsolve.runs.saving import Solved, save_run

__all__ = ["Measurements", "Run", "Solved", "check_target", "content_key", "load_run", "save_run"]
