"""A file of YAML, TOML or JSON as plain values, and the line of each: :func:`read_document`."""

from __future__ import annotations

import contextlib
import json
import os
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

import attrs
import yaml

from qnnsolve.errors import RecipeError, nearest, suggestion
from qnnsolve.facts.toml_lines import Position, lines_of
from qnnsolve.foreign import first_line, printable
from qnnsolve.host.inputs import plain_bytes

__all__ = ["Document", "Position", "read_document"]

DEEPEST = 20
"""Lists and mappings inside each other; a recipe has four."""

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
Read: TypeAlias = tuple[Any, Mapping[Position, int]]


@attrs.frozen(eq=False)
class Document:
    """What stands in a file. Lines count from 1."""

    path: str
    value: Any
    lines: Mapping[Position, int]

    def words(self, where: Position) -> str:
        """``recipe attention.yaml:14``."""
        line = self._line(where)
        return f"recipe {self.path}" if line is None else f"recipe {self.path}:{line}"

    def fail(self, where: Position, what: str) -> NoReturn:
        """Raise RecipeError with the line of ``where``, or of what it stands in."""
        raise RecipeError(self.path, what, self._line(where))

    def unknown(self, where: Position, kind: str, name: str, known: Iterable[str]) -> NoReturn:
        """Raise RecipeError for a name that is none of ``known``, with the nearest."""
        self.fail(where, f"unknown {kind} '{name}': {suggestion(name, known)}")

    def _line(self, where: Position) -> int | None:
        while where and where not in self.lines:
            where = where[:-1]
        return self.lines.get(where)


def read_document(path: str | os.PathLike[str]) -> Document:
    """The file ``path``, in the syntax that its name ends with.

    Raises:
        RecipeError: it cannot be read, it ends otherwise, or it is no such syntax.
    """
    file = Path(path)
    read = _READERS.get(file.suffix.lower())
    if read is None:
        raise RecipeError(path, f"a recipe's name ends with {', '.join(_READERS)}, not '{file.suffix}'")
    try:
        text = plain_bytes(file).decode("utf-8-sig")
    except (OSError, ValueError) as error:
        missing = isinstance(error, FileNotFoundError)
        near = nearest(file.name, _beside(file)) if missing else ()
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        why: str | None = getattr(error, "strerror", None)
        raise RecipeError(path, f"cannot be read: {why or first_line(error)}{hint}") from error
    try:
        value, lines = read(text)
    except _Refused as error:
        raise RecipeError(path, error.what, error.line) from error
    except (RecursionError, MemoryError) as error:
        raise RecipeError(path, "is nested too deeply") from error
    return Document(os.fspath(path), value, lines)


def _beside(file: Path) -> list[str]:
    with contextlib.suppress(OSError):
        return [each.name for each in file.parent.iterdir() if each.suffix.lower() in _READERS]
    return []


@attrs.define
class _Refused(Exception):
    what: str
    line: int | None = None


def _yaml(text: str) -> Read:
    lines: dict[Position, int] = {}
    try:
        loader = _Loader(text)
        _refuse_what_grows(text)
        try:
            root = loader.get_single_node()
            return None if root is None else _plain(root, (), lines, loader), lines
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = printable(error.problem or error.context or "it cannot be parsed")
        if "alias" in f"{error.context} {what}":
            what += "; a '*' by itself goes between quotes: \"*\""
        raise _Refused(f"is not YAML: {what}", None if mark is None else mark.line + 1) from error
    except (yaml.YAMLError, ValueError) as error:
        raise _Refused(f"is not YAML: {first_line(error)}") from error


def _refuse_what_grows(text: str) -> None:
    """Raise for aliases, of which a few lines make a document without end, and for what is nested too deeply."""
    depth = 0
    for event in yaml.parse(text, _Loader):
        line = None if event.start_mark is None else event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            raise _Refused("an alias (*name) is not for recipes: write it out", line)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise _Refused("is nested too deeply", line)


def _plain(node: yaml.Node, where: Position, lines: dict[Position, int], loader: Any) -> Any:
    """The value of a node, as YAML's safe loader has it."""
    line = node.start_mark.line + 1
    lines[where] = line
    if isinstance(node, yaml.SequenceNode):
        return [_plain(each, (*where, index), lines, loader) for index, each in enumerate(node.value)]
    if not isinstance(node, yaml.MappingNode):
        return loader.construct_object(node)
    found: dict[str, Any] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise _Refused("a key is a word", key.start_mark.line + 1)
        if key.value in found:
            raise _Refused(f"'{key.value}' stands there twice", key.start_mark.line + 1)
        found[key.value] = _plain(value, (*where, key.value), lines, loader)
        lines[*where, key.value] = key.start_mark.line + 1
    return found


def _toml(text: str) -> Read:
    try:
        return tomllib.loads(text), lines_of(text)
    except ValueError as error:
        raise _Refused(f"is not TOML: {first_line(error)}") from error


def _json(text: str) -> Read:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            raise _Refused(f"'{next(name for name in names if names.count(name) > 1)}' stands there twice")
        return found

    try:
        value = json.loads(text, object_pairs_hook=once)
    except ValueError as error:
        raise _Refused(f"is not JSON: {first_line(error)}", getattr(error, "lineno", None)) from error
    with contextlib.suppress(_Refused):  # nearly all JSON is YAML, which tells lines
        return value, _yaml(text)[1]
    return value, {}


_READERS: Mapping[str, Callable[[str], Read]] = {".yaml": _yaml, ".yml": _yaml, ".toml": _toml, ".json": _json}
