"""Questions and rules as people write them: :func:`read_question`, :func:`read_rules`, :func:`split_where`.

    question  node(N, "MatMul"), bits(E, B), B < 16, not placed(N, cpu)
    rule      late(N) :- node(N, "Softmax"), reaches(N, "output").

A word with a capital or ``_`` in front is a variable, any other word is text; ``%`` and ``#`` begin a comment.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator
from typing import NoReturn

import attrs

from qnnsolve.errors import QuestionError
from qnnsolve.foreign import printable
from qnnsolve.logic.literals import ESCAPES, is_variable, number, text_of
from qnnsolve.logic.terms import Atom, Clause, Compare, Goal, Not, Question, Term, TextPlace, Variable

__all__ = ["COMPARISONS", "LIKE", "read_question", "read_rules", "split_where"]

COMPARISONS = ("==", "!=", "<=", ">=", "<", ">")
LIKE = "like"
"""``like(X, "*.attn")``: text of that pattern, in which ``*`` stands for any characters."""
MOST_GOALS = 100
LONGEST = 1_000_000
"""Characters of a text that is read."""

_TOKEN = re.compile(
    r"""(?P<space>(?:\s|[%\#][^\n]*)+)
    |(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    |(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?!\w))
    |(?P<word>[^\W\d]\w*)
    |(?P<mark>:-|\?-|==|!=|<=|>=|[<>(),.=@])""",
    re.VERBOSE | re.DOTALL,
)


@attrs.frozen
class _Token:
    kind: str
    text: str
    at: int
    """In the text, from 0."""


class _Reader:
    """What is left of a text, token by token; ``called`` is what the text is."""

    def __init__(self, text: str, called: str) -> None:
        self.text, self.called = text, called
        self._lines = [0, *(match.end() for match in re.finditer("\n", text))]
        self._tokens = self._split()
        self.next = next(self._tokens)

    def _split(self) -> Iterator[_Token]:
        if len(self.text) > LONGEST:
            raise QuestionError(f"{self.called}:1:1", f"has more than {LONGEST:,} characters")
        at = 0
        while at < len(self.text):
            match = _TOKEN.match(self.text, at)
            if match is None:
                quote = self.text[at] in "\"'"
                self.fail_at(at, "a quote that is not closed" if quote else f"unexpected {_shown(self.text[at])}")
            if match.lastgroup != "space":
                yield _Token(str(match.lastgroup), match[0], at)
            at = match.end()
        yield _Token("end", "", len(self.text))

    def place(self, at: int) -> TextPlace:
        line = bisect.bisect_right(self._lines, at)
        return TextPlace(self.called, line, at - self._lines[line - 1] + 1)

    def fail_at(self, at: int, what: str) -> NoReturn:
        raise QuestionError(str(self.place(at)), what)

    def fail(self, wanted: str) -> NoReturn:
        found = "the end" if self.next.kind == "end" else _shown(self.next.text)
        hint = "; == compares" if self.next.text == "=" else ""
        self.fail_at(self.next.at, f"{wanted} is wanted, not {found}{hint}")

    def take(self) -> _Token:
        token = self.next
        if token.kind != "end":
            self.next = next(self._tokens)
        return token

    def took(self, mark: str) -> bool:
        """Whether ``mark`` comes next; then it is taken."""
        comes = self.next.kind == "mark" and self.next.text == mark
        if comes:
            self.take()
        return comes

    def need(self, mark: str) -> None:
        if not self.took(mark):
            self.fail(f"'{mark}'")


def _shown(text: str) -> str:
    return f"'{printable(text, 40)}'"


def read_question(text: str, called: str = "question") -> Question:
    """The question ``text``; ``called`` is what errors call it.

    Raises:
        QuestionError: it is none; with the place.
    """
    reader = _Reader(text, called)
    reader.took("?-")
    goals = _goals(reader)
    reader.took(".")
    if reader.next.kind != "end":
        reader.fail("',' or the end")
    return Question(text, goals)


def read_rules(text: str, called: str) -> tuple[Clause, ...]:
    """The rules in ``text``, each with a full stop at its end; that of the last may be missing.

    Raises:
        QuestionError: they are none; with the place.
    """
    reader = _Reader(text, called)
    clauses = []
    while reader.next.kind != "end":
        head = _atom(reader)
        body = _goals(reader) if reader.took(":-") else ()
        if not reader.took(".") and reader.next.kind != "end":
            reader.fail("',' or '.'" if body else "':-' or '.'")
        clauses.append(Clause(head, body))
    return tuple(clauses)


def split_where(text: str, called: str) -> tuple[Question, str, str | None]:
    """Of ``QUESTION[@PORT][=WHAT]``: the question, the port (empty: none), and what is asked for (None: not said).

    Neither ``@`` nor a single ``=`` can stand in a question outside of quotes.

    Raises:
        QuestionError: there is no question; with the place.
    """
    reader = _Reader(text, called)
    goals = _goals(reader)
    ends = reader.next.at
    port, what, rest = "", None, text[ends:]
    if reader.next.text == "@":
        port, equals, said = rest[1:].partition("=")
        what = said if equals else None
    elif reader.next.text == "=":
        what = rest[1:]
    elif reader.next.kind != "end":
        reader.fail("',', '@' or '='")
    return Question(text[:ends].strip(), goals), port.strip(), what


def _goals(reader: _Reader) -> tuple[Goal, ...]:
    goals = [_goal(reader)]
    while reader.took(","):
        if len(goals) == MOST_GOALS:
            reader.fail_at(reader.next.at, f"more than {MOST_GOALS} goals; let rules take some of them")
        goals.append(_goal(reader))
    return tuple(goals)


def _goal(reader: _Reader) -> Goal:
    first = reader.next
    if first.kind == "word" and first.text == "not":
        reader.take()
        closed = reader.took("(")
        atom = _atom(reader)
        if atom.relation == LIKE:
            reader.fail_at(first.at, f"'not {LIKE}' is not known here; a rule of your own can stand behind not")
        if closed:
            reader.need(")")
        return Not(atom)
    if first.kind not in ("word", "string", "number"):
        reader.fail("a goal such as node(N, Op)")
    reader.take()
    if first.kind == "word" and reader.next.text == "(" and reader.next.kind == "mark":
        return _liked(reader, _rest_of_atom(reader, first), first)
    left = _term_of(reader, first)
    operator = reader.next
    if operator.kind != "mark" or operator.text not in COMPARISONS:
        reader.fail(f"'(' or a comparison ({' '.join(COMPARISONS)})")
    reader.take()
    return Compare(left, operator.text, _term(reader), reader.place(first.at))


def _liked(reader: _Reader, atom: Atom, first: _Token) -> Goal:
    if atom.relation != LIKE:
        return atom
    if len(atom.terms) != 2:
        reader.fail_at(first.at, f"{LIKE} takes 2 arguments, not {len(atom.terms)}: {LIKE}(Text, Pattern)")
    return Compare(atom.terms[0], LIKE, atom.terms[1], atom.place)


def _atom(reader: _Reader) -> Atom:
    first = reader.next
    if first.kind != "word":
        reader.fail("the name of a relation")
    reader.take()
    return _rest_of_atom(reader, first)


def _rest_of_atom(reader: _Reader, first: _Token) -> Atom:
    if is_variable(first.text):
        reader.fail_at(first.at, f"the name of a relation begins with a small letter, not {_shown(first.text)}")
    reader.need("(")
    terms = [_term(reader)]
    while reader.took(","):
        terms.append(_term(reader))
    if not reader.took(")"):
        reader.fail("',' or ')'")
    return Atom(first.text, tuple(terms), reader.place(first.at))


def _term(reader: _Reader) -> Term:
    if reader.next.kind not in ("word", "string", "number"):
        reader.fail("a variable, a text or a number")
    return _term_of(reader, reader.take())


def _term_of(reader: _Reader, token: _Token) -> Term:
    if token.kind == "word":
        if not is_variable(token.text):
            return token.text
        return Variable(f"_@{token.at}" if token.text == "_" else token.text)
    value = number(token.text) if token.kind == "number" else text_of(token.text)
    if value is None:
        reader.fail_at(token.at, f"{_shown(token.text)} is no {token.kind}{ESCAPES[token.kind]}")
    return value
