"""Questions and rules as text: what cannot be is one line with its place."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qnnsolve.errors import QuestionError
from qnnsolve.logic import Database, Given, answered, check, read_question, read_rules
from qnnsolve.logic.terms import Atom
from tests.logic.generated import RELATIONS


def _ask(question: str, rules: str = "") -> int:
    database = Database(RELATIONS, lambda _: Given(()))
    return answered(read_question(question), read_rules(rules, "mine.txt"), database, {}).total


@pytest.mark.parametrize(
    ("question", "says"),
    [
        ("", "question:1:1: a goal such as node(N, Op) is wanted, not the end"),
        ("fedes(A, B)", "question:1:1: unknown relation 'fedes': did you mean feeds"),
        ("kind(A), sise(A, B)", "question:1:10: unknown relation 'sise': did you mean size"),
        ("kind(A),\n kin(A)", "question:2:2: unknown relation 'kin': did you mean kind"),
        ("size(A)", "question:1:1: 'size' takes 2 arguments, not 1: size(Node, Size)"),
        ("kind(A), B > 3", "question:1:10: nothing binds 'B'"),
        (
            "kind(A), not size(A, B)",
            "question:1:14: nothing binds 'B': no relation without 'not' has it; '_' stands ",
        ),
        ("not kind(_)", None),
        ("kind(A", "question:1:7: ',' or ')' is wanted, not the end"),
        ("kind A", "question:1:6: '(' or a comparison (== != <= >= < >) is wanted, not 'A'"),
        ("kind(A) size(A, B)", "question:1:9: ',' or the end is wanted, not 'size'"),
        (
            "kind(A), size(A, S), S = 3",
            "question:1:24: '(' or a comparison (== != <= >= < >) is wanted, not '='; == ",
        ),
        ('kind("a)', "question:1:6: a quote that is not closed"),
        ('kind("\\q")', "question:1:6: '\"\\q\"' is no string"),
        ("kind($)", "question:1:6: unexpected '$'"),
        ("Kind(A)", "question:1:1: the name of a relation begins with a small letter, not 'Kind'"),
        ("kind(1e999)", "question:1:6: '1e999' is no number"),
        ("like(A)", "question:1:1: like takes 2 arguments, not 1"),
        (", ".join(["kind(A)"] * 101), "question:1:901: more than 100 goals"),
    ],
)
def test_what_is_wrong_with_a_question_is_told_with_its_place(question: str, says: str | None) -> None:
    if says is None:
        assert _ask(question) == 1
        return
    with pytest.raises(QuestionError) as caught:
        _ask(question)
    assert str(caught.value).startswith(says)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        ("size(A, 3) :- kind(A).", "mine.txt:1:1: 'size' is there already: give the rule another name"),
        ("p(A) :- kind(A).\np(A, B) :- feeds(A, B).", "mine.txt:2:1: 'p' has 1 argument in the rule at mine.txt:1:1"),
        ("p(A, B) :- kind(A).", "mine.txt:1:1: nothing binds 'B'"),
        ("p(A) :- kind(A), not q(A). q(A) :- kind(A), not p(A).", "rests on its own negation"),
        ("p(A) :- kind(A)\nq(A) :- kind(A).", "mine.txt:2:1: ',' or '.' is wanted, not 'q'"),
        ("p(A) :- kimd(A).", "mine.txt:1:9: unknown relation 'kimd'"),
        ("p(A), kind(A).", "mine.txt:1:5: ':-' or '.' is wanted, not ','"),
    ],
)
def test_what_is_wrong_with_a_rule_is_told_with_its_place(rules: str, says: str) -> None:
    with pytest.raises(QuestionError) as caught:
        _ask("kind(A)", rules)
    assert says in str(caught.value)


def test_texts_numbers_and_words() -> None:
    (goal,) = read_question("""triple("a\\n\\"\\u0041", 'it\\'s "x"', -1.5e2)""").goals
    assert isinstance(goal, Atom)
    assert goal.terms == ('a\n"A', 'it\'s "x"', -150.0)
    (goal,) = read_question("% what\ntriple(word, 12, 0) # that\n.").goals
    assert isinstance(goal, Atom)
    assert goal.terms == ("word", 12, 0)


_PIECES = (
    "kind",
    "size",
    "(",
    ")",
    ",",
    ".",
    ":-",
    "not",
    "A",
    "_",
    "x",
    "3",
    '"',
    "'",
    "\\",
    "==",
    "<",
    "=",
    "@",
    " ",
    "\n",
    "%",
    "é",
    "\x00",
    "-",
    "?-",
)


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(_PIECES), max_size=25).map("".join) | st.text(max_size=40))
def test_any_text_is_answered_or_refused_in_one_line(text: str) -> None:
    database = Database(RELATIONS, lambda _: Given(()))
    for read in (
        lambda: check(read_question(text), (), database),
        lambda: answered(read_question("kind(A)"), read_rules(text, "rules"), database, {}),
    ):
        try:
            read()
        except QuestionError as error:
            assert str(error).isprintable()
