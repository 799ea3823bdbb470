"""Records of attrs to JSON and back, by cattrs: what needs no columns of its own.

Sources and encodings stand as their ids, enums by their names, and mappings as lists of pairs. What has its default is
left out.
"""

from __future__ import annotations

import enum
import typing
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from cattrs import Converter
from cattrs.strategies import configure_union_passthrough

from qnnsolve.encodings import Encoding
from qnnsolve.runs.ids import Met, StoredIds
from qnnsolve.sources import Source

__all__ = ["reader", "writer"]


def _converter() -> Converter:
    converter = Converter(omit_if_default=True, forbid_extra_keys=True, detailed_validation=False)
    configure_union_passthrough(int | float | str | bool | None, converter)
    return converter


def _is(kind: type) -> typing.Callable[[Any], bool]:
    return lambda cls: isinstance(cls, type) and issubclass(cls, kind)


def _has_origin(*origins: object) -> typing.Callable[[Any], bool]:
    return lambda cls: (typing.get_origin(cls) or cls) in origins


def writer(met: Met) -> Converter:
    """Makes plain data of records; what they name is met."""
    converter = _converter()
    converter.register_unstructure_hook(Source, met.sources)
    converter.register_unstructure_hook(Encoding, met.encodings)
    converter.register_unstructure_hook_func(_is(enum.Enum), lambda value: value.name)
    converter.register_unstructure_hook_func(
        _has_origin(frozenset), lambda value: sorted(converter.unstructure(each) for each in value)
    )
    converter.register_unstructure_hook_func(
        _has_origin(Mapping, dict, MappingProxyType),
        lambda value: [[converter.unstructure(key), converter.unstructure(each)] for key, each in value.items()],
    )
    return converter


def reader(known: StoredIds) -> Converter:
    """Makes records of plain data."""
    converter = _converter()
    converter.register_structure_hook(Source, lambda value, _: known.sources[value])
    converter.register_structure_hook(Encoding, lambda value, _: known.encodings[value])
    converter.register_structure_hook_func(_is(enum.Enum), lambda value, cls: cls[value])
    converter.register_structure_hook_func(_has_origin(Mapping, dict), _mapping(converter))
    return converter


def _mapping(converter: Converter) -> typing.Callable[[Any, Any], Any]:
    def structured(value: Any, cls: Any) -> Any:
        key, each = typing.get_args(cls)
        return {converter.structure(k, key): converter.structure(v, each) for k, v in value}

    return structured
