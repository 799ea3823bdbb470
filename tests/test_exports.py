"""What ``import qnnsolve`` offers, and what it must not load."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

import qnnsolve

ROOT = Path(__file__).parents[1]


def test_the_public_names() -> None:
    names = [
        "SolveQuantizer",
        "__version__",
        "ask",
        "compare",
        "export",
        "load_run",
        "save_recipe",
        "search_config",
        "solve",
    ]
    assert sorted(qnnsolve.__all__) == names
    assert set(qnnsolve.__all__) <= set(dir(qnnsolve))


def test_every_public_name_exists_and_is_the_one_of_its_module() -> None:
    import qnnsolve.pipeline
    import qnnsolve.quantizer
    import qnnsolve.runs

    assert qnnsolve.solve is qnnsolve.pipeline.solve
    assert qnnsolve.export is qnnsolve.pipeline.export
    assert qnnsolve.load_run is qnnsolve.runs.load_run
    assert qnnsolve.SolveQuantizer is qnnsolve.quantizer.SolveQuantizer


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'slove'"):
        _ = qnnsolve.slove


def test_every_module_lists_what_it_offers_and_offers_it() -> None:
    missing = []
    for path in sorted((ROOT / "qnnsolve").rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        if path.stem.startswith("_") and path.stem != "__init__":
            continue
        module = __import__(name, fromlist=["__all__"])
        public = getattr(module, "__all__", None)
        if public is None and path.stem != "__init__":
            missing.append(f"{name} has no __all__")
        missing += [f"{name}.{each}" for each in public or () if not hasattr(module, each)]
    assert missing == []


def test_the_version_is_the_distribution_s() -> None:
    try:
        installed = importlib.metadata.version("qnnsolve")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("run from a checkout that is not installed")
    assert installed == qnnsolve.__version__


@pytest.mark.parametrize(
    "module",
    ["qnnsolve", "qnnsolve.solver", "qnnsolve.rules", "qnnsolve.explain", "qnnsolve.runs", "qnnsolve.cli"],
)
def test_what_reads_saved_runs_does_not_import_torch(module: str) -> None:
    code = f"import sys, {module}; loaded = sorted({{'torch', 'torchao'}} & set(sys.modules)); sys.exit(str(loaded))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "[]"
