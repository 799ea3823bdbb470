"""The pages in ``docs/``: generated ones are what the generator makes, and links and code in the others hold."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from qnnsolve.cli.commands import parser
from qnnsolve.facts.tables import shipped_tables
from qnnsolve.report.pages import pages
from qnnsolve.rules import backend_rules

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
WRITTEN = sorted([*DOCS.glob("*.md"), ROOT / "README.md"])


@pytest.mark.parametrize("name", sorted(pages()))
def test_generated_pages_are_up_to_date(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == pages()[name], "run `make docs`"


def test_the_command_writes_them(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "qnnsolve.report", str(tmp_path)], cwd=ROOT, check=True)
    assert {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()} == pages()


def test_every_rule_and_every_operator_has_its_section() -> None:
    rules, operators = pages()["rules.md"], pages()["operators.md"]
    for rule in {*backend_rules("htp"), *backend_rules("lpai")}:
        assert rules.count(f"\n## {rule.code} {rule.name}\n") == 1
        assert f"(#{rule.code.lower()}-{rule.name})" in rules
    for op in shipped_tables():
        assert operators.count(f"\n### {op}\n") == 1


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.name)
def test_links_between_pages_hold(page: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(#[^)]*)?\)", page.read_text(encoding="utf-8")):
        linked = (page.parent / target) if target else page
        assert linked.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor[1:] in slugs, anchor


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.name)
def test_commands_in_the_pages_parse(page: Path) -> None:
    """Every ``$ qnnsolve ...`` line is one that the command line takes."""
    text = page.read_text(encoding="utf-8")
    for line in re.findall(r"^\$ qnnsolve (.*)$", text, re.MULTILINE):
        parser().parse_args(shlex.split(line.partition("  #")[0]))
