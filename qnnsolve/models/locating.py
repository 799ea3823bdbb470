"""Names of files and of code, as typed on a command line: found, imported, called, or explained in one line.

``module:callable`` is imported as ``python -m`` would, with the working directory first; ``folder/file.py:callable``
works too.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import ModuleType

import attrs

from qnnsolve.errors import UsageError, nearest
from qnnsolve.foreign import foreign

__all__ = ["CodeRef", "FileRef", "call", "kind_of", "locate", "missing_file", "resolve", "source_of"]


@attrs.frozen
class FileRef:
    """A file that exists; ``text`` is what the user typed."""

    text: str
    path: Path


@attrs.frozen
class CodeRef:
    """``module:callable``, not imported yet; ``module`` may be the path of a ``.py`` file."""

    text: str
    module: str
    attribute: str


def locate(text: str, what: str, suffixes: tuple[str, ...]) -> FileRef | CodeRef:
    """Which file or which code ``text`` names; touches the disk but imports nothing.

    Args:
        text: what the user typed.
        what: what it is for (``model``, ``calibration``), for the error.
        suffixes: the file types that are read, with their dots.

    Raises:
        UsageError: no such file, a folder, or neither a file of these types nor ``module:callable``.
    """
    path = Path(text)
    with contextlib.suppress(ValueError):  # a name that no file can have: told below
        try:
            path.lstat()
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                raise UsageError(f"{what} {text} is no name of a file: {error.strerror}") from error
    kinds = " or ".join(suffixes)
    if path.suffix.lower() in suffixes:
        if not path.exists():
            raise UsageError(missing_file(what, path))
        if not path.is_file():
            raise UsageError(f"{what} {text} is not a file")
        return FileRef(text, path)
    module, colon, attribute = text.rpartition(":")
    if colon and module and attribute and not path.exists():
        return CodeRef(text, module, attribute)
    if path.exists():
        raise UsageError(f"{what} {text} is not a {kinds} file")
    near = nearest(path.name, _siblings(path, suffixes))
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    raise UsageError(f"{what} '{text}' is neither a {kinds} file nor module:callable{hint}")


def missing_file(what: str, path: Path) -> str:
    """One line that says that ``path`` does not exist, with the nearest names of its folder."""
    if path.exists():
        return f"{what} {path} is not a file"
    if not path.parent.is_dir():
        return f"{what} {path} does not exist: no folder {path.parent}"
    near = nearest(path.name, _siblings(path, (path.suffix.lower(),)))
    return f"{what} {path} does not exist" + (f"; did you mean {' or '.join(near)}?" if near else "")


def _siblings(path: Path, suffixes: tuple[str, ...]) -> list[str]:
    with contextlib.suppress(OSError):
        return sorted(entry.name for entry in path.parent.iterdir() if entry.suffix.lower() in suffixes)
    return []


def source_of(ref: FileRef | CodeRef | None) -> Path | None:
    """The file that ``ref`` is read from, as far as can be told without importing anything."""
    if isinstance(ref, FileRef):
        return ref.path
    if ref is None:
        return None
    if ref.module.endswith(".py"):
        return Path(ref.module)
    return Path(*ref.module.split(".")).with_suffix(".py")


def call(ref: CodeRef, what: str) -> object:
    """What the callable that ``ref`` names returns.

    Raises:
        UsageError: it cannot be found, is not callable, or raises.
    """
    with foreign(f"{what} {ref.text} raised"):
        returned = resolve(ref, what)()
        if isinstance(returned, Coroutine):
            returned.close()  # of one that nobody awaits Python warns
        return returned


def resolve(ref: CodeRef, what: str) -> Callable[..., object]:
    """The callable that ``ref`` names.

    Raises:
        UsageError: it cannot be found, or is not callable.
    """
    found: object = _import(ref, what)
    for part in ref.attribute.split("."):
        if not hasattr(found, part):
            known = [name for name in dir(found) if not name.startswith("_")]
            near = nearest(part, known)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise UsageError(f"{what} {ref.text}: {ref.module} has no '{part}'{hint}")
        found = getattr(found, part)
    if not callable(found):
        raise UsageError(f"{what} {ref.text} is {kind_of(found)}, not a callable")
    return found


def _import(ref: CodeRef, what: str) -> ModuleType:
    if ref.module.endswith(".py"):
        return _import_file(ref, what)
    # As `python -m` does: the working directory comes first.
    if sys.path[:1] not in ([""], [str(Path.cwd())]):
        sys.path.insert(0, str(Path.cwd()))
    importlib.invalidate_caches()
    with foreign(f"{what} {ref.text}: importing {ref.module} failed"):
        try:
            return importlib.import_module(ref.module)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{ref.module}.".startswith(f"{error.name}."):
                raise
            near = nearest(error.name.rpartition(".")[2], _modules_beside(error.name))
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise UsageError(f"{what} {ref.text}: no module named '{error.name}'{hint}") from error


def _modules_beside(module: str) -> list[str]:
    package = module.rpartition(".")[0]
    paths = list(sys.modules[package].__path__) if package in sys.modules else [str(Path.cwd())]
    return sorted(found.name for found in pkgutil.iter_modules(paths))


def _import_file(ref: CodeRef, what: str) -> ModuleType:
    path = Path(ref.module)
    if not path.is_file():
        raise UsageError(missing_file(what, path))
    folder = str(path.parent.resolve())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)
    with foreign(f"{what} {ref.text}: importing {ref.module} failed"):
        spec.loader.exec_module(module)
    return module


def kind_of(thing: object) -> str:
    """What ``thing`` is, in words for an error: ``None``, ``a tuple of 3``, ``a dict``, ``an int``."""
    if isinstance(thing, tuple):
        return f"a tuple of {len(thing)}"
    name = type(thing).__name__
    return "None" if thing is None else f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"
