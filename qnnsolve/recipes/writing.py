"""Recipes into files: YAML, TOML and JSON say the same, and ``.py`` is source for ExecuTorch's QuantRecipe."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import tomli_w
import yaml

from qnnsolve import __version__
from qnnsolve.errors import UsageError, suggestion
from qnnsolve.host.outputs import put, unfinished
from qnnsolve.recipes.chosen import chosen
from qnnsolve.recipes.form import FORMAT
from qnnsolve.recipes.recipe import Recipe
from qnnsolve.recipes.source import quant_recipe_source
from qnnsolve.rules.alike import parts
from qnnsolve.rules.wishes import By, Strength, Wish
from qnnsolve.runs import Run, Solved
from qnnsolve.solver import Solution

__all__ = ["FORMATS", "check_format", "save_recipe", "write_recipe"]


def write_recipe(path: str | os.PathLike[str], recipe: Recipe) -> None:
    """Write ``recipe`` to ``path``, in the syntax that its name ends with; what stood there is replaced as a whole.

    The same recipe gives the same bytes.

    Raises:
        UsageError: the name ends with something else, or the file cannot be written.
    """
    text = FORMATS[check_format(path)](recipe)
    target = Path(path)
    try:
        with unfinished(target) as partial:
            partial.write_text(text, encoding="utf-8", newline="\n")
            put(partial, target)
    except OSError as error:
        raise UsageError(f"recipe {target} cannot be written: {error.strerror}") from error


def save_recipe(path: str | os.PathLike[str], solved: Solved | Run | None, *, model: str = "") -> None:
    """Write what ``solved`` chose as a recipe that asks for the same.

    Args:
        path: the file; its name ends with one of :data:`FORMATS`.
        solved: a solve (``quantizer.solved``), or a run that was kept; it has a solution.
        model: what the model is called.

    Raises:
        UsageError: there is no solution, the name ends with something else, or the file cannot be written.
    """
    if solved is None or not isinstance(solved.outcome, Solution):
        raise UsageError(f"recipe {path}: there is no solution to save")
    about = {"model": model, "soc": solved.result.soc, "qnnsolve": __version__}
    write_recipe(
        path, chosen(solved.facts, solved.outcome.encodings, {key: said for key, said in about.items() if said})
    )


def check_format(path: str | os.PathLike[str]) -> str:
    """How the name of a recipe's file ends: a key of :data:`FORMATS`.

    Raises:
        UsageError: it ends with something else.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise UsageError(
            f"a recipe's name ends with {', '.join(FORMATS)}, not '{suffix}': {suggestion(suffix, FORMATS)}"
        )
    return suffix


def _document(recipe: Recipe) -> dict[str, Any]:
    """The keys of a recipe, in the order in which a reader wants them."""
    saved = [wish for wish in recipe.wishes if wish.where.by is By.SAVED]
    wishes = [_entry(wish) for wish in recipe.wishes if wish.where.by is not By.SAVED]
    graphs = dict.fromkeys(wish.where.graph for wish in saved)
    found: dict[str, Any] = {
        "format": FORMAT,
        "about": dict(recipe.about),
        "precision": recipe.precision,
        "block_size": recipe.block_size,
        "wishes": wishes,
        "graph": next(iter(graphs), ""),
        "nodes": _nodes(saved),
    }
    return {key: value for key, value in found.items() if value}


def _entry(wish: Wish) -> dict[str, Any]:
    entry: dict[str, Any] = {"where": str(wish.where), wish.strength.value: str(wish.what)}
    return {**entry, "optional": True} if wish.may_miss else entry


def _nodes(saved: Iterable[Wish]) -> list[dict[str, Any]]:
    of_node: dict[tuple[str, Strength], dict[str, str]] = {}
    for wish in saved:
        of_node.setdefault((wish.where.key, wish.strength), {})[wish.where.port] = str(wish.what)
    entries = []
    for (key, strength), ports in of_node.items():
        name, called, module = parts(key)
        named = {"node": name, "op": called, **({"module": module} if module else {})}
        entries.append({**named, strength.value: ports.get("", ports)})
    return entries


def _yaml(recipe: Recipe) -> str:
    dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text: str = yaml.dump(
        _document(recipe), Dumper=dumper, sort_keys=False, allow_unicode=True, width=4096, default_flow_style=None
    )
    return text


def _json(recipe: Recipe) -> str:
    return json.dumps(_document(recipe), indent=1, ensure_ascii=False) + "\n"


FORMATS: Mapping[str, Callable[[Recipe], str]] = MappingProxyType(
    {
        ".yaml": _yaml,
        ".yml": _yaml,
        ".toml": lambda recipe: tomli_w.dumps(_document(recipe)),
        ".json": _json,
        ".py": quant_recipe_source,
    }
)
"""By the end of a file's name: what writes the text."""
