"""Imports go one way, down the wings of the house; what is heavy is seen only where it must be.

A new module in a wing needs no entry here, and a new wing needs one.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "qnnsolve"

WINGS = (
    "__main__",
    "cli",
    "search",
    "pipeline",
    "executorch",
    "models",
    "quantizer",
    "annotating",
    "rewriting",
    "report",
    "questions",
    "recipes",
    "asking",
    "runs",
    "explain",
    "reference",
    "rules",
    "probe",
    "opinfo_facts",
    "facts",
    "lowering",
    "verification",
    "host",
    "solver",
    "logic",
    "results",
    "constraints",
    "reasons",
    "sources",
    "encodings",
    "foreign",
    "errors",
    "",
)
"""The wings of the house, from the top down. A module imports from its own wing and from those below it; ``""`` is the
package itself, which names what it loads lazily and so imports nothing."""

MAY_IMPORT = {
    "torch": (
        "search",
        "pipeline",
        "models",
        "quantizer",
        "annotating",
        "rewriting",
        "probe",
        "facts.fx",
        "lowering",
        "verification",
        "host",
    ),
    "torchao": (
        "search",
        "pipeline",
        "models",
        "quantizer",
        "annotating",
        "rewriting",
        "lowering",
        "verification",
    ),
    "executorch": (
        "pipeline",
        "quantizer",
        "annotating",
        "probe",
        "facts.socs",
        "lowering",
        "verification",
        "host",
    ),
    "scipy": ("solver.optimum.milp", "solver.budgets.mixed", "solver.budgets.multipliers"),
    "constraint": ("solver",),
    "matplotlib": ("report.search_plot",),
    "distributed": ("search.workers",),
    "sqlite3": ("runs",),
}
"""Which wings, or single modules of one, may import what is heavy or has one place."""

EAGER = (
    "search.calibrating",
    "search.keeping",
    "search.ledgers",
    "search.measuring",
    "search.rounding",
    "search.seeing",
    "search.sensitivity",
    "search.shelf",
    "search.study",
    "search.taps",
    "quantizer",
    "annotating",
    "rewriting",
    "probe",
    "facts.fx",
    "lowering",
    "verification",
    "solver.optimum.search",
    "runs.file",
    "runs.measurements",
)
"""Those that may import it when they are imported; the others only inside a function."""


def _modules() -> dict[str, Path]:
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        found["" if name == "__init__" else name.removesuffix(".__init__")] = path
    return found


MODULES = _modules()


def _wing(module: str) -> str:
    return module.partition(".")[0]


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


def _is_in(module: str, wings: tuple[str, ...]) -> bool:
    return any(module == wing or module.startswith(f"{wing}.") for wing in wings)


def test_the_page_for_contributors_lists_the_wings_in_order() -> None:
    page = (PACKAGE.parent / "docs" / "contributing.md").read_text(encoding="utf-8").split("\n## ")[1]
    named = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    listed = [wing for each in named for wing in re.findall(r"`(\w+)`", each)]
    assert listed == [wing for wing in WINGS if wing not in ("__main__", "")]


def test_every_wing_is_there() -> None:
    assert {_wing(module) for module in MODULES} == set(WINGS), "a new wing needs its place in WINGS"


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_down(module: str) -> None:
    depth = WINGS.index(_wing(module))
    owned = [(imported, _own(imported)) for imported in _imports(MODULES[module])]
    assert [name for name, own in owned if own is not None and WINGS.index(_wing(own)) < depth] == []


def test_no_module_imports_itself_by_way_of_others() -> None:
    """Not even inside one wing; what a function imports when it runs counts too."""
    uses = {name: {own for each in _imports(path) if (own := _own(each))} - {name} for name, path in MODULES.items()}
    TopologicalSorter(uses).prepare()


@pytest.mark.parametrize("module", MODULES)
def test_heavy_packages_are_seen_where_they_must_be(module: str) -> None:
    for heavy, allowed in MAY_IMPORT.items():
        if not _is_in(module, allowed):
            seen = [name for name in _imports(MODULES[module]) if name.split(".")[0] == heavy]
            assert seen == [], f"qnnsolve.{module} must not import {heavy}"


@pytest.mark.parametrize("module", MODULES)
def test_heavy_packages_are_imported_late(module: str) -> None:
    if not _is_in(module, EAGER):
        eager = {name.split(".")[0] for name in _imports(MODULES[module], eager_only=True)}
        assert not eager & set(MAY_IMPORT), f"qnnsolve.{module} loads {eager & set(MAY_IMPORT)} on import"


@pytest.mark.parametrize("module", MODULES)
def test_no_module_holds_more_than_one_idea(module: str) -> None:
    """Nobody can count ideas, but what is much longer than 250 lines has two."""
    limit = 275 if module == "solver.optimum.find" else 260
    assert len(MODULES[module].read_text().splitlines()) <= limit


@pytest.mark.parametrize("module", MODULES)
def test_broad_excepts_are_at_the_edges_only(module: str) -> None:
    """Where a user's or a plugin's code or a damaged file may raise anything, and at the top of child processes, which
    hand what was raised to their parent."""
    if module in ("cli", "foreign", "host.child", "lowering.child", "lowering.placement"):
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
    assert "qnnsolve.encodings.Encoding" in list(_imports(MODULES["constraints.kinds"]))
    assert _own("qnnsolve.encodings.Encoding") == "encodings"
    assert "torch" in list(_imports(MODULES["host.libraries"]))
    assert "torch" not in list(_imports(MODULES["host.libraries"], eager_only=True))
    assert WINGS.index("cli") < WINGS.index("errors")
    assert _is_in("facts.fx", ("facts.fx",)) and not _is_in("facts.fxs", ("facts.fx",))
