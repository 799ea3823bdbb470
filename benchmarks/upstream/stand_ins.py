"""Stand-ins for packages that ExecuTorch's tests import as they are loaded, and that no test that runs here needs."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

__all__ = ["install"]

NAMES = (
    "cv2",
    "datasets",
    "evaluate",
    "gguf",
    "librosa",
    "lm_eval",
    "piq",
    "pytorch_tokenizers",
    "skimage",
    "soundfile",
    "timm",
    "torchaudio",
    "torchsr",
    "torchtune",
    "torchvision",
)


class Anything:
    """A class to inherit from, call and subscript."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __class_getitem__(cls, item: Any) -> type:
        return cls


class Absent(ModuleType):
    """A package whose every name is a class."""

    __path__: list[str] = []  # noqa: RUF012  (modules have it so)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (Anything,), {})


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds those packages that are not there."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = {name for name in names if importlib.util.find_spec(name) is None}

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> Any:
        """A module of that package, whatever it is called."""
        if name.partition(".")[0] in self.names:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """A new one."""
        return Absent(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing to run."""


def install(names: Sequence[str] = NAMES) -> None:
    """Let imports find the stand-ins, behind everything that is installed."""
    sys.meta_path.append(Finder(names))
