"""The child process: asks one SoC in one precision through a list of ops, noting everything in journals."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from qnnsolve.probe.journal import Answer, Journal, Key, read
from qnnsolve.probe.specs import CaseSpec, OpSpec

__all__ = ["Asker", "ask_one", "ask_op", "journal_path", "main", "mode_of"]


class Asker(Protocol):
    """What the child needs of a backend."""

    def validate(self, spec: OpSpec, case: CaseSpec, codes: tuple[str, ...]) -> bool:
        """Whether the validator accepts."""

    def compiles(self, spec: OpSpec, case: CaseSpec, codes: tuple[str, ...]) -> bool:
        """Whether finalize accepts."""


def mode_of(codes: tuple[str, ...]) -> str:
    """Return the precision of the graph to ask in: ``fp16`` where a tuple has floats and nothing quantized."""
    floats = any(code in ("f32", "f16") for code in codes)
    plain = all(code in ("f32", "f16", "i32", "u32", "b8", "-") for code in codes)
    return "fp16" if floats and plain else "quantized"


def journal_path(work: Path, soc: str, mode: str, turn: int, op: str) -> Path:
    """Return where the answers about ``op`` are kept; ``mode`` is ``fp16`` or ``quantized``."""
    return work / f"{soc}-{mode}-{turn}" / f"{op}.journal"


def ask_op(backend: Asker, spec: OpSpec, mode: str, path: Path) -> None:
    """Ask everything about ``spec`` that the journal at ``path`` does not know yet.

    The validator is asked twice, the second time in the reverse order: some answers are random, and are dropped.
    """
    known, _ = read(path, spec.digest)
    with Journal(path, spec.digest) as journal:
        for number, case in enumerate(spec.cases):
            todo: list[tuple[Key, tuple[str, ...]]] = []
            for index, codes in enumerate(case.tuples()):
                if mode_of(codes) == mode and (number, index) not in known:
                    todo.append(((number, index), codes))
            first: dict[Key, tuple[int, ...] | None] = {}
            for key, codes in todo:
                journal.asking(key)
                first[key] = _validated(backend, spec, case, codes)
            for key, codes in reversed(todo):
                journal.asking(key)
                ports = _validated(backend, spec, case, codes)
                if ports != first[key]:
                    journal.answer(key, Answer.UNSTABLE)
                elif ports is None:
                    journal.answer(key, Answer.REJECTED)
                else:
                    journal.compiling(key)
                    compiled = backend.compiles(spec, case, _with_offsets(codes, ports))
                    journal.answer(key, Answer.ACCEPTED if compiled else Answer.VALIDATOR_ONLY, ports)


def ask_one(backend: Asker, spec: OpSpec, case: CaseSpec, codes: tuple[str, ...]) -> Answer:
    """Return what the backend says about one tuple, asked once."""
    ports = _validated(backend, spec, case, codes)
    if ports is None:
        return Answer.REJECTED
    compiled = backend.compiles(spec, case, _with_offsets(codes, ports))
    return Answer.ACCEPTED if compiled else Answer.VALIDATOR_ONLY


def _validated(backend: Asker, spec: OpSpec, case: CaseSpec, codes: tuple[str, ...]) -> tuple[int, ...] | None:
    """The ports that take a symmetric offset only, or None where the validator refuses the tuple."""

    def accepts(*special: int) -> bool:
        said = [f"{code}~" if index in special else code for index, code in enumerate(codes)]
        return backend.validate(spec, case, tuple(said))

    unsigned = tuple(index for index, code in enumerate(codes) if code in ("u8", "u16"))
    signed = tuple(index for index, code in enumerate(codes) if code in ("s8", "s16"))
    forced: tuple[int, ...] = ()
    if not accepts():
        if not unsigned or not accepts(*unsigned):
            return None
        forced = _needed(unsigned, accepts)
    return tuple(sorted((*forced, *(index for index in signed if not accepts(*forced, index)))))


def _needed(ports: tuple[int, ...], accepts: Callable[..., bool]) -> tuple[int, ...]:
    kept = ports
    for port in ports:
        fewer = tuple(other for other in kept if other != port)
        if accepts(*fewer):
            kept = fewer
    return kept


def _with_offsets(codes: tuple[str, ...], symmetric: tuple[int, ...]) -> tuple[str, ...]:
    """The codes with the special offset on the unsigned ports that need it; signed ones are symmetric anyway."""
    return tuple(f"{c}~" if index in symmetric and c[0] == "u" else c for index, c in enumerate(codes))


def main(argv: list[str]) -> int:
    """Run as ``child SOC fp16|quantized TURN WORK OP...``; what the libraries print goes nowhere."""
    soc, mode, turn, work, *ops = argv
    from qnnsolve.probe.ask import Backend
    from qnnsolve.probe.ops import OPS

    backend = Backend(soc, mode == "fp16")
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    for op in ops:
        ask_op(backend, OPS[op], mode, journal_path(Path(work), soc, mode, int(turn), op))
    os._exit(0)  # the adaptor's own teardown is slow and not always clean


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
