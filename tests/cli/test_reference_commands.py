"""``rules``, ``rule`` and ``facts``: what they print, and that none of them loads torch."""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from qnnsolve import cli
from qnnsolve.errors import HostBackendError
from qnnsolve.facts.curated import SECTIONS
from qnnsolve.facts.table_types import ARCHS, Verdict
from qnnsolve.facts.tables import shipped_tables
from qnnsolve.opinfo_facts import operator_facts
from qnnsolve.probe import recheck, sampling, sweep
from qnnsolve.reference.operators import operator_view
from qnnsolve.reference.rows import RowView, archs_text, folded
from qnnsolve.reference.rules import rule_views
from qnnsolve.rules import backend_rules

ROOT = Path(__file__).parents[2]
Ask = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Ask:
    """Runs a command; its exit code, stdout and stderr."""

    def go(*argv: str) -> tuple[int, str, str]:
        code = cli.main(argv)
        return code, *capsys.readouterr()

    return go


def _document(ask: Ask, *argv: str) -> dict[str, Any]:
    """The JSON of a command, held to its schema."""
    code, out, err = ask(*argv, "--format", "json")
    document: dict[str, Any] = json.loads(out)
    assert err == "" and code in (0, 1)
    _hold(document)
    return document


def _hold(document: dict[str, Any]) -> None:
    name = document["schema"].removeprefix("qnnsolve/").replace("/", "-")
    schema = json.loads((ROOT / "qnnsolve" / "schema" / f"{name}.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(document)


def test_every_rule_is_listed_once(ask: Ask) -> None:
    code, out, err = ask("rules")
    assert (code, err) == (0, "")
    expected = {*backend_rules("htp"), *backend_rules("lpai")}
    for rule in expected:
        assert len(re.findall(rf"^{rule.code}  +{rule.name} ", out, re.MULTILINE)) == 1
    assert not [line for line in out.splitlines() if line != line.rstrip()]
    document = _document(ask, "rules")
    assert {each["code"] for each in document["rules"]} == {rule.code for rule in expected}
    htp = {each["code"] for each in _document(ask, "rules", "--backend", "htp")["rules"]}
    assert htp == {rule.code for rule in backend_rules("htp")}


def test_a_rule_says_why_what_instead_and_what_it_rests_on(ask: Ask) -> None:
    code, out, _ = ask("rule", "qc003")
    assert code == 0
    assert out.startswith("QC003 bias_scale_is_derived (holds for every backend)\n")
    assert "\nWhy: the accelerator adds" in out and "\nInstead: " in out
    assert "the scale of in[2] is that of in[0] times that of in[1]" in out and "measured: HTP emulator" in out
    assert ask("rule", "bias_scale_is_derived")[1] == out
    document = _document(ask, "rule", "QC003")
    assert {each["backend"] for each in document["facts"]} == {"htp", "lpai"}
    assert "Conv2d" in {each["about"] for each in document["facts"]}
    assert "rests on the model's graph and the request alone" in ask("rule", "QC006")[1]


@pytest.mark.parametrize("view", rule_views(), ids=lambda view: view.code)
def test_every_rule_reads_well(view: Any) -> None:
    for text in (view.summary, view.why, view.instead):
        assert text.endswith((".", ")")) and not re.search(r"``|:\w+:`", text), text


@pytest.mark.parametrize(
    "rule", dict.fromkeys((*backend_rules("htp"), *backend_rules("lpai"))), ids=lambda rule: rule.code
)
def test_a_rule_declares_the_curated_facts_that_it_reads(rule: Any) -> None:
    """What a generator names of ``operators.curated`` is in ``rests_on``, so that ``qnnsolve rule`` shows it."""
    tree = ast.parse(inspect.cleandoc(inspect.getsource(rule.generate)))
    read = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)} & set(SECTIONS)
    if ".curated" in inspect.getsource(rule.generate):
        assert read <= set(rule.rests_on)
    assert {each for each in rule.rests_on if isinstance(each, str)} <= {"tables", *SECTIONS}
    if "Source(" in inspect.getsource(rule.generate):
        pytest.fail("a source that is made inside the rule is not seen: name it in rests_on")


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
    document = _document(ask, "facts", "show", "matmul", "--soc", "sm8350")
    assert (document["op"], document["soc"], document["archs"]) == ("MatMul", "SM8350", ["V68"])
    for case in document["cases"]:
        accepted = operator_facts("htp", "V68").accepted("MatMul", case["name"].split("|")[0])
        assert accepted is not None
        assert {tuple(row["codes"]) for row in case["accepted"]} == set(accepted.rows)
        assert all(row["sources"] for row in case["accepted"])


@pytest.mark.parametrize("op", sorted(shipped_tables()))
def test_every_operator_can_be_shown(ask: Ask, op: str) -> None:
    document = _document(ask, "facts", "show", op)
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
    found = _document(ask, "facts", "show", "Conv2d", "--soc", soc)["statements"]
    assert any("11 significant bits before V73" in each["text"] for each in found) == narrow


def test_list_counts_what_show_shows(ask: Ask) -> None:
    document = _document(ask, "facts", "list")
    assert [each["op"] for each in document["operators"]] == sorted(shipped_tables())
    view = operator_view("MatMul", "htp")
    (listed,) = [each for each in document["operators"] if each["op"] == "MatMul"]
    assert listed["accepted"] == sum(len(case.accepted) for case in view.cases)
    assert _document(ask, "facts", "list", "--backend", "lpai")["operators"] == []
    assert re.search(r"^MatMul +\S", ask("facts", "list")[1], re.MULTILINE)


def test_folding_neither_adds_nor_loses_a_tuple() -> None:
    for op in shipped_tables():
        for case in operator_view(op, "htp").cases:
            unfolded = {(tuple(c for (c,) in row.codes), row.archs, row.asks) for row in case.accepted}
            again = {(codes, row.archs, row.asks) for row in folded(case.accepted) for codes in _product(row.codes)}
            assert again == unfolded, (op, case.name)
    assert folded(()) == ()
    rows = [RowView((("u8",), (code,)), ("V68",)) for code in ("u8", "s8")]
    assert folded(rows) == (RowView((("u8",), ("u8", "s8")), ("V68",)),)


def _product(codes: tuple[tuple[str, ...], ...]) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = [()]
    for port in codes:
        found = [(*each, code) for each in found for code in port]
    return found


def test_archs_in_short() -> None:
    assert archs_text(("V68", "V69", "V73", "V75", "V79", "V81"), ARCHS) == "V68 to V81"
    assert archs_text(("V79", "V81"), ARCHS) == "V79 and later"
    assert archs_text(("V68", "V69"), ARCHS) == "V69 and earlier"
    assert archs_text(("V69", "V75"), ARCHS) == "V69 V75"
    assert archs_text(("V81",), ARCHS) == "V81"


def test_measure_asks_for_what_was_named(ask: Ask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[object] = []

    def measure(ops: list[str], archs: list[str], out: Path, work: Path, progress: object = None) -> sweep.Measurement:
        seen.extend((ops, archs, out, work))
        return sweep.Measurement(tuple(out / f"{op}.json" for op in ops), 0, 1.0)

    monkeypatch.setattr("qnnsolve.host.libraries.ensure_loaded", lambda: None)
    monkeypatch.setattr(sweep, "measure", measure)
    argv = ("facts", "measure", "--op", "MatMul", "--soc", "sm8350", "--soc", "V79", "--out", str(tmp_path / "o"))
    code, out, err = ask(*argv)
    assert (code, err) == (0, "")
    assert seen == [["MatMul"], ["V68", "V79"], tmp_path / "o", tmp_path / "o" / ".work"]
    assert out.startswith(f"1 table(s) for V68, V79 in {tmp_path / 'o'}")
    assert _document(ask, *argv)["tables"] == [{"op": "MatMul", "path": str(tmp_path / "o" / "MatMul.json")}]
    (tmp_path / "file").write_text("")
    code, _, err = ask("facts", "measure", "--out", str(tmp_path / "file"))
    assert code == 2 and "is not a folder" in err


def test_verify_lists_every_difference_and_exits_1(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    question = sampling.Question("Relu", "rank4", ("u8", "u8"), Verdict.ACCEPTED)
    wrong = recheck.Difference("SM8350", question, Verdict.REJECTED)

    def verified(tables: object, samples: int, seed: int, socs: list[str], progress: object = None) -> recheck.Recheck:
        found = (wrong,) if "SM8350" in socs else ()
        return recheck.Recheck(dict.fromkeys(socs, samples), 1, found)

    monkeypatch.setattr("qnnsolve.host.libraries.ensure_loaded", lambda: None)
    monkeypatch.setattr(recheck, "recheck", verified)
    code, out, err = ask("facts", "verify", "--samples", "5", "--seed", "3", "--soc", "SM8350", "--soc", "SM8750")
    assert (code, err) == (1, "")
    assert out.splitlines() == [
        "V68: 5 facts asked again (seed 3), 1 differ",
        "  Relu (rank4) u8 u8 on SM8350: was accepted, is rejected",
        "V79: 5 facts asked again (seed 3), no difference",
    ]
    document = _document(ask, "facts", "verify", "--samples", "5", "--soc", "V68")
    assert document["differences"][0]["now"] == "rejected"
    assert ask("facts", "verify", "--samples", "5", "--soc", "V79")[0] == 0


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
    document = _document(ask, "facts", "diff", "measured", str(mine), "--soc", "BOARD")
    assert [each["op"] for each in document["differences"]] == ["Relu", "Relu"]
    assert {each["kind"] for each in document["differences"][0]["other_sources"]} >= {"user"}


@pytest.mark.parametrize("argv", [("measure", "--out", "tables"), ("verify",)])
def test_without_the_libraries_exit_3(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, argv: tuple[str, ...]
) -> None:
    def refuse() -> None:
        raise HostBackendError("no HTP libraries")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("qnnsolve.host.libraries.ensure_loaded", refuse)
    assert ask("facts", *argv) == (3, "", "error: no HTP libraries\n")


NO_TORCH = """
import sys
for heavy in ("torch", "torchao", "numpy", "scipy"):
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
