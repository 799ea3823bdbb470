"""Streams of a command: stdout is the report's alone, progress and other people's logs go to stderr."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import IO, Any, TypeAlias, cast

from qnnsolve.errors import UsageError
from qnnsolve.host.streams import flush_native

__all__ = ["Progress", "progress_bar", "report_stream"]

Progress: TypeAlias = Callable[[str, int, "int | None"], None]
"""Called with a stage, the steps done, and their number where it is known."""


@contextlib.contextmanager
def report_stream(verbose: bool) -> Iterator[IO[str]]:
    """The real stdout, while everything else that prints there, native libraries and children included, gets stderr.

    Unless ``verbose``, Python warnings and log records below ``ERROR`` are dropped inside.
    """
    report = sys.stdout
    disabled = logging.root.manager.disable
    with contextlib.ExitStack() as stack:
        if _is_descriptor_1(report):
            report.flush()
            flush_native()
            kept = os.dup(1)
            stack.callback(os.close, kept)
            stack.callback(os.dup2, kept, 1)
            stack.callback(flush_native)
            report = stack.enter_context(_Report(os.fdopen(os.dup(1), "wb"), report.encoding, "backslashreplace"))
            os.dup2(2, 1)
        stderr = cast(IO[str], _Forgiving(sys.stderr))
        stack.enter_context(contextlib.redirect_stderr(stderr))
        stack.enter_context(contextlib.redirect_stdout(stderr))
        stack.enter_context(warnings.catch_warnings())
        stack.callback(logging.disable, disabled)
        if not verbose:
            logging.disable(logging.WARNING)
            if not sys.warnoptions:
                warnings.simplefilter("ignore")
        yield report


class _Report(io.TextIOWrapper):
    """Takes every text; where it cannot be written, says so."""

    def write(self, text: str) -> int:
        with _telling():
            return super().write(text)

    def flush(self) -> None:
        with _telling():
            super().flush()

    def close(self) -> None:
        with _telling():
            super().close()


class _Forgiving:
    """A stderr for models, libraries and notes. Where nothing can be written to it (a full disk), work goes on."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with unheeded(self._stream):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with unheeded(self._stream):
            self._stream.flush()

    def close(self) -> None:
        """Does nothing: a model that closes its stdout must not close the stream of our notes."""


@contextlib.contextmanager
def unheeded(stream: IO[str] | None) -> Iterator[None]:
    """Inside, a stream that cannot be written to is no error; it then leads nowhere, else Python would end with 120."""
    try:
        yield
    except OSError:
        with contextlib.suppress(OSError, ValueError, AttributeError):  # not every stream has a descriptor
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())  # type: ignore[union-attr]


@contextlib.contextmanager
def _telling() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:  # its reader has gone, and needs no more of it
        raise
    except OSError as error:
        raise UsageError(f"the report cannot be written to stdout: {error.strerror}") from error


def _is_descriptor_1(stream: IO[str]) -> bool:
    try:
        return stream.fileno() == 1 and os.fstat(2) is not None
    except (OSError, ValueError):  # a captured or closed stream has no descriptor
        return False


@contextlib.contextmanager
def progress_bar() -> Iterator[Progress | None]:
    """A bar per stage on stderr where that is a terminal, with the time that it took and the time left; else None."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks = {}

        def progress(stage: str, done: int, total: int | None) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield progress
