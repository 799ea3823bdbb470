"""``rules``, ``rule`` and ``facts``: what they print, and that none of them loads torch."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from qnnsolve.facts.tables import shipped_tables
from qnnsolve.opinfo_facts import operator_facts
from qnnsolve.reference.operators import operator_view
from tests.cli.documents import ROOT, Ask, document_of


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("rule", "QC0022"), "unknown rule 'QC0022': did you mean QC002"),
        (("rule", "QX999"), "unknown rule 'QX999': the nearest of "),
        (("rules", "--backend", "hpt"), "unknown backend 'hpt': did you mean htp"),
        (("facts", "show", "MatMull"), "unknown operator 'MatMull': did you mean MatMul"),
        (("facts", "show", "MatMul", "--soc", "SM8351"), "unknown SoC 'SM8351': did you mean SM8350"),
        (("facts", "show", "MatMul", "--soc", "SM8350", "--backend", "lpai"), "SM8350 has no LPAI"),
        (("facts", "show"), "required: OPERATOR"),
        (("facts",), "required: COMMAND"),
        (("facts", "measure", "--op", "MatMull", "--out", "x"), "unknown operator 'MatMull': did you mean MatMul"),
        (("facts", "measure", "--soc", "V67", "--out", "x"), "unknown SoC 'V67': did you mean V6"),
        (("facts", "measure"), "required: --out"),
        (("facts", "diff", "measure", "sdk"), "did you mean measured"),
        (("facts", "diff", "sdk", "measured"), "name it with --soc"),
        (("facts", "verify", "--samples", "0"), "0 is not a number of samples"),
        (("facts", "verify", "--samples", "many"), "many is not a number of samples"),
        (("facts", "diff", "measured", __file__), "is neither a .toml file, nor a .json table"),
        (("facts", "verify", "--soc", "SM8351"), "unknown SoC 'SM8351': did you mean SM8350"),
    ],
)
def test_usage_errors_are_one_line_and_exit_2(ask: Ask, argv: tuple[str, ...], message: str) -> None:
    code, out, err = ask(*argv)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err


def test_show_has_every_row_that_the_rules_see(ask: Ask) -> None:
    document = document_of(ask, "facts", "show", "matmul", "--soc", "sm8350")
    assert (document["op"], document["soc"], document["archs"]) == ("MatMul", "SM8350", ["V68"])
    for case in document["cases"]:
        accepted = operator_facts("htp", "V68").accepted("MatMul", case["name"].split("|")[0])
        assert accepted is not None
        assert {tuple(row["codes"]) for row in case["accepted"]} == set(accepted.rows)
        assert all(row["sources"] for row in case["accepted"])


@pytest.mark.parametrize("op", sorted(shipped_tables()))
def test_every_operator_can_be_shown(ask: Ask, op: str) -> None:
    document = document_of(ask, "facts", "show", op)
    table = shipped_tables()[op]
    for case, shown in zip(table.cases, document["cases"], strict=True):
        for kind in ("wrong", "validator_only", "unstable"):
            assert {tuple(row["codes"]) for row in shown[kind]} == {row.codes for row in getattr(case, kind)}
    code, out, err = ask("facts", "show", op)
    assert (code, err) == (0, "") and out.startswith(f"{op} on HTP V68 to V81\n")


def test_show_in_words(ask: Ask) -> None:
    _, out, _ = ask("facts", "show", "MatMul", "--soc", "SM8750")
    assert re.search(r"^u16 +s16 +u16 +in\[1\] symmetric +document, measured$", out, re.MULTILINE)
    _, old, _ = ask("facts", "show", "MatMul", "--soc", "SM8350")
    assert not re.search(r"^u16 +s16 +u16 ", old, re.MULTILINE)
    _, every, _ = ask("facts", "show", "MatMul")
    assert re.search(r"^u16 +s16 +u16 +V73 and later ", every, re.MULTILINE)
    assert "\nSources\n" in every and "measured by qnnsolve.probe" in every


@pytest.mark.parametrize(("soc", "narrow"), [("SM8350", True), ("SM8550", False)])
def test_show_says_how_finely_an_op_multiplies(ask: Ask, soc: str, narrow: bool) -> None:
    found = document_of(ask, "facts", "show", "Conv2d", "--soc", soc)["statements"]
    assert any("11 significant bits before V73" in each["text"] for each in found) == narrow


def test_list_counts_what_show_shows(ask: Ask) -> None:
    document = document_of(ask, "facts", "list")
    assert [each["op"] for each in document["operators"]] == sorted(shipped_tables())
    view = operator_view("MatMul", "htp")
    (listed,) = [each for each in document["operators"] if each["op"] == "MatMul"]
    assert listed["accepted"] == sum(len(case.accepted) for case in view.cases)
    assert document_of(ask, "facts", "list", "--backend", "lpai")["operators"] == []
    assert re.search(r"^MatMul +\S", ask("facts", "list")[1], re.MULTILINE)


def test_diff_lists_what_differs_and_exits_1(ask: Ask, tmp_path: Path) -> None:
    assert ask("facts", "diff", "measured", "measured", "--op", "Relu") == (
        0,
        "no difference between measured and measured\n",
        "",
    )
    mine = tmp_path / "mine.toml"
    mine.write_text('format = 1\n[[soc]]\nname = "BOARD"\nhtp_arch = "V68"\n')
    with mine.open("a") as file:
        file.write('[[forbid]]\nop = "Relu"\nrows = ["u16 > *"]\nsocs = ["BOARD"]\nwhy = "drifts"\n')
    code, out, err = ask("facts", "diff", "measured", str(mine), "--soc", "board")
    assert (code, err) == (1, "")
    assert re.search(
        rf"^  u16 > u16: accepted.* in measured, .* in {re.escape(str(mine))}  \[V68\]$", out, re.MULTILINE
    )
    assert out.splitlines()[-1].startswith("2 differences at 1 operator")  # in four dimensions and in five
    document = document_of(ask, "facts", "diff", "measured", str(mine), "--soc", "BOARD")
    assert [each["op"] for each in document["differences"]] == ["Relu", "Relu"]
    assert {each["kind"] for each in document["differences"][0]["other_sources"]} >= {"user"}


NO_TORCH = """
import sys
numbers = () if sys.argv[1] == "rule" else ("numpy",)  # a rule is shown with configs that the solver makes
for heavy in ("torch", "torchao", "scipy", *numbers):
    sys.modules[heavy] = None
from qnnsolve.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    "argv",
    [
        ("rules",),
        ("rule", "QC001"),
        ("facts", "show", "MatMul", "--soc", "SM8350"),
        ("facts", "list", "--format", "json"),
        ("facts", "measure", "--op", "MatMull", "--out", "x"),
    ],
)
def test_they_start_without_torch(tmp_path: Path, argv: tuple[str, ...]) -> None:
    command = [sys.executable, "-c", NO_TORCH, *argv]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == (2 if "measure" in argv else 0), done.stderr
    assert "No module named" not in done.stderr
