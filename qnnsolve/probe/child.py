"""The child process: asks one SoC in one precision through a list of ops, noting everything in journals."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from qnnsolve.host.streams import silence_libraries
from qnnsolve.probe.candidates import Asker, Candidate, candidates_of
from qnnsolve.probe.journal import Journal, Key, read
from qnnsolve.probe.questions import OpSpec
from qnnsolve.probe.settling import TOGETHER, Settling

__all__ = ["ask_op", "journal_path", "main", "mode_of"]


def mode_of(codes: tuple[str, ...]) -> str:
    """Return the precision of the graph to ask in: ``fp16`` where a tuple has floats and nothing quantized."""
    floats = any(code in ("f32", "f16") for code in codes)
    plain = all(code in ("f32", "f16", "i32", "u32", "b8", "-") for code in codes)
    return "fp16" if floats and plain else "quantized"


def journal_path(work: Path, soc: str, mode: str, turn: int, op: str) -> Path:
    """Return where the answers about ``op`` are kept; ``mode`` is ``fp16`` or ``quantized``."""
    return work / f"{soc}-{mode}-{turn}" / f"{op}.journal"


def ask_op(backend: Asker, spec: OpSpec, mode: str, path: Path, seed: int = 0) -> None:
    """Ask everything about ``spec`` that the journal at ``path`` does not know yet."""
    known = read(path, spec.digest)
    with Journal(path, spec.digest) as journal:
        found: list[Candidate] = []
        for number, case in enumerate(spec.cases):
            todo: list[tuple[Key, tuple[str, ...]]] = []
            for index, codes in enumerate(case.tuples()):
                if mode_of(codes) == mode and (number, index) not in known.answers:
                    todo.append(((number, index), codes))
            found += candidates_of(backend, spec, case, todo, journal)
        settling = Settling(backend, spec, journal, seed)
        size = 1 if known.deaths_together else TOGETHER
        for start in range(0, len(found), size):
            settling.settle(found[start : start + size])


def main(argv: list[str]) -> int:
    """Run as ``child SOC fp16|quantized TURN WORK OP...``; what the libraries print goes nowhere."""
    soc, mode, turn, work, *ops = argv
    import torch

    from qnnsolve.probe.ask import LiveBackend
    from qnnsolve.probe.ops import OPS

    torch.set_num_threads(1)
    backend = LiveBackend(soc, mode == "fp16")
    silence_libraries()
    for op in ops:
        ask_op(backend, OPS[op], mode, journal_path(Path(work), soc, mode, int(turn), op), int(turn))
    os._exit(0)  # the adaptor's own teardown is slow and not always clean


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
