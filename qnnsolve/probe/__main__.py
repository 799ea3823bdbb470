"""``python -m qnnsolve.probe``: measure again what the compiler accepts."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from qnnsolve.errors import QnnSolveError, UnknownNameError
from qnnsolve.probe.ask import SOCS
from qnnsolve.probe.ops import OPS
from qnnsolve.probe.sweep import measure


def main(argv: list[str] | None = None) -> int:
    """Run the command; 0 when every table is written."""
    parser = argparse.ArgumentParser(prog="python -m qnnsolve.probe", description=__doc__)
    parser.add_argument("--op", action="append", metavar="OP", help="only this op (repeatable); default: all")
    parser.add_argument("--soc", action="append", metavar="SOC", help="only this SoC or arch (repeatable)")
    parser.add_argument("--out", type=Path, required=True, help="where the tables are written")
    parser.add_argument("--work", type=Path, help="where answers are kept; default: OUT/.work")
    given = parser.parse_args(argv)
    start = time.monotonic()

    def tell(line: str) -> None:
        print(f"{time.monotonic() - start:6.0f} s  {line}", flush=True)

    try:
        archs = [_arch(name) for name in given.soc or SOCS]
        for op in given.op or ():
            if op not in OPS:
                raise UnknownNameError("operator", op, OPS)
        paths = measure(given.op or list(OPS), archs, given.out, given.work or given.out / ".work", tell)
    except QnnSolveError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    tell(f"{len(paths)} table(s) in {given.out}")
    return 0


def _arch(name: str) -> str:
    known = {soc: arch for arch, soc in SOCS.items()} | {arch: arch for arch in SOCS}
    if name.upper() not in known:
        raise UnknownNameError("SoC", name, known)
    return known[name.upper()]


if __name__ == "__main__":
    sys.exit(main())
