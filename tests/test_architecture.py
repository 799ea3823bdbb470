"""Imports go one way, down the layers of the design; torch and ExecuTorch are seen only where they must be.

A new module must be given its layer here: one that is missing from the table fails.
"""

from __future__ import annotations

import ast
import fnmatch
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "qnnsolve"

LAYERS: tuple[tuple[str, ...], ...] = (
    ("__main__",),
    ("cli",),
    ("commands", "commands.*"),
    ("arguments", "report", "report_*", "terminal", "samples"),
    ("reference", "reference.*"),
    ("folding",),
    ("references", "inputs"),
    ("pipeline",),
    (
        "quantizer",
        "accumulators",
        "calibrated",
        "endless",
        "joined",
        "recording",
        "masking",
        "bn_folding",
        "masks",
        "maxima",
        "annotations",
        "rewriting",
        "rewriting.*",
        "specs",
        "observers",
        "lowering",
        "verification",
        "comparison",
        "judging",
        "noise",
        "output_notes",
        "verified_samples",
        "graph_outputs",
        "tracing",
        "_child",
        "_lower_child",
        "_placement",
        "_lowered_graph",
        "_run_child",
        "_quiet",
    ),
    ("search", "search.*"),
    ("explain", "explain.*"),
    ("solver", "solver.*"),
    ("rules", "rules.*"),
    ("probe", "probe.*"),
    ("facts_diff",),
    ("opinfo_facts",),
    ("facts", "facts.*"),
    ("host",),
    ("streams",),
    ("results", "checks"),
    ("constraints",),
    ("encodings",),
    ("errors",),
    ("",),
)
"""From the top down. A module imports from its own line and the lines below it; ``""`` is the package itself, which
names what it loads lazily and so imports nothing."""

MAY_IMPORT = {
    "torch": (
        "facts.fx",
        "quantizer",
        "accumulators",
        "calibrated",
        "endless",
        "joined",
        "recording",
        "masking",
        "bn_folding",
        "masks",
        "maxima",
        "annotations",
        "rewriting",
        "rewriting.*",
        "specs",
        "observers",
        "pipeline",
        "tracing",
        "lowering",
        "verification",
        "comparison",
        "judging",
        "noise",
        "output_notes",
        "verified_samples",
        "graph_outputs",
        "_lower_child",
        "_run_child",
        "inputs",
        "samples",
        "probe",
        "probe.*",
        "host",
    ),
    "torchao": (
        "quantizer",
        "bn_folding",
        "annotations",
        "specs",
        "observers",
        "pipeline",
        "inputs",
        "lowering",
        "verification",
        "_lower_child",
    ),
    "executorch": (
        "facts.socs",
        "quantizer",
        "specs",
        "observers",
        "pipeline",
        "lowering",
        "verification",
        "_run_child",
        "_lower_child",
        "_placement",
        "_lowered_graph",
        "probe",
        "probe.*",
        "host",
    ),
}
"""Which modules may import what is heavy."""

EAGER_TORCH = (
    "quantizer",
    "accumulators",
    "calibrated",
    "endless",
    "joined",
    "recording",
    "masking",
    "bn_folding",
    "masks",
    "maxima",
    "annotations",
    "rewriting*",
    "specs",
    "observers",
    "pipeline",
    "lowering",
    "verification",
    "_child",
    "_lower_child",
    "facts.fx",
    "probe*",
)
"""Modules that may import torch when they are imported; the others only inside a function."""


def _modules() -> dict[str, Path]:
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        found["" if name == "__init__" else name.removesuffix(".__init__")] = path
    return found


MODULES = _modules()


def _layer(module: str) -> int | None:
    for depth, patterns in enumerate(LAYERS):
        if any(fnmatch.fnmatchcase(module, pattern) for pattern in patterns):
            return depth
    return None


def _imports(path: Path, *, eager_only: bool = False) -> Iterator[str]:
    """Dotted names that a module imports at run time; those under ``if TYPE_CHECKING`` do not count."""

    def walk(node: ast.AST) -> Iterator[ast.AST]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue
            if eager_only and isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                continue
            yield child
            yield from walk(child)

    for node in walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            assert node.module is not None
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _own(imported: str) -> str | None:
    """The module of ours that an import names, or None where it names somebody else's."""
    head, _, rest = imported.partition(".")
    if head != "qnnsolve":
        return None
    while rest and rest not in MODULES:
        rest = rest.rpartition(".")[0]
    return rest


def _matches(module: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(module, pattern) for pattern in patterns)


@pytest.mark.parametrize("module", MODULES)
def test_every_module_has_a_layer(module: str) -> None:
    assert _layer(module) is not None, f"give qnnsolve.{module} a layer in LAYERS"


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_down(module: str) -> None:
    own = _layer(module)
    assert own is not None
    wrong = []
    for imported in _imports(MODULES[module]):
        target = _own(imported)
        depth = None if target is None else _layer(target)
        if depth is not None and depth < own:
            wrong.append(imported)
    assert wrong == []


@pytest.mark.parametrize("module", MODULES)
def test_heavy_packages_are_seen_where_they_must_be(module: str) -> None:
    for heavy, allowed in MAY_IMPORT.items():
        if not _matches(module, allowed):
            seen = [name for name in _imports(MODULES[module]) if name.split(".")[0] == heavy]
            assert seen == [], f"qnnsolve.{module} must not import {heavy}"


@pytest.mark.parametrize("module", MODULES)
def test_torch_is_imported_late(module: str) -> None:
    if not _matches(module, EAGER_TORCH):
        eager = {name.split(".")[0] for name in _imports(MODULES[module], eager_only=True)}
        assert not eager & set(MAY_IMPORT), f"qnnsolve.{module} loads {eager & set(MAY_IMPORT)} on import"


@pytest.mark.parametrize("module", MODULES)
def test_broad_excepts_are_at_the_edges_only(module: str) -> None:
    """Where a user's or a plugin's code or a damaged file may raise anything, and at the top of child processes, which
    hand what was raised to their parent."""
    if module in ("cli", "references", "facts.backends", "_child", "_lower_child", "_placement"):
        return
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.ExceptHandler):
            caught = "" if node.type is None else ast.unparse(node.type)
            assert caught not in ("", "Exception", "BaseException"), f"qnnsolve.{module}:{node.lineno}"


def test_tests_use_graphs_as_users_make_them() -> None:
    """``torch.export.export(model, inputs).module()``, with the guards that stand in it as a call."""
    without = "check_" + "guards"
    assert [path.name for path in Path(__file__).parent.rglob("*.py") if without in path.read_text()] == []


def test_the_checks_see_what_they_are_for() -> None:
    """The table and the reader are not vacuous: known arrows are found."""
    assert len(MODULES) > 10
    assert "qnnsolve.encodings.Encoding" in list(_imports(MODULES["constraints"]))
    assert _own("qnnsolve.encodings.Encoding") == "encodings"
    assert "torch" in list(_imports(MODULES["host"]))
    assert "torch" not in list(_imports(MODULES["host"], eager_only=True))
    top, bottom = _layer("cli"), _layer("errors")
    assert top is not None and bottom is not None and top < bottom
