"""``qnnsolve why``, ``why-not``, ``alternatives``, ``what-if``, ``conflicts``, ``repairs``, ``diff`` of kept runs."""

from __future__ import annotations

import argparse
from typing import IO, TYPE_CHECKING

from qnnsolve.cli.arguments import whole_number
from qnnsolve.cli.commands.groups import CommandGroup

if TYPE_CHECKING:
    from qnnsolve.questions import Opened, RunDifference, WhyNot

__all__ = ["register"]

_RUN = "a run that solve or export kept with --save"
_PLACE = "NODE or NODE.PORT, like bmm, layers.0.fc.weight or linear.in[0]; as for --pin, several nodes may be meant"


def register(group: CommandGroup) -> None:
    """Add the commands."""
    why = group.add(
        "why",
        _why,
        help="why a port has its encoding",
        description="Say why a port of a kept run has its encoding: who asked for it, or what stands against what was "
        "asked for. Torch is not needed.",
    )
    why.add_argument("run_file", metavar="RUN", help=_RUN)
    why.add_argument("place", metavar="PLACE", help=_PLACE)
    why_not = group.add(
        "why-not",
        _why_not,
        help="what would come of another encoding",
        description="Ask for something else at a place of a kept run, solve again, and say what came of it: a "
        "conflict, step by step, or a price and what changes elsewhere.",
    )
    why_not.add_argument("run_file", metavar="RUN", help=_RUN)
    why_not.add_argument("place", metavar="PLACE", help=_PLACE)
    why_not.add_argument("value", metavar="VALUE", help="an encoding (u16, s8/ch0), a preset (16a8w), npu or cpu")
    others = group.add(
        "alternatives",
        _alternatives,
        help="the legal configs around a node, with their prices",
        description="List what the ports of a node of a kept run can have together, the cheapest first, each with the "
        "price of the best whole config that has it.",
    )
    others.add_argument("run_file", metavar="RUN", help=_RUN)
    others.add_argument("place", metavar="NODE", help="a node; several may be meant, as for --pin")
    others.add_argument("--within", type=whole_number("a price"), metavar="PRICE", help="no dearer ones than this")
    others.add_argument(
        "--limit",
        type=whole_number("a number of configs"),
        default=10,
        metavar="N",
        help="how many of a node are shown (default: %(default)s)",
    )
    what_if = group.add(
        "what-if",
        _what_if,
        help="what another chip or wish would change",
        description="Solve the graph of a kept run with something else asked for, and show what is otherwise; exit 1 "
        "where no config exists.",
    )
    what_if.add_argument("run_file", metavar="RUN", help=_RUN)
    what_if.add_argument("--soc", help="another chipset; the shipped facts count")
    what_if.add_argument("--precision", help="another preset")
    what_if.add_argument("--pin", action="append", default=[], metavar="WHERE=WHAT", help="what must hold somewhere")
    what_if.add_argument("--prefer", action="append", default=[], metavar="WHERE=WHAT", help="what is preferred there")
    what_if.add_argument(
        "--allow-float", action="append", default=[], metavar="WHERE", help="what may stay on the CPU; it does"
    )
    strictness = what_if.add_mutually_exclusive_group()
    strictness.add_argument("--strict", action="store_true", help="a pin that cannot hold is a conflict (default)")
    strictness.add_argument("--lenient", dest="strict", action="store_false", help="give such pins up, and say so")
    what_if.set_defaults(strict=True)
    what_if.add_argument("--save", metavar="RUN", help="keep the new answer in this file")
    for command in (why, why_not):
        _add_depth(command)
    for name, run, help_, description in (
        ("conflicts", _conflicts, "which pins cannot hold", "Show every conflict of a kept run's pins, step by step."),
        ("repairs", _repairs, "what to give up", "Show which pins to give up, or which chip holds them all."),
    ):
        command = group.add(name, run, help=help_, description=f"{description} Exit 1 where there is a conflict.")
        command.add_argument("run_file", metavar="RUN", help=_RUN)
        _add_depth(command)
    diff = group.add(
        "diff",
        _diff,
        help="how two kept runs differ",
        description="Show how the config of one kept run differs from that of another; exit 1 where it does.",
    )
    diff.add_argument("run_file", metavar="RUN", help=_RUN)
    diff.add_argument("other", metavar="OTHER", help="another one")


def _add_depth(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--depth", type=whole_number("a number of steps"), metavar="N", help="only so many steps back from the verdict"
    )


def _opened(path: str) -> Opened:
    from qnnsolve.questions import Opened
    from qnnsolve.runs import load_run

    return Opened.of(load_run(path))


def _why(arguments: argparse.Namespace, stdout: IO[str]) -> int:
    from qnnsolve.questions import places, why

    opened = _opened(arguments.run_file)
    answers = [answer for place in places(opened, arguments.place) for answer in why(opened, place)]
    return _print_answers(answers, arguments, stdout)


def _why_not(arguments: argparse.Namespace, stdout: IO[str]) -> int:
    from qnnsolve.questions import places, why_not

    opened = _opened(arguments.run_file)
    answers = [why_not(opened, place, arguments.value) for place in places(opened, arguments.place)]
    return _print_answers(answers, arguments, stdout)


def _alternatives(arguments: argparse.Namespace, stdout: IO[str]) -> int:
    from qnnsolve.questions import alternatives, places
    from qnnsolve.report import json_results
    from qnnsolve.report.alternatives import alternatives_blocks, alternatives_json
    from qnnsolve.report.reference import print_blocks

    opened = _opened(arguments.run_file)
    nodes = [place.node for place in places(opened, arguments.place)]
    nodes = [node for node in nodes if node.name in opened.sites_of] or nodes
    found = [alternatives(opened, node, within=arguments.within, limit=arguments.limit) for node in nodes]
    if arguments.format == "json":
        print(json_results.dumps(alternatives_json(found, arguments.run_file)), file=stdout)
    else:
        print_blocks(alternatives_blocks(found), stdout)
    return 0


def _print_answers(answers: list[WhyNot], arguments: argparse.Namespace, stdout: IO[str]) -> int:
    from qnnsolve.report import json_results
    from qnnsolve.report.lines import print_lines
    from qnnsolve.report.questions import why_json, why_lines

    if arguments.format == "json":
        print(json_results.dumps(why_json(answers, arguments.run_file)), file=stdout)
    else:
        print_lines(tuple(why_lines(answers, verbose=arguments.verbose, depth=arguments.depth)), stdout)
    return 0


def _what_if(arguments: argparse.Namespace, stdout: IO[str]) -> int:
    from qnnsolve.cli.checks import check_kept
    from qnnsolve.questions import what_if
    from qnnsolve.report.lines import print_lines
    from qnnsolve.report.solve import head, solve_body
    from qnnsolve.results import Status
    from qnnsolve.runs import load_run, save_run

    check_kept(arguments.save, None, [("RUN", arguments.run_file)])
    before = load_run(arguments.run_file)
    solved, found = what_if(
        before,
        soc=arguments.soc,
        ask=arguments.precision,
        prefer=arguments.prefer,
        pin=arguments.pin,
        allow_float=arguments.allow_float,
        strict=arguments.strict,
    )
    if arguments.format == "text":
        print_lines(tuple(head(solved.result, arguments.run_file)), stdout)
        for conflict in solved.result.conflicts:
            print(f"  {conflict.text}", file=stdout)
    if arguments.format == "text" and found.cost_before is None:
        print(f"{arguments.run_file} is {before.status.value}: there is no config to compare with", file=stdout)
        print_lines(tuple(solve_body(solved.result)), stdout)
    elif solved.result.status is Status.SATISFIABLE or arguments.format == "json":
        _print_difference(found, arguments, "what was asked for here", stdout)
    if arguments.save is not None:
        save_run(arguments.save, solved, model=arguments.run_file)
    return 0 if solved.result.status is Status.SATISFIABLE else 1


def _conflicts(arguments: argparse.Namespace, stdout: IO[str]) -> int:
    return _print_clashing(arguments, stdout, repairing=False)


def _repairs(arguments: argparse.Namespace, stdout: IO[str]) -> int:
    return _print_clashing(arguments, stdout, repairing=True)


def _print_clashing(arguments: argparse.Namespace, stdout: IO[str], *, repairing: bool) -> int:
    from qnnsolve.questions import Clashing, conflicts_of, repairs_of
    from qnnsolve.report import json_results
    from qnnsolve.report.lines import print_lines
    from qnnsolve.report.questions import clash_lines, repair_lines, repairs_json
    from qnnsolve.runs import load_run

    clashing = Clashing.of(load_run(arguments.run_file))
    clashes = conflicts_of(clashing)
    complete = bool(clashing.unpinned) or clashing.examined.complete
    repairs = repairs_of(clashing) if repairing else ()
    if arguments.format == "json":
        print(json_results.dumps(repairs_json(clashes, repairs, arguments.run_file, complete=complete)), file=stdout)
    else:
        print_lines(
            tuple(
                repair_lines(repairs, clashes)
                if repairing
                else clash_lines(clashes, arguments.depth, complete=complete)
            ),
            stdout,
        )
    return 1 if clashes else 0


def _diff(arguments: argparse.Namespace, stdout: IO[str]) -> int:
    from qnnsolve.questions import difference, ports_of

    one, other = _opened(arguments.run_file), _opened(arguments.other)
    found = difference(
        (one.result, one.facts, ports_of(one.facts, one.encodings)),
        (other.result, other.facts, ports_of(other.facts, other.encodings)),
    )
    _print_difference(found, arguments, arguments.other, stdout)
    return 0 if found.empty else 1


def _print_difference(found: RunDifference, arguments: argparse.Namespace, other: str, stdout: IO[str]) -> None:
    from qnnsolve.report import json_results
    from qnnsolve.report.lines import print_lines
    from qnnsolve.report.questions import difference_json, difference_lines

    if arguments.format == "json":
        print(json_results.dumps(difference_json(found, arguments.run_file, other)), file=stdout)
    else:
        print_lines(tuple(difference_lines(found, arguments.run_file, other, verbose=arguments.verbose)), stdout)
