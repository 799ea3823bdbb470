"""Stands in for packages that ExecuTorch's scripts import and that nothing here calls: :func:`stand_in`."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
import types
from typing import Any

NAMES = ("cv2", "datasets", "evaluate", "librosa", "lm_eval", "pydot", "tabulate", "timm", "torchtune", "torchvision")


class _Anything(types.ModuleType):
    """A module that has every name: each is an empty class."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {"__init__": lambda self, *args, **kwargs: None})


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self) -> None:
        self.absent = {name for name in NAMES if importlib.util.find_spec(name) is None}

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        wanted = name.split(".")[0] in self.absent
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if wanted else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        module = _Anything(spec.name)
        module.__path__ = []
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        if module.__name__ == "tabulate":
            module.tabulate = lambda rows, *args, **kwargs: "\n".join(map(str, rows))  # type: ignore[attr-defined]


def stand_in() -> None:
    """From now on an import of a package that is absent gives an empty one."""
    import transformers  # noqa: F401  (looks around for packages before there seem to be more)

    sys.meta_path.append(_Finder())
