"""Sizes in a .pt2 file: what torch writes is taken, and what could run code or never end is not."""

from __future__ import annotations

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from qnnsolve.models.expressions import check_expression
from qnnsolve.models.refused import Refused

SYMBOLS = tuple(sympy.Symbol(name, integer=True, positive=True) for name in ("s0", "s77", "u3"))


def joined(parts: st.SearchStrategy[sympy.Expr]) -> st.SearchStrategy[sympy.Expr]:
    two = st.tuples(parts, parts)
    return st.one_of(
        two.map(lambda each: each[0] + each[1]),
        two.map(lambda each: each[0] * each[1]),
        two.map(lambda each: sympy.Max(*each)),
        two.map(lambda each: sympy.floor(each[0] / (1 + sympy.Abs(each[1])))),
        st.tuples(parts, st.integers(-3, 3)).map(lambda each: each[0] ** each[1]),
        parts.map(lambda each: sympy.Piecewise((each, sympy.Eq(sympy.Mod(SYMBOLS[0], 2), 0)), (1, True))),
    )


LEAVES = st.one_of(st.sampled_from(SYMBOLS), st.integers(-9, 999).map(sympy.Integer), st.just(sympy.Rational(2, 3)))


@given(st.recursive(LEAVES, joined, max_leaves=5))
@settings(max_examples=150, deadline=None)
def test_what_sympy_writes_of_sizes_is_taken(expression: sympy.Expr) -> None:
    if not expression.has(sympy.nan, sympy.zoo):
        check_expression(sympy.srepr(expression))


@pytest.mark.parametrize(
    "text",
    [
        "8",
        " 2*s0 + 1",
        "-s0",
        "s0**2 - s1//4",
        "s0 / 2 % 3",
        "4 <= s0",
        "Integer(-3)",
        "Float('1.5', precision=53)",
        "Symbol('s0', integer=True, positive=True)",
        "Pow(Symbol('s0'), Integer(2), evaluate=False)",
        "Pow(s0, -2)",
        "Pow(s0, Rational(1, 2))",
        "FloorDiv(s0, 4)",
        "not True",
        "Piecewise(ExprCondPair(s0, True))",
        "(1, s0)",
        "int_oo",
        "2.5",
    ],
)
def test_what_torch_writes_is_taken(text: str) -> None:
    check_expression(text)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "s0.__class__",
        "(lambda: 1)()",
        "[1][0]",
        "f'{s0}'",
        "'text'",
        "eval('1')",
        "Symbol('s0; import os')",
        "Symbol('s0', cls=1)",
        "Symbol('s0', integer=10**9)",
        "Float('1e9999999', precision=2000)",
        "Float('one')",
        "Integer(s0)",
        "Pow(Integer(10), Integer(10**9))",
        "9**9**9",
        "2**s0",
        "10**(10**3)",
        "Add(s0, key=True)",
        "Max(*s0)",
        "s0 if s0 else 1",
        "s0 and 1",
        "None",
        "~s0",
        "s0 << 9",
        "1 +",
        "1\n2",
        "",
        "+".join(["1"] * 100_000),
        "(" * 500 + "1" + ")" * 500,
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="which torch would not write: it could run code"):
        check_expression(text)
