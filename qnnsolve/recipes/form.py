"""The form of a recipe: its keys, and the type of each value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from qnnsolve.recipes.document import Document, Position

__all__ = ["FORMAT", "checked", "entries"]

FORMAT = 1

_TOP: Mapping[str, type] = MappingProxyType(
    {"format": int, "about": dict, "precision": str, "block_size": int, "wishes": list, "graph": str, "nodes": list}
)
_STRENGTHS = ("pin", "prefer")
_ENTRIES: Mapping[str, Mapping[str, tuple[type, ...]]] = MappingProxyType(
    {
        "wishes": {"where": (str,), "pin": (str,), "prefer": (str,), "optional": (bool,)},
        "nodes": {"node": (str,), "op": (str,), "module": (str,), "pin": (dict, str), "prefer": (dict, str)},
    }
)
_NEEDED = {"wishes": ("where",), "nodes": ("node", "op")}
_WORDS = {
    str: "text",
    int: "a whole number",
    bool: "true or false",
    list: "a list",
    dict: "a mapping",
}


def checked(document: Document) -> Mapping[str, Any]:
    """The keys of a recipe and their values, each known and of its type.

    Raises:
        RecipeError: they are not.
    """
    value = document.value
    if not isinstance(value, dict):
        document.fail((), "is no recipe: format, precision and wishes are its keys")
    for key, given in value.items():
        if key not in _TOP:
            document.unknown((key,), "key", key, _TOP)
        _typed(document, (key,), key, given, (_TOP[key],))
    if value.get("format") != FORMAT:
        document.fail(("format",), f"needs format: {FORMAT}")
    for key, said in value.get("about", {}).items():
        _typed(document, ("about", key), key, said, (str,))
    return value


def entries(document: Document, section: str) -> Iterator[tuple[Position, Mapping[str, Any], str]]:
    """The entries of a section, each with known keys of the right types: where it stands, its values, its strength.

    Raises:
        RecipeError: a key is unknown, missing, or of another type; or there is not one of ``pin`` and ``prefer``.
    """
    types = _ENTRIES[section]
    for index, entry in enumerate(document.value.get(section, ())):
        at: Position = (section, index)
        _typed(document, at, f"an entry of {section}", entry, (dict,))
        for key, given in entry.items():
            if key not in types:
                document.unknown((*at, key), f"key in {section}", key, types)
            _typed(document, (*at, key), key, given, types[key])
        for key in _NEEDED[section]:
            if key not in entry:
                document.fail(at, f"an entry of {section} needs '{key}'")
        strengths = [key for key in _STRENGTHS if key in entry]
        if len(strengths) != 1:
            document.fail(at, f"an entry of {section} has either 'pin' or 'prefer'")
        yield at, entry, strengths[0]


def _typed(document: Document, where: Position, key: str, given: Any, types: tuple[type, ...]) -> None:
    if not isinstance(given, types) or (isinstance(given, bool) and bool not in types):
        words = " or ".join(_WORDS[each] for each in types)
        quotes = "; put it between quotes" if str in types and not isinstance(given, list | dict) else ""
        name = key if " " in key else f"'{key}'"
        document.fail(where, f"{name} must be {words}{quotes}")
    if isinstance(given, str) and not given.strip() and key != "module":
        document.fail(where, f"'{key}' is empty")
