"""Recipes: wishes in a file, written by hand or saved from a solve. See ``docs/wishes.md``."""

from __future__ import annotations

from qnnsolve.recipes.chosen import chosen
from qnnsolve.recipes.reading import Recipes, read_recipes
from qnnsolve.recipes.recipe import NO_RECIPE, Recipe
from qnnsolve.recipes.writing import FORMATS, check_format, save_recipe, write_recipe

__all__ = [
    "FORMATS",
    "NO_RECIPE",
    "Recipe",
    "Recipes",
    "check_format",
    "chosen",
    "read_recipes",
    "save_recipe",
    "write_recipe",
]
