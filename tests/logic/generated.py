"""Questions, rules and rows to ask, made by hypothesis: any that can be answered."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import attrs
from hypothesis import strategies as st

from qnnsolve.logic import Clause, Database, Given, Predicate, Question, Row, read_question, read_rules
from qnnsolve.logic.terms import Value
from tests.logic.plain import plain_answers

__all__ = ["RELATIONS", "Asked", "asked", "database_of"]

NAMES = ("a", 'b"', "c\n", "d[1]\\")
"""Values with what a text has to escape."""
RELATIONS = (
    Predicate("feeds", ("Node", "ReaderNode"), ""),
    Predicate("size", ("Node", "Size"), ""),
    Predicate("kind", ("Node",), ""),
    Predicate("triple", ("Node", "Port", "Size"), ""),
)
_VALUES: dict[str, st.SearchStrategy[Value]] = {"N": st.sampled_from(NAMES), "S": st.integers(0, 2)}
_FORMS = {"feeds": "NN", "size": "NS", "kind": "N", "triple": "NNS", "reaches": "NN"}
_VARIABLES = {"N": ("A", "B", "C", "_D"), "S": ("X", "Y")}


@attrs.frozen
class Asked:
    """A question, rules, and the rows of every relation."""

    question: Question
    clauses: tuple[Clause, ...]
    rows: dict[str, list[Row]]


def database_of(rows: dict[str, list[Row]]) -> Database:
    from qnnsolve.logic import REACHES

    return Database((*RELATIONS, REACHES), lambda name: Given(rows.get(name, ())))


def _quoted(value: Value) -> str:
    if not isinstance(value, str):
        return str(value)
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


_TYPED = {"N": tuple(map(_quoted, NAMES)), "S": ("0", "1", "2")}
"""Values as text."""
_TERMS = {
    kind: st.one_of(*[st.sampled_from(names)] * 4, *map(st.sampled_from, (names, ("_",), _TYPED[kind])))
    for kind, names in _VARIABLES.items()
}
_COUNTS, _SELDOM, _OPERATORS = (
    st.sampled_from((0, 0, 1, 1, 2)),
    st.sampled_from((0, 0, 0, 1)),
    st.sampled_from(("==", "!=", "<", ">=")),
)
_KINDS, _FORM, _UP_TO_3, _UP_TO_2 = (
    st.sampled_from("NS"),
    st.sampled_from(("N", "NN", "NS")),
    st.integers(1, 3),
    st.integers(1, 2),
)
_TRIES = st.sampled_from((1, 5, 5, 5))


@st.composite
def _body(draw: st.DrawFn, forms: dict[str, str], negatable: dict[str, str]) -> tuple[str, dict[str, str]]:
    """Goals as text, and the kind of each variable that they bind."""
    bound: dict[str, str] = {}
    goals = []
    for _ in range(draw(_UP_TO_3)):
        name = draw(_named(forms))
        terms = []
        for kind in forms[name]:
            term = draw(_TERMS[kind])
            if term in _VARIABLES[kind]:
                bound[term] = kind
            terms.append(term)
        goals.append(f"{name}({', '.join(terms)})")
    for _ in range(draw(_COUNTS)):
        name = draw(_named(negatable))
        terms = [draw(_known(bound, kind, "_")) for kind in negatable[name]]
        goals.append(f"not {name}({', '.join(terms)})")
    for _ in range(draw(_SELDOM)):
        kind = draw(_KINDS)
        operator = draw(_OPERATORS)
        goals.append(f"{draw(_known(bound, kind))} {operator} {draw(_known(bound, draw(_KINDS)))}")
    return ", ".join(draw(st.permutations(goals))), bound


def _named(forms: Iterable[str]) -> st.SearchStrategy[str]:
    """A relation; those of rules as often as all others."""
    return _one_of(tuple(sorted(forms)))


@cache  # a new strategy costs more than a draw
def _one_of(names: tuple[str, ...]) -> st.SearchStrategy[str]:
    own = [name for name in names if name not in _FORMS]
    every = st.sampled_from(names)
    return st.sampled_from(own) | every if own else every


def _known(bound: dict[str, str], kind: str, *others: str) -> st.SearchStrategy[str]:
    return _known_of(tuple(variable for variable, its in bound.items() if its == kind), kind, others)


@cache
def _known_of(named: tuple[str, ...], kind: str, others: tuple[str, ...]) -> st.SearchStrategy[str]:
    """A variable as often as a value, or as one of the ``others``."""
    kinds = (named, _TYPED[kind], others)
    return st.one_of(*[st.sampled_from(each) for each in kinds if each])


_NUMBER = {name: at for at, name in enumerate(NAMES)}
_PAIRS = [(one, other) for one in NAMES for other in NAMES if _NUMBER[one] < _NUMBER[other]]
_ROWS: dict[str, st.SearchStrategy[list[Row]]] = {
    "feeds": st.lists(st.sampled_from(_PAIRS), min_size=4, max_size=6, unique=True),
} | {
    name: st.lists(
        st.tuples(*[_VALUES[kind] for kind in _FORMS[name]]), min_size=fewest, max_size=2 * fewest, unique=True
    )
    for name, fewest in (("size", 5), ("kind", 2), ("triple", 8))
}


@st.composite
def asked(draw: st.DrawFn) -> Asked:
    rows: dict[str, Any] = {name: draw(each) for name, each in _ROWS.items()}
    forms, rules = dict(_FORMS), []
    for at in range(draw(_UP_TO_3)):
        name, negatable = f"p{at}", dict(forms)
        form = draw(_FORM)
        for turn in range(draw(_UP_TO_2)):
            body, bound = draw(_body({**forms, name: form} if turn else forms, negatable))
            head = ", ".join(draw(_known(bound, kind)) for kind in form)
            rules.append(f"{name}({head}) :- {body}.")
        forms[name] = form
    clauses = read_rules("\n".join(rules), "rules")
    for _ in range(draw(_TRIES)):
        question = read_question(draw(_body(forms, forms))[0])
        if plain_answers(question, clauses, rows):
            break
    return Asked(question, clauses, rows)
