"""Checks on what was typed that need neither torch nor the model: they come before any work."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable
from os import PathLike
from pathlib import Path

from qnnsolve.errors import UsageError
from qnnsolve.foreign import printable
from qnnsolve.host.outputs import spare_inputs

__all__ = ["check_chip", "check_kept", "check_names", "check_output"]


def check_names(arguments: argparse.Namespace) -> None:
    """Check the names that were typed: that costs nothing, and torch is not even imported.

    Raises:
        UsageError: an unknown SoC, precision or backend, a SoC without that backend's accelerator, or a block size
            that nothing uses.
        FactsError: a file of the user's facts says what cannot be.
        RecipeError: a recipe is malformed.
        PluginError: the distribution that offers the backend is broken.
    """
    from qnnsolve.recipes import read_recipes
    from qnnsolve.rules import backend_rules
    from qnnsolve.rules.own_files import own_rules_in
    from qnnsolve.rules.request import precision
    from qnnsolve.rules.target import PRECISION

    check_chip(arguments)
    own_rules_in(arguments.rules, backend_rules(arguments.backend))
    arguments.recipe = read_recipes(arguments.recipe)
    asked = precision(arguments.precision or arguments.recipe.precision or PRECISION)
    if arguments.block_size is not None and not asked.per_block:
        raise UsageError(f"--block-size goes with --precision 16a4w_block, not {asked.name}")


def check_chip(arguments: argparse.Namespace) -> None:
    """Check the names of the SoC, the backend and the source of facts, and read the user's facts.

    Raises:
        UsageError: an unknown SoC or backend, or a SoC without that backend's accelerator.
        FactsError: a file of the user's facts says what cannot be.
        PluginError: the distribution that offers the backend is broken.
    """
    from qnnsolve.facts.backends import backend
    from qnnsolve.facts.socs import soc
    from qnnsolve.facts.user_file import read_user_facts
    from qnnsolve.opinfo_facts import facts_source

    facts_source(arguments.facts_source)
    backend(arguments.backend)
    arguments.facts = read_user_facts(arguments.facts, arguments.backend)
    chip = soc(arguments.soc, arguments.facts.socs)
    arguments.soc = chip.name
    backend(arguments.backend).arch(chip)


def check_output(
    text: str, inputs: Iterable[tuple[str, str | PathLike[str] | None]] = (), option: str = "--out"
) -> None:
    """Make sure, by trying, that a file can be written there before hours go into making it.

    Args:
        text: what the user typed.
        inputs: files that are read, and so must not be overwritten: what each is for, and its path or None.
        option: the option that it was typed after.

    Raises:
        UsageError: it cannot, and why.
    """
    path = Path(text)
    try:
        if path.is_dir():
            raise UsageError(f"{option} {text} is a folder")
        if not path.parent.is_dir():
            raise UsageError(f"{option} {text}: no folder {path.parent}")
        if path.exists() and not path.is_file():
            raise UsageError(f"{option} {text} is not a file")
        spare_inputs(option, path, inputs)
    except (OSError, ValueError) as error:
        raise UsageError(f"{option} {printable(text)}: {getattr(error, 'strerror', None) or error}") from error
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise UsageError(f"{option} {text}: the folder {path.parent} cannot be written: {error.strerror}") from error


def check_kept(run: str | None, recipe: str | None, others: Iterable[tuple[str, str | PathLike[str] | None]]) -> None:
    """Make sure that a run and a recipe can be written to these files, which are none of the ``others`` that are read
    or written.

    Raises:
        UsageError: one cannot, and why.
    """
    if run is not None:
        from qnnsolve.runs import check_target

        check_output(run, others, "--save")
        check_target(run)
    if recipe is not None:
        from qnnsolve.recipes import check_format

        check_output(recipe, [*others, ("the --save", run)], "--save-recipe")
        check_format(recipe)
