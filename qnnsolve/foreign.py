"""The boundary to what is not ours: a user's code, a plugin's, an SDK's, and the libraries that read a user's files.

What those raise cannot be listed, and neither can what its text holds. Here, and nowhere else, it becomes one error of
ours with one line that can be printed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from qnnsolve.errors import QnnSolveError, UsageError

__all__ = ["first_line", "first_paragraph", "foreign", "printable", "said"]

LONGEST = 400
"""Characters of a foreign text that are kept: what it says is in its beginning."""


def printable(text: str, longest: int = LONGEST) -> str:
    """``text`` in one line that every stream can take: no controls, no lone surrogates, and not endless."""
    kept = " ".join(text[: 4 * longest].split())
    clean = "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in kept)
    return clean if len(clean) <= longest else f"{clean[:longest]} ..."


def _text(error: BaseException) -> str:
    try:
        return str(error)[:100_000]
    except KeyboardInterrupt:
        raise
    except BaseException:  # somebody's __str__
        return "its message cannot be read"


def first_line(error: BaseException) -> str:
    """The first line of an error's text that says something; also where asking for the text raises."""
    return next((printable(line) for line in _text(error).splitlines() if line.strip()), "no message")


def said(error: BaseException) -> str:
    """What was raised, and all that it says, in one line."""
    return f"{printable(type(error).__name__)}: {printable(_text(error)) or 'no message'}"


def first_paragraph(error: BaseException) -> str:
    """What an error says before its first empty line, in one line."""
    return printable(_text(error).strip().split("\n\n")[0]) or "no message"


@contextlib.contextmanager
def foreign(
    doing: str,
    error: Callable[[str], QnnSolveError] = UsageError,
    text: Callable[[BaseException], str] = first_line,
) -> Iterator[None]:
    """Turn whatever foreign code raises, an exit included, into one line: ``doing``, then the ``text`` of it.

    Our own errors and an interrupt pass through.

    Raises:
        UsageError: anything else was raised inside; or what ``error`` makes of the line.
    """
    try:
        yield
    except (QnnSolveError, KeyboardInterrupt):
        raise
    except BaseException as raised:
        raise error(f"{doing}: {printable(type(raised).__name__)}: {text(raised)}") from raised
