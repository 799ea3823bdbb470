"""The answers of one op on one SoC, appended as they come, so that neither a crash nor a stop loses any.

A line is ``case tuple mark`` (two indices and a mark). ``?``, ``*`` and ``#`` say that the validator, finalize or the
emulator is being asked, ``&`` that several tuples of the case are compiled and run as one graph. So the last line of a
child that died says what killed it; its parent adds ``!``. An answer is its letter and what was found out about the
ports, as JSON.
"""

from __future__ import annotations

import enum
import json
import os
from pathlib import Path
from types import TracebackType
from typing import Self

import attrs

__all__ = ["Acceptance", "Finding", "Journal", "JournalContent", "Key", "bury", "read"]

Key = tuple[int, int]
_ASKING, _COMPILING, _RUNNING, _TOGETHER, _DIED = "?", "*", "#", "&", "!"
_TRIES = 2


class Acceptance(enum.Enum):
    """What was found about one tuple."""

    REJECTED = "R"
    VALIDATOR_ONLY = "V"
    ACCEPTED = "A"
    WRONG = "W"
    UNSTABLE = "U"


@attrs.frozen
class Finding:
    """The answer about one tuple, and positions of ports.

    ``symmetric`` takes a zero point in the middle only, ``same`` has to carry one encoding, ``fixed`` has (position,
    scale, zero point) of the only encoding that is computed right. ``steps`` is the largest error, in output steps.
    """

    answer: Acceptance
    symmetric: tuple[int, ...] = ()
    same: tuple[int, ...] = ()
    fixed: tuple[tuple[int, float, int], ...] = ()
    steps: float = attrs.field(default=0.0, eq=False)


_QUESTIONS = (_ASKING, _COMPILING, _RUNNING, _TOGETHER)
_BURIED = {_ASKING: Acceptance.REJECTED, _COMPILING: Acceptance.VALIDATOR_ONLY, _RUNNING: Acceptance.WRONG}


class Journal:
    """Appends to the file at ``path``; its first line is ``digest``, and a file with another one starts afresh."""

    def __init__(self, path: Path, digest: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not _is_current(path, digest):
            path.write_text(f"{digest}\n", encoding="ascii")
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)

    def asking(self, key: Key) -> None:
        """Note that the validator is about to be asked."""
        self._note(key, _ASKING)

    def compiling(self, key: Key) -> None:
        """Note that finalize is about to be asked."""
        self._note(key, _COMPILING)

    def running(self, key: Key) -> None:
        """Note that finalize has accepted, and the emulator is about to run."""
        self._note(key, _RUNNING)

    def together(self, key: Key) -> None:
        """Note that several tuples are about to be compiled and run as one graph, ``key`` the first of them."""
        self._note(key, _TOGETHER)

    def answer(self, key: Key, found: Finding) -> None:
        """Note the answer."""
        said = [found.symmetric, found.same, found.fixed, round(min(found.steps, 1e9), 2)]
        self._note(key, found.answer.value + json.dumps(said, separators=(",", ":")))

    def _note(self, key: Key, mark: str) -> None:
        os.write(self._file, f"{key[0]} {key[1]} {mark}\n".encode("ascii"))


@attrs.frozen
class JournalContent:
    """What a journal holds: answers, how often many tuples in one graph killed a child, and the question at the end."""

    answers: dict[Key, Finding]
    deaths_together: int = 0
    last: tuple[Key, str] | None = None


def read(path: Path, digest: str) -> JournalContent:
    """Return what the file at ``path`` holds; nothing where it is missing or of another digest.

    A tuple at which two children died is answered: rejected, accepted by the validator alone, or computed wrongly.
    """
    answers: dict[Key, Finding] = {}
    deaths: dict[Key, int] = {}
    together = 0
    last: tuple[Key, str] | None = None
    if not _is_current(path, digest):
        return JournalContent(answers)
    lines = path.read_text(encoding="ascii").split("\n")[1:-1]  # after the last newline: nothing, or a torn line
    for line in lines:
        case, index, mark = line.split(" ")
        key = (int(case), int(index))
        if mark in _QUESTIONS:
            last = (key, mark)
        elif mark == _DIED + _TOGETHER:
            together += 1
            last = None
        elif mark[0] == _DIED:
            deaths[key] = deaths.get(key, 0) + 1
            if deaths[key] >= _TRIES:
                answers[key] = Finding(_BURIED[mark[1:]])
            last = None
        else:
            symmetric, same, fixed, steps = json.loads(mark[1:])
            fixed = tuple((port, scale, zero_point) for port, scale, zero_point in fixed)
            answers[key] = Finding(Acceptance(mark[0]), tuple(symmetric), tuple(same), fixed, steps)
            last = None
    return JournalContent(answers, together, last)


def bury(path: Path, digest: str) -> Key | None:
    """Note that the child died at the tuple it was asking; return the tuple, None where it was asking nothing."""
    last = read(path, digest).last
    if last is None:
        return None
    text = path.read_text(encoding="ascii")
    with path.open("w", encoding="ascii") as file:
        file.write(text[: text.rfind("\n") + 1] + f"{last[0][0]} {last[0][1]} {_DIED}{last[1]}\n")
    return last[0]


def _is_current(path: Path, digest: str) -> bool:
    if not path.is_file():
        return False
    with path.open(encoding="ascii") as file:
        return file.readline() == f"{digest}\n"
