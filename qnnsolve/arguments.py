"""The arguments of the command ``qnnsolve``, and the checks on them that need neither torch nor the model."""

from __future__ import annotations

import argparse
import math
import tempfile
from pathlib import Path
from typing import NoReturn

from qnnsolve import __version__
from qnnsolve.errors import UsageError

__all__ = ["check_names", "check_output", "parser"]

DEFAULT_PRECISION = "8a8w"
DEFAULT_TOLERANCE = 0.01


_EXITS = """exit codes:
  0  done
  1  no legal config exists; or --strict and ops without facts; or a limit was hit
  2  wrong usage or input
  3  this machine lacks what is needed (Qualcomm's HTP libraries), or the compiler failed
  4  the emulator disagrees with the converted model; the .pte is kept"""

_MODEL_HELP = """a .pt2 file of torch.export.save, or module:callable (also file.py:callable); the callable takes
nothing and returns (nn.Module, example_inputs) or (nn.Module, example_inputs, iterable of calibration inputs)"""

_CALIBRATION_HELP = """an .npz with one array per input (named like it, or arr_0, arr_1 ...; the first axis counts
samples), a .pt with a list of tuples of tensors or a dict of stacked tensors, or module:callable. Default: what
MODEL's callable returns as its third item, else the example inputs"""


class _Parser(argparse.ArgumentParser):
    """Raises instead of printing a usage text and exiting, so that every error is one line."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see {self.prog} --help)")


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command; it raises :class:`UsageError` where argparse would exit."""
    top = _Parser(
        prog="qnnsolve",
        description="One consistent, legal quantization config for a PyTorch model on Qualcomm's QNN backend.",
        epilog=_EXITS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"qnnsolve {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    export = commands.add_parser(
        "export",
        help="solve, calibrate, lower to a .pte, and compare it with the model",
        description="Export a model to a .pte for one SoC: solve, annotate, calibrate, convert, lower, verify, report.",
        epilog=_EXITS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _common_arguments(export)
    export.add_argument("--out", "-o", required=True, metavar="FILE", help="the .pte to write; replaced only when done")
    export.add_argument("--calibration", metavar="DATA", help=_CALIBRATION_HELP)
    export.add_argument("--no-verify", action="store_true", help="do not run the .pte on the emulator")
    export.add_argument(
        "--tolerance",
        type=_tolerance,
        default=DEFAULT_TOLERANCE,
        metavar="FRACTION",
        help="largest error of the emulator against the converted model, as a fraction of the output's range "
        "(default: %(default)s)",
    )
    solve = commands.add_parser(
        "solve",
        help="stop after the solve and report it",
        description="Find the config for a model on one SoC and report it; writes nothing and needs no HTP libraries.",
        epilog=_EXITS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _common_arguments(solve)
    return top


def _common_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help=_MODEL_HELP)
    parser.add_argument("--soc", required=True, help="a chipset of ExecuTorch's table, such as SM8350 or SM8750")
    parser.add_argument(
        "--precision",
        default=DEFAULT_PRECISION,
        help="8a8w, 16a8w, 16a4w, 16a4w_block, 16a16w, 8a4w, 16a2w or fp16a8w: bits of activations and of weights "
        "(default: %(default)s)",
    )
    parser.add_argument("--block-size", type=_block_size, metavar="N", help="weights per block, with 16a4w_block")
    parser.add_argument("--backend", default="htp", help="htp, lpai or a plugin's (default: %(default)s)")
    strictness = parser.add_mutually_exclusive_group()
    strictness.add_argument("--strict", dest="strict", action="store_true", help="refuse ops without facts")
    strictness.add_argument(
        "--lenient", dest="strict", action="store_false", help="leave ops without facts float, and say so (default)"
    )
    parser.set_defaults(strict=False)
    parser.add_argument("--format", choices=("text", "json"), default="text", help="the report on stdout")
    parser.add_argument("--verbose", "-v", action="store_true", help="show warnings and logs of torch and ExecuTorch")


def _tolerance(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and value >= 0):
        raise argparse.ArgumentTypeError(f"{text} is not a fraction such as 0.01")
    return value


def _block_size(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a block size")
    return value


def check_names(arguments: argparse.Namespace) -> None:
    """Names first: they cost nothing, and torch is not even imported.

    Raises:
        UsageError: an unknown SoC, precision or backend, a SoC without that backend's accelerator, or a block size
            that nothing uses.
        PluginError: the distribution that offers the backend is broken.
    """
    from qnnsolve.facts.backends import backend
    from qnnsolve.facts.socs import soc
    from qnnsolve.rules.request import precision

    chip = soc(arguments.soc)
    arguments.soc = chip.name
    precision(arguments.precision)
    backend(arguments.backend).arch(chip)
    if arguments.block_size is not None and not precision(arguments.precision).per_block:
        raise UsageError(f"--block-size goes with --precision 16a4w_block, not {arguments.precision}")


def check_output(text: str) -> None:
    """Make sure, by trying, that a file can be written there before hours go into making it.

    Raises:
        UsageError: it cannot, and why.
    """
    path = Path(text)
    if path.is_dir():
        raise UsageError(f"--out {text} is a folder")
    if not path.parent.is_dir():
        raise UsageError(f"--out {text}: no folder {path.parent}")
    if path.exists() and not path.is_file():
        raise UsageError(f"--out {text} is not a file")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise UsageError(f"--out {text}: the folder {path.parent} cannot be written: {error.strerror}") from error
