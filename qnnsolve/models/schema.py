"""The JSON of a ``.pt2``, checked against torch's own schema: :func:`checked`.

torch 2.13 reads it without a look at the types. Here every string has its check (:mod:`qnnsolve.models.fields`); a
field that has none is refused, and what the schema does not know is left out.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import typing
from collections.abc import Mapping
from types import UnionType
from typing import Any

from qnnsolve.foreign import printable
from qnnsolve.models.fields import DEEPEST, EMPTIED, KEPT_KEYS, KEYS, STRINGS, refusal
from qnnsolve.models.refused import Refused

__all__ = ["checked"]

LARGEST = 2**63


def checked(kind: type, data: Any) -> Any:
    """``data``, parsed JSON, as torch's dataclass ``kind`` writes it: known fields of the right types, checked.

    Raises:
        Refused: something in it is not what torch writes.
    """
    return _value(kind, data, kind.__name__, 0)


def _value(kind: Any, data: Any, where: str, depth: int) -> Any:
    from torch._export.serde.union import _Union

    if depth > DEEPEST:
        raise Refused("is nested too deeply")
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, UnionType) or data is None:
        return (
            None if data is None else _value(next(each for each in inner if each is not type(None)), data, where, depth)
        )
    if origin is list and isinstance(data, list):
        return [_value(inner[0], each, where, depth + 1) for each in data]
    if origin is dict and isinstance(data, dict):
        return _mapping(inner[1], data, where, depth)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind) and isinstance(data, dict):
        if issubclass(kind, _Union) and len(data) != 1:
            raise Refused(f"has a {kind.__name__} of {len(data)} values")
        return _fields(kind, data, depth, strict=issubclass(kind, _Union))
    return _scalar(kind, data, where)


def _mapping(kind: Any, data: Mapping[str, Any], where: str, depth: int) -> dict[str, Any]:
    kept = {key: data[key] for key in KEPT_KEYS[where] if key in data} if where in KEPT_KEYS else data
    if where not in KEPT_KEYS:
        for key in kept:
            KEYS[where](key)
    return {key: _value(kind, each, where, depth + 1) for key, each in kept.items()}


def _fields(kind: type, data: Mapping[str, Any], depth: int, strict: bool) -> dict[str, Any]:
    from torch._export.serde import schema

    hints = _hints(kind, vars(schema))
    if strict and not data.keys() <= hints.keys():
        raise refusal(f"has a {kind.__name__}", next(iter(data)))
    found: dict[str, Any] = {}
    for name, hint in hints.items():
        where = f"{kind.__name__}.{name}"
        if where in EMPTIED:
            found[name] = []
        elif name in data:
            found[name] = _value(hint, data[name], where, depth + 1)
    return found


_HINTS: dict[type, Mapping[str, Any]] = {}


def _hints(kind: type, names: dict[str, Any]) -> Mapping[str, Any]:
    if kind not in _HINTS:
        _HINTS[kind] = typing.get_type_hints(kind, globalns=names)
    return _HINTS[kind]


def _scalar(kind: Any, data: Any, where: str) -> Any:
    match data:
        case bool() if kind is bool:
            return data
        case int() if isinstance(kind, type) and issubclass(kind, enum.IntEnum) and not isinstance(data, bool):
            if data in set(kind):
                return data
        case int() if kind in (int, float) and not isinstance(data, bool):
            if -LARGEST <= data < LARGEST or kind is float:
                return data
        case float() if kind is float:
            return data
        case "Infinity" | "-Infinity" | "NaN" if kind is float:
            return data
        case str() if kind is str:
            if where not in STRINGS:
                raise Refused(f"says something of its {where}, which this qnnsolve does not know")
            STRINGS[where](data)
            return data
    raise Refused(f"has {printable(json.dumps(data), 60)} as {where}, which torch would not write")
