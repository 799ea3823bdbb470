"""Arguments that commands share."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Any, NoReturn, cast

from qnnsolve.errors import UsageError
from qnnsolve.foreign import printable
from qnnsolve.rules.target import PRECISION
from qnnsolve.rules.wish_text import parse_wish
from qnnsolve.rules.wishes import Strength

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

__all__ = [
    "EXITS",
    "Parser",
    "cache_arguments",
    "chip_arguments",
    "facts_arguments",
    "operator_arguments",
    "output_arguments",
    "request_arguments",
    "whole_number",
]


EXITS = """exit codes:
  0  done
  1  no legal config exists; or --strict and ops without facts; or a limit was hit before
     any config was found; or facts differ
  2  wrong usage or input
  3  this machine lacks what is needed (Qualcomm's HTP libraries), or the compiler failed
  4  the emulator disagrees with the converted model, by more than rounding; the .pte is kept
  5  an output is less near to the float model than --min-sqnr; the .pte is kept. Or the point
     that a search found measures less than --target"""

_MODEL_HELP = """a .pt2 file of torch.export.save, or module:callable (also file.py:callable); the callable takes
nothing and returns (nn.Module, example_inputs) or (nn.Module, example_inputs, iterable of calibration inputs)"""


class Parser(argparse.ArgumentParser):
    """Raises instead of printing a usage text and exiting, so that every error is one line."""

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong with the arguments."""
        raise UsageError(f"{message} (see {self.prog} --help)")

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        """Print --help or --version, where argparse (Python 3.11) passes over a stream that cannot be written."""
        try:
            print(message, end="", file=cast("IO[str] | None", file), flush=True)
        except BrokenPipeError:  # its reader has gone, and needs no more of it
            raise
        except OSError as error:
            raise UsageError(f"stdout cannot be written: {error.strerror}") from error


def request_arguments(parser: argparse.ArgumentParser) -> None:
    """A model and what is asked of it: SoC, precision, backend, strictness; and what is kept of the solve."""
    chip_arguments(parser)
    parser.add_argument(
        "--precision",
        help="8a8w, 16a8w, 16a4w, 16a4w_block, 16a16w, 8a4w, 16a2w or fp16a8w: bits of activations and of weights "
        f"(default: that of --recipe, or {PRECISION})",
    )
    parser.add_argument(
        "--recipe",
        action="append",
        default=[],
        metavar="FILE",
        help="wishes in a file (YAML, TOML or JSON), such as --save-recipe writes; may be repeated; --pin and --prefer "
        "count over it",
    )
    parser.add_argument(
        "--rules",
        action="append",
        default=[],
        metavar="FILE",
        help="a Python file of rules of your own; may be repeated",
    )
    parser.add_argument(
        "--save", metavar="RUN", help="keep the solve in this file, such as model.qnn; an earlier run there is replaced"
    )
    parser.add_argument(
        "--save-recipe",
        metavar="FILE",
        help="write what was chosen as a recipe: .yaml, .toml or .json, or .py for ExecuTorch's QuantRecipe",
    )
    parser.add_argument(
        "--report", metavar="FILE", help="write a page to look at, model.html: one file, which opens from disk"
    )
    parser.add_argument(
        "--overlay",
        metavar="FILE",
        help="write what was chosen as node data, model.overlay.json: Model Explorer shows it over a .pt2 and a .pte",
    )


def chip_arguments(parser: argparse.ArgumentParser) -> None:
    """A model, the chip, whose facts count, what must hold somewhere, strictness."""
    parser.add_argument("model", metavar="MODEL", help=_MODEL_HELP)
    parser.add_argument("--soc", required=True, help="a chipset of ExecuTorch's table, such as SM8350 or SM8750")
    parser.add_argument(
        "--block-size", type=whole_number("a block size"), metavar="N", help="weights per block, with 16a4w_block"
    )
    parser.add_argument(
        "--pin",
        action=_wish(Strength.PIN),
        dest="wishes",
        default=(),
        metavar="WHERE=WHAT",
        help="what must hold somewhere, like layers.0=16a8w or type:LayerNorm@out=u16; with --lenient a pin that "
        "cannot is given up, and the report says so; may be repeated, and of two for one port the later counts",
    )
    parser.add_argument(
        "--prefer",
        action=_wish(Strength.PREFER),
        dest="wishes",
        metavar="WHERE=WHAT",
        help="what is asked for somewhere in place of what is asked for everywhere: the nearest legal config; may be "
        "repeated",
    )
    parser.add_argument(
        "--unroll",
        type=whole_number("a number of steps"),
        metavar="N",
        help="steps of a recurrent layer (LSTM, GRU, RNN) that are spelled out at most (default: 128)",
    )
    parser.add_argument(
        "--time-limit",
        type=_seconds,
        metavar="SECONDS",
        help="how long the solve may take; then the best config found counts, with its gap; where there is none "
        "the exit code is 1 (inf: no limit; default: 120)",
    )
    parser.add_argument("--backend", default="htp", help="htp, lpai or a plugin's (default: %(default)s)")
    facts_arguments(parser)
    strictness = parser.add_mutually_exclusive_group()
    strictness.add_argument(
        "--strict", dest="strict", action="store_true", help="refuse ops without facts, and pins that cannot hold"
    )
    strictness.add_argument(
        "--lenient",
        dest="strict",
        action="store_false",
        help="leave ops without facts float and give up pins that cannot hold, and say so (default)",
    )
    parser.set_defaults(strict=False)


def output_arguments(parser: argparse.ArgumentParser) -> None:
    """How the answer is printed; every command takes these."""
    parser.add_argument("--format", choices=("text", "json"), default="text", help="the report on stdout")
    parser.add_argument("--verbose", "-v", action="store_true", help="show warnings and logs of torch and ExecuTorch")


def operator_arguments(parser: argparse.ArgumentParser) -> None:
    """Which backend's facts, and on which chipset."""
    parser.add_argument("--soc", help="a chipset such as SM8350 (default: every arch)")
    parser.add_argument("--backend", default="htp", help="htp, lpai or a plugin's (default: %(default)s)")


def facts_arguments(parser: argparse.ArgumentParser) -> None:
    """Whose facts count."""
    parser.add_argument(
        "--facts", action="append", default=[], metavar="FILE", help="a TOML file of your own facts; may be repeated"
    )
    parser.add_argument(
        "--facts-source",
        default="both",
        help="whose operator tables count: both (what measurement and the SDK both accept), measured or sdk "
        "(default: %(default)s)",
    )


def whole_number(what: str) -> Callable[[str], int]:
    """A parser of whole numbers from 1 up; ``what`` such a number is, for the error."""

    def parsed(text: str) -> int:
        if not text.isdecimal() or int(text) < 1:
            raise argparse.ArgumentTypeError(f"{text} is not {what}")
        return int(text)

    return parsed


def _wish(strength: Strength) -> type[argparse.Action]:
    """Adds a wish of that strength to those that were typed before."""

    class Wished(argparse.Action):
        def __call__(
            self,
            parser: argparse.ArgumentParser,
            namespace: argparse.Namespace,
            values: Any,
            option_string: str | None = None,
        ) -> None:
            words = f"--{strength.value} {printable(values)}"
            namespace.wishes = (*(namespace.wishes or ()), parse_wish(values, strength, words))

    return Wished


def _seconds(text: str) -> float:
    with contextlib.suppress(ValueError):
        value = float(text)
        if value >= 0:
            return value
    raise argparse.ArgumentTypeError(f"{text} is not a number of seconds such as 60")


def cache_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--cache`` and ``--no-cache``."""
    cache = parser.add_mutually_exclusive_group()
    cache.add_argument(
        "--cache",
        default=True,
        metavar="FOLDER",
        help="where compiled programs are kept, so that the next export of the same quantized graph does not compile "
        "again, 4 GB at most (default: QNNSOLVE_CACHE, or ~/.cache/qnnsolve/programs)",
    )
    cache.add_argument(
        "--no-cache", dest="cache", action="store_false", help="compile, whatever is kept, and keep nothing"
    )
