"""The forms, one file per family: argument grids as data, each entry a module with its own inputs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

import attrs

from benchmarks.sweep.form import Form
from benchmarks.sweep.forms import (
    attention,
    blocks,
    convolutions,
    heads,
    integers,
    moves,
    names,
    norms,
    pointwise,
    pools,
    products,
    rarities,
    reductions,
    resizes,
    spelled,
    writes,
)

__all__ = ["all_forms"]

_FAMILIES = (
    convolutions,
    pools,
    resizes,
    products,
    norms,
    attention,
    pointwise,
    integers,
    rarities,
    reductions,
    moves,
    writes,
    spelled,
    names,
    blocks,
    heads,
)


@cache
def all_forms() -> Mapping[str, Form]:
    """Every form by its name, in the order of the files.

    Raises:
        ValueError: two forms have one name.
    """
    found: dict[str, Form] = {}
    for family in _FAMILIES:
        for form in family.forms():
            if form.name in found:
                raise ValueError(f"two forms are called {form.name}")
            found[form.name] = attrs.evolve(form, family=family.__name__.rpartition(".")[2])
    return MappingProxyType(found)
