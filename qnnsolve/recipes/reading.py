"""Recipes as wishes: :func:`read_recipes`."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

import attrs

from qnnsolve.encodings import Encoding
from qnnsolve.errors import UsageError
from qnnsolve.recipes.document import Document, Position, read_document
from qnnsolve.recipes.form import checked, entries
from qnnsolve.recipes.recipe import NO_RECIPE, Recipe
from qnnsolve.rules.alike import identity_of
from qnnsolve.rules.request import PRECISIONS
from qnnsolve.rules.wish_text import parse_what, wish_of
from qnnsolve.rules.wishes import By, Strength, What, Where, Wish, check_port

__all__ = ["Recipes", "read_recipes"]

Recipes: TypeAlias = "Recipe | str | os.PathLike[str] | Sequence[str | os.PathLike[str]]"
"""One or several files, or what was read from them."""


def read_recipes(recipes: Recipes) -> Recipe:
    """The recipes in these files together; what a later file says counts.

    Raises:
        RecipeError: a file cannot be read, or is no recipe; with the line, and the nearest name of an unknown one.
    """
    if isinstance(recipes, Recipe):
        return recipes
    several = [recipes] if isinstance(recipes, str | os.PathLike) else recipes
    return functools.reduce(lambda earlier, later: later.over(earlier), map(_read, several), NO_RECIPE)


def _read(path: str | os.PathLike[str]) -> Recipe:
    document = read_document(path)
    value = checked(document)
    precision, block_size = value.get("precision"), value.get("block_size")
    if precision is not None and precision not in PRECISIONS:
        document.unknown(("precision",), "precision", precision, PRECISIONS)
    if block_size is not None and block_size < 1:
        document.fail(("block_size",), "'block_size' must be 1 or more")
    wishes = (*_wishes(document), *_nodes(document, value.get("graph", "")))
    return Recipe(wishes, precision, block_size, value.get("about", {}), (os.fspath(path),))


def _wishes(document: Document) -> Iterator[Wish]:
    for at, entry, strength in entries(document, "wishes"):
        words = document.words(at)
        with _at(document, at, words):
            wish = wish_of(entry["where"], entry[strength], Strength(strength), words)
            yield attrs.evolve(wish, may_miss=entry.get("optional", False))


def _nodes(document: Document, graph: str) -> Iterator[Wish]:
    for at, entry, strength in entries(document, "nodes"):
        words, said = document.words(at), entry[strength]
        key = identity_of(entry["node"], entry["op"], entry.get("module", ""))
        ports: Mapping[str, object] = {"": said} if isinstance(said, str) else said
        for port, what in ports.items():
            place: Position = (*at, strength, port)
            if not isinstance(what, str):
                document.fail(place, f"'{port}' must be text")
            with _at(document, place, words):
                if port:
                    check_port(port, words)
                where = Where(By.SAVED, key, port, graph)
                wish = Wish(where, _had(what, words), words, Strength(strength), may_miss=True)
                if wish.what.cpu and (port or strength == "prefer"):
                    document.fail(place, "'cpu' is for a whole node, and a pin")
                yield attrs.evolve(wish, told_as=f"recipe {document.path}")


@contextlib.contextmanager
def _at(document: Document, where: Position, words: str) -> Iterator[None]:
    """What is wrong with a wish, as an error of its file."""
    try:
        yield
    except UsageError as error:
        document.fail(where, str(error).removeprefix(f"{words}: "))


def _had(text: str, words: str) -> What:
    """What a port had: an encoding by its name, and what is asked of calibration."""
    name, comma, others = text.partition(",")
    try:
        encoding = Encoding.of_name(name.strip())
    except ValueError:
        return parse_what(text, words)
    rest = parse_what(others, words) if comma else What()
    return attrs.evolve(rest, encoding=encoding)
