"""A question names the place of a wish: in ``--pin``, in a recipe, in a kept run's question."""

from __future__ import annotations

from pathlib import Path

import pytest

from qnnsolve import load_run
from qnnsolve.errors import QnnSolveError, UsageError
from qnnsolve.questions import Opened, places
from qnnsolve.recipes import read_recipes
from qnnsolve.rules.asking_places import is_question, nodes_answering, read_place
from qnnsolve.rules.matching import matching
from qnnsolve.rules.wish_text import parse_where, parse_wish
from qnnsolve.rules.wishes import By, Strength
from qnnsolve.runs import save_run
from tests.runs.kept import blocks, facts, solved

FEEDS = 'node(N, "MatMul"), feeds(N, S), node(S, "Softmax")'


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ('node(N, "MatMul")', ('node(N, "MatMul")', "", None)),
        ('node(N, "MatMul")@in[1]=16a', ('node(N, "MatMul")', "in[1]", "16a")),
        ('node(N, "a=b@c"), N == "x"=u8', ('node(N, "a=b@c"), N == "x"', "", "u8")),
        ("dim(N, 0, D), D >= 4@out=block=32", ("dim(N, 0, D), D >= 4", "out", "block=32")),
    ],
)
def test_a_place_ends_where_no_question_can_go_on(text: str, parts: tuple[str, str, str | None]) -> None:
    assert is_question(text) and read_place(text, "--pin") == parts


@pytest.mark.parametrize("text", ["*", "layers.0", "op:aten.add", "re:(a|b)", "type:LayerNorm@out", "node:x", "a b(c)"])
def test_a_name_is_no_question(text: str) -> None:
    assert not is_question(text)


def test_the_first_variable_stands_for_the_nodes() -> None:
    graph = blocks(2)
    assert nodes_answering(graph, FEEDS) == ["scores_0", "scores_1"]
    assert nodes_answering(graph, 'feeds(A, B), node(B, "Softmax")') == ["scores_0", "scores_1"]
    wish = parse_wish(f"{FEEDS}@out=u8", Strength.PIN, "--pin")
    assert (wish.where.by, wish.where.port, str(wish.where)) == (By.QUESTION, "out", f"{FEEDS}@out")
    assert list(matching([wish], graph)) == ["scores_0", "scores_1"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('node(N, "Softmx")=u8', "no node of the model answers"),
        ("placed(N, cpu)=u8", "'placed' is known after a solve only"),
        ("nod(N, Op)=u8", "unknown relation 'nod': did you mean node"),
        ("line(N, F, L), L > X=u8", "nothing binds 'X'"),
        ("dim(N, 0, D)@side=u8", "a port is weight, out, or in[0]"),
        ("node(N, Op) junk=u8", "is wanted"),
        ("node(N, Op)", "a wish is WHERE=WHAT"),
        ('not node("x", "y")=u8', "the first variable of a place is the node that is meant, and there is none"),
    ],
)
def test_what_is_no_place_is_one_line_with_the_nearest_name(text: str, says: str) -> None:
    with pytest.raises(UsageError) as raised:
        matching([parse_wish(text, Strength.PIN, "--pin")], blocks(1))
    assert says in str(raised.value) and "\n" not in str(raised.value)


def test_a_place_has_no_wish_behind_it() -> None:
    with pytest.raises(UsageError, match="a place has no '=' behind its question"):
        parse_where("node(N, Op)=u8", "why")


def test_a_wish_with_a_question_is_solved_for_kept_and_asked_about(tmp_path: Path) -> None:
    wish = parse_wish(f"{FEEDS}@out=u8", Strength.PIN, "--pin softmax inputs")
    given = facts(blocks(2), wishes=[wish])
    save_run(tmp_path / "run.qnn", solved(given))
    opened = Opened.of(load_run(tmp_path / "run.qnn"))
    asked = places(opened, f"{FEEDS}@out")
    assert [place.node.name for place in asked] == ["scores_0", "scores_1"]
    assert {opened.encodings[place.site].name for place in asked if place.site} == {"u8"}
    (told,) = opened.result.wishes
    assert (told.where, told.nodes, told.kept) == (f"{FEEDS}@out", 2, 2)


def test_a_recipe_names_its_places_by_questions(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(
        f"format: 1\nwishes:\n- where: '{FEEDS}@out'\n  pin: u8\n- where: 'node(N, \"Gelu\")'\n  prefer: 8a\n"
    )
    first, second = read_recipes(path).wishes
    assert first.where.by is second.where.by is By.QUESTION and first.where.port == "out"
    path.write_text("format: 1\nwishes:\n- where: 'nde(N, X)'\n  pin: u8\n")
    with pytest.raises(QnnSolveError, match=r"recipe.yaml:3: .*unknown relation 'nde': did you mean node"):
        read_recipes(path)
