"""``qnnsolve ask``: questions with variables, asked of a kept run."""

from __future__ import annotations

import argparse
from typing import IO

from qnnsolve.cli.arguments import whole_number
from qnnsolve.cli.commands.groups import CommandGroup

__all__ = ["register"]

DEFAULT_LIMIT = 100


def register(group: CommandGroup) -> None:
    """Add the command."""
    ask = group.add(
        "ask",
        _ask,
        help="ask a kept run a question with variables",
        description='Ask a run that --save kept: \'node(N, "MatMul"), chosen(N, "in[1]", E), bits(E, 8)\' gives the '
        "values of N and E for which all of it holds. docs/questions.md has the relations. Without an answer it prints "
        "no, and the exit code is 0, too.",
    )
    ask.add_argument("run_file", metavar="RUN", help="the file of a kept run, such as model.qnn")
    ask.add_argument("question", metavar="QUESTION", help="goals with commas between")
    ask.add_argument("--why", action="store_true", help="show what each answer rests on, and on whose word")
    ask.add_argument(
        "--rule",
        action="append",
        default=[],
        metavar="RULE",
        help='a rule of your own, such as \'late(N) :- node(N, "Softmax"), reaches(N, "output").\'; may be repeated',
    )
    ask.add_argument(
        "--rules", action="append", default=[], metavar="FILE", help="a file of such rules; may be repeated"
    )
    ask.add_argument(
        "--limit",
        type=whole_number("a number of answers"),
        default=DEFAULT_LIMIT,
        metavar="N",
        help="how many answers are shown (default: %(default)s)",
    )


def _ask(arguments: argparse.Namespace, stdout: IO[str]) -> int:
    from qnnsolve.asking import ask, without_config
    from qnnsolve.report import answers, json_results
    from qnnsolve.report.reference import print_blocks
    from qnnsolve.runs import load_run

    run = load_run(arguments.run_file)
    found = ask(
        run,
        arguments.question,
        rules=arguments.rule,
        rule_files=arguments.rules,
        limit=arguments.limit,
        proofs=arguments.why,
    )
    note = without_config(run)
    if arguments.format == "json":
        print(json_results.dumps(answers.ask_json(found, arguments.run_file, note, proofs=arguments.why)), file=stdout)
    else:
        print_blocks(answers.answer_blocks(found, note, why=arguments.why), stdout)
    return 0
