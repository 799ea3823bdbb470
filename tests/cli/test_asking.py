"""``qnnsolve ask``: what is printed, and the exit codes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from qnnsolve.runs import save_run
from tests.cli.documents import document_of
from tests.runs.kept import blocks, contradiction, facts, solved

Ask = Callable[..., tuple[int, str, str]]
PRODUCTS = 'node(N, "MatMul"), chosen(N, "in[1]", E), bits(E, 8)'


@pytest.fixture
def kept(tmp_path: Path) -> str:
    save_run(tmp_path / "kept.qnn", solved(facts(blocks(2))))
    return str(tmp_path / "kept.qnn")


def test_answers_are_a_table(kept: str, ask: Ask) -> None:
    code, out, err = ask("ask", kept, PRODUCTS)
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "N         E",
        "scores_0  u8",
        "mixed_0   u8",
        "scores_1  u8",
        "mixed_1   u8",
        "",
        "4 answers",
    ]


def test_what_is_cut_off_is_told(kept: str, ask: Ask) -> None:
    code, out, _ = ask("ask", kept, PRODUCTS, "--limit", "1")
    assert code == 0
    assert out.endswith("\n1 of 4 answers; --limit 4 shows all\n")
    assert document_of(ask, "ask", kept, PRODUCTS, "--limit", "1")["total"] == 4


def test_why_shows_each_proof_with_its_sources(kept: str, ask: Ask) -> None:
    rule = "heard(N) :- feeds(N, _)."
    code, out, _ = ask("ask", kept, f"{PRODUCTS}, heard(N)", "--why", "--rule", rule, "--limit", "1")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "N = scores_0, E = u8"
    assert '   2  chosen("scores_0", "in[1]", "u8")  (s16 -> u8, because MatMul on V68 takes no (u16, s16) -> ' in out
    assert '   5  heard("scores_0")  (by heard(N) :- feeds(N, _).; from 4)' in lines
    assert "Sources" in lines
    assert "  1  measured: measured by qnnsolve" in out


def test_yes_and_no(kept: str, tmp_path: Path, ask: Ask) -> None:
    assert ask("ask", kept, "placed(soft_0, npu)") == (0, "yes\n", "")
    assert ask("ask", kept, "placed(soft_0, cpu)") == (0, "no\n", "")
    assert ask("ask", kept, "placed(N, cpu)", "--why") == (0, "no\n", "")
    save_run(tmp_path / "none.qnn", contradiction())
    assert ask("ask", str(tmp_path / "none.qnn"), "placed(N, npu)")[1] == "no (the run has no config: unsatisfiable)\n"


@pytest.mark.parametrize(
    "question", [PRODUCTS, "placed(soft_0, npu)", "placed(N, cpu)", "not shares(soft_0, out, 5000)"]
)
def test_the_json_holds_to_its_schema(kept: str, ask: Ask, question: str) -> None:
    for more in ([], ["--why", "--rule", "p(N) :- node(N, _), not q(N). q(N) :- feeds(N, M), not placed(M, npu)."]):
        document = document_of(ask, "ask", kept, question, *more)
        assert document["holds"] is bool(document["total"])
        assert all(("proof" in each) is bool(more) for each in document["answers"])
    document = document_of(ask, "ask", kept, "p(N), reaches(N, add_1)", *more)
    assert {line["kind"] for each in document["answers"] for line in each["proof"]} >= {"given", "derived", "absent"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nod(N, X)"], "error: question:1:1: unknown relation 'nod': did you mean node"),
        (["node(N, _), bits(E, B), X > B"], "error: question:1:25: nothing binds 'X'"),
        (["node(N)"], "error: question:1:1: 'node' takes 2 arguments, not 1: node(Node, Op)"),
        (["node(N, _"], "error: question:1:10: ',' or ')' is wanted, not the end"),
        (["node(N, _)", "--rule", "p(X) :- nod(X)"], "error: rule:1:9: unknown relation 'nod'"),
        (["node(N, _)", "--rules", "none.rules"], "error: rules none.rules: cannot be read: No such file"),
        (["node(N, _)", "--limit", "0"], "error: argument --limit: 0 is not a number of answers"),
    ],
)
def test_mistakes_are_one_line_with_the_place(kept: str, ask: Ask, arguments: list[str], says: str) -> None:
    code, out, err = ask("ask", kept, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith(says)
    assert err.count("\n") == 1


def test_what_is_no_run_is_refused(tmp_path: Path, ask: Ask) -> None:
    code, _, err = ask("ask", str(tmp_path / "none.qnn"), "node(N, _)")
    assert code == 2
    assert "there is no such file" in err
