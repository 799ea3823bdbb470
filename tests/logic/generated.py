"""Questions, rules and rows to ask, made by hypothesis: any that can be answered."""

from __future__ import annotations

from typing import Any

import attrs
from hypothesis import strategies as st

from qnnsolve.logic import Clause, Database, Given, Question, Relation, Row, read_question, read_rules
from qnnsolve.logic.terms import Value
from tests.logic.plain import plain_answers

__all__ = ["RELATIONS", "Asked", "asked", "database_of"]

NAMES = ("a", 'b"', "c\n", "d[1]\\")
"""Values with what a text has to escape."""
RELATIONS = (
    Relation("feeds", ("Node", "ReaderNode"), ""),
    Relation("size", ("Node", "Size"), ""),
    Relation("kind", ("Node",), ""),
    Relation("triple", ("Node", "Port", "Size"), ""),
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


@st.composite
def _body(draw: st.DrawFn, forms: dict[str, str], negatable: dict[str, str]) -> tuple[str, dict[str, str]]:
    """Goals as text, and the kind of each variable that they bind."""
    bound: dict[str, str] = {}
    goals = []
    for _ in range(draw(st.integers(1, 3))):
        name = draw(_named(forms))
        terms = []
        for kind in forms[name]:
            variables = st.sampled_from(_VARIABLES[kind])
            loose = st.one_of(variables, st.just("_"), _VALUES[kind].map(_quoted))
            term = draw(st.one_of(variables, variables, variables, variables, loose))
            if term in _VARIABLES[kind]:
                bound[term] = kind
            terms.append(term)
        goals.append(f"{name}({', '.join(terms)})")
    for _ in range(draw(st.sampled_from((0, 0, 1, 1, 2)))):
        name = draw(_named(negatable))
        terms = [draw(_known(bound, kind) | st.just("_")) for kind in negatable[name]]
        goals.append(f"not {name}({', '.join(terms)})")
    for _ in range(draw(st.sampled_from((0, 0, 0, 1)))):
        kind = draw(st.sampled_from("NS"))
        operator = draw(st.sampled_from(("==", "!=", "<", ">=")))
        goals.append(f"{draw(_known(bound, kind))} {operator} {draw(_known(bound, draw(st.sampled_from('NS'))))}")
    return ", ".join(draw(st.permutations(goals))), bound


def _named(forms: dict[str, str]) -> st.SearchStrategy[str]:
    """A relation; those of rules as often as all others."""
    own = sorted(forms.keys() - _FORMS.keys())
    every = st.sampled_from(sorted(forms))
    return st.sampled_from(own) | every if own else every


def _known(bound: dict[str, str], kind: str) -> st.SearchStrategy[str]:
    named = [variable for variable, its in bound.items() if its == kind]
    values = _VALUES[kind].map(_quoted)
    return st.sampled_from(named) | values if named else values


@st.composite
def asked(draw: st.DrawFn) -> Asked:
    number = {name: at for at, name in enumerate(NAMES)}
    pair = st.tuples(*[_VALUES["N"]] * 2).filter(lambda row: number[str(row[0])] < number[str(row[1])])
    rows: dict[str, Any] = {"feeds": draw(st.lists(pair, min_size=4, max_size=6, unique=True))}
    for name, fewest in (("size", 5), ("kind", 2), ("triple", 8)):
        columns = [_VALUES[kind] for kind in _FORMS[name]]
        rows[name] = draw(st.lists(st.tuples(*columns), min_size=fewest, max_size=2 * fewest, unique=True))
    forms, rules = dict(_FORMS), []
    for at in range(draw(st.integers(1, 3))):
        name, negatable = f"p{at}", dict(forms)
        form = draw(st.sampled_from(("N", "NN", "NS")))
        for turn in range(draw(st.integers(1, 2))):
            body, bound = draw(_body({**forms, name: form} if turn else forms, negatable))
            head = ", ".join(draw(_known(bound, kind)) for kind in form)
            rules.append(f"{name}({head}) :- {body}.")
        forms[name] = form
    clauses = read_rules("\n".join(rules), "rules")
    for _ in range(draw(st.sampled_from((1, 5, 5, 5)))):
        question = read_question(draw(_body(forms, forms))[0])
        if plain_answers(question, clauses, rows):
            break
    return Asked(question, clauses, rows)
