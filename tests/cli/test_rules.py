"""The commands about rules."""

from __future__ import annotations

import ast
import inspect
import re
from typing import Any

import pytest

from qnnsolve.facts.curated import SECTIONS
from qnnsolve.reference.rules import rule_views
from qnnsolve.rules import backend_rules
from tests.cli.documents import Ask, document_of


def test_every_rule_is_listed_once(ask: Ask) -> None:
    code, out, err = ask("rules")
    assert (code, err) == (0, "")
    expected = {*backend_rules("htp"), *backend_rules("lpai")}
    for rule in expected:
        assert len(re.findall(rf"^{rule.code}  +{rule.name} ", out, re.MULTILINE)) == 1
    assert not [line for line in out.splitlines() if line != line.rstrip()]
    document = document_of(ask, "rules")
    assert {each["code"] for each in document["rules"]} == {rule.code for rule in expected}
    htp = {each["code"] for each in document_of(ask, "rules", "--backend", "htp")["rules"]}
    assert htp == {rule.code for rule in backend_rules("htp")}


def test_a_rule_says_why_what_instead_and_what_it_rests_on(ask: Ask) -> None:
    code, out, _ = ask("rule", "qc003")
    assert code == 0
    assert out.startswith("QC003 bias_scale_is_derived (holds for every backend)\n")
    assert "\nWhy: the accelerator adds" in out and "\nInstead: " in out
    assert "the scale of in[2] is that of in[0] times that of in[1]" in out and "measured: HTP emulator" in out
    assert ask("rule", "bias_scale_is_derived")[1] == out
    document = document_of(ask, "rule", "QC003")
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
