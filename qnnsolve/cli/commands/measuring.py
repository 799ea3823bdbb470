"""``qnnsolve facts measure`` and ``verify``: ask the real backend, for new facts or about the shipped ones."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from qnnsolve.cli.arguments import whole_number
from qnnsolve.cli.commands.groups import CommandGroup
from qnnsolve.errors import UnknownNameError, UsageError

__all__ = ["register"]

SAMPLES = 2000


def register(group: CommandGroup) -> None:
    """Add both commands."""
    measure = group.add(
        "measure",
        _measure,
        help="measure operators on the real backend",
        description="Ask the validator, the compiler and the emulator about every tuple of dtypes; write one table per "
        "operator. Answers are kept: a sweep that was stopped goes on where it was.",
    )
    measure.add_argument("--op", action="append", metavar="OPERATOR", help="only this one (repeatable; default: all)")
    measure.add_argument("--soc", action="append", help="only this chipset's arch (repeatable; default: all archs)")
    measure.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where the tables are written")
    measure.add_argument("--work", type=Path, metavar="FOLDER", help="where answers are kept (default: OUT/.work)")
    verify = group.add(
        "verify",
        _verify,
        help="ask the real backend again about a sample of the shipped facts",
        description="Ask again about randomly chosen shipped facts, accepted and rejected; exit 1 on any difference.",
    )
    verify.add_argument(
        "--samples",
        type=whole_number("a number of samples"),
        default=SAMPLES,
        metavar="N",
        help="per arch (default: %(default)s)",
    )
    verify.add_argument("--seed", type=int, default=0, metavar="S", help="which sample (default: %(default)s)")
    verify.add_argument("--soc", action="append", help="only this chipset's arch (repeatable; default: all archs)")
    verify.add_argument(
        "--set-aside",
        type=Path,
        metavar="FOLDER",
        help="write the tables of operators that answer differently there, with those tuples as unstable",
    )


def _measured_archs(names: Iterable[str] | None) -> list[str]:
    """Archs by chipset or by their own names; all that are measured where none is given.

    Raises:
        UnknownNameError: neither a chipset nor an arch.
    """
    from qnnsolve.facts.backends import backend
    from qnnsolve.facts.socs import soc, socs

    archs = backend("htp").archs
    found: list[str] = []
    for name in names or archs:
        if name.upper() not in archs and name.upper() not in {each.name for each in socs()}:
            raise UnknownNameError("SoC", name, [*archs, *(each.name for each in socs())])
        found.append(name.upper() if name.upper() in archs else soc(name).htp_arch)
    return sorted(set(found), key=archs.index)


def _measure(arguments: argparse.Namespace, stdout: IO[str]) -> int:
    from qnnsolve.cli.terminal import progress_bar
    from qnnsolve.host import libraries
    from qnnsolve.probe.ops import OPS
    from qnnsolve.report import facts, json_results

    archs = _measured_archs(arguments.soc)
    for op in arguments.op or ():
        if op not in OPS:
            raise UnknownNameError("operator", op, OPS)
    _check_folder("--out", arguments.out)
    libraries.ensure_compiler("htp")

    from qnnsolve.probe.sweep import measure

    ops = list(dict.fromkeys(arguments.op or OPS))
    with progress_bar() as progress:
        done = measure(ops, archs, arguments.out, arguments.work or arguments.out / ".work", progress)
    if arguments.format == "json":
        print(json_results.dumps(facts.measure_json(done.tables, archs, done.seconds)), file=stdout)
    else:
        tables = f"{len(done.tables)} table(s) for {', '.join(archs)} in {arguments.out}"
        print(f"{tables}, {done.seconds:.0f} s", file=stdout)
    return 0


def _check_folder(option: str, folder: Path) -> None:
    """Make sure that tables can be written before an hour goes into measuring them.

    Raises:
        UsageError: it is a file, or cannot be made.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--out {folder} is not a folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(f"{option} {folder} cannot be written: {error.strerror}") from error


def _verify(arguments: argparse.Namespace, stdout: IO[str]) -> int:
    from qnnsolve.cli.terminal import progress_bar
    from qnnsolve.facts.table_writing import write_table
    from qnnsolve.facts.tables import shipped_tables
    from qnnsolve.host import libraries
    from qnnsolve.report import facts, json_results

    archs = _measured_archs(arguments.soc)
    if arguments.set_aside is not None:
        _check_folder("--set-aside", arguments.set_aside)
    libraries.ensure_compiler("htp")

    from qnnsolve.probe.ask import SOCS
    from qnnsolve.probe.recheck import recheck, set_aside

    tables = shipped_tables("htp")
    with progress_bar() as progress:
        socs = [SOCS[arch] for arch in archs]
        done = recheck(tables, arguments.samples, arguments.seed, socs, progress)
    if arguments.set_aside is not None:
        for op, table in set_aside(tables, done.differences).items():
            write_table(table, arguments.set_aside / f"{op}.json")
    if arguments.format == "json":
        document = facts.verify_json(done, archs, arguments.seed)
        print(json_results.dumps(document), file=stdout)
    else:
        for line in facts.verify_lines(done, archs, arguments.seed):
            print(line, file=stdout)
    return 1 if done.differences else 0
