"""The answers of one op on one SoC, appended as they come, so that neither a crash nor a stop loses any.

A line is ``case tuple mark`` (two indices and a mark). ``?`` and ``*`` say that the validator, or finalize, is being
asked; the last line of a child that died is therefore what killed it, and its parent adds ``!``.
"""

from __future__ import annotations

import enum
import os
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["Answer", "Journal", "Key", "read"]

Key = tuple[int, int]
_ASKING, _COMPILING, _DIED = "?", "*", "!"
_TRIES = 2


class Answer(enum.Enum):
    """What was found about one tuple."""

    REJECTED = "R"
    VALIDATOR_ONLY = "V"
    ACCEPTED = "A"
    UNSTABLE = "U"


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

    def answer(self, key: Key, answer: Answer, symmetric: tuple[int, ...] = ()) -> None:
        """Note the answer, and the indices of the ports that take a symmetric offset only."""
        self._note(key, answer.value + ",".join(map(str, symmetric)))

    def _note(self, key: Key, mark: str) -> None:
        os.write(self._file, f"{key[0]} {key[1]} {mark}\n".encode("ascii"))


def read(path: Path, digest: str) -> tuple[dict[Key, tuple[Answer, tuple[int, ...]]], tuple[Key, str] | None]:
    """Return the answers in the file, and what was being asked at its end, if anything.

    A tuple at which two children died is answered: rejected, or accepted by the validator alone.
    """
    answers: dict[Key, tuple[Answer, tuple[int, ...]]] = {}
    deaths: dict[Key, int] = {}
    last: tuple[Key, str] | None = None
    if not _is_current(path, digest):
        return answers, None
    lines = path.read_text(encoding="ascii").split("\n")[1:-1]  # after the last newline: nothing, or a torn line
    for line in lines:
        case, index, mark = line.split(" ")
        key = (int(case), int(index))
        if mark in (_ASKING, _COMPILING):
            last = (key, mark)
        elif mark[0] == _DIED:
            deaths[key] = deaths.get(key, 0) + 1
            if deaths[key] >= _TRIES:
                answers[key] = (Answer.VALIDATOR_ONLY if mark[1:] == _COMPILING else Answer.REJECTED, ())
            last = None
        else:
            ports = tuple(int(port) for port in mark[1:].split(",") if port)
            answers[key] = (Answer(mark[0]), ports)
            last = None
    return answers, last


def bury(path: Path, digest: str) -> Key | None:
    """Note that the child died at the tuple it was asking; return the tuple, None where it was asking nothing."""
    _, last = read(path, digest)
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
