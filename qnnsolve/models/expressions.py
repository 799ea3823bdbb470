"""The symbolic sizes of a program: :func:`check_expression` lets through what torch writes, and nothing else.

``torch.export.load`` (2.13) gives them to ``sympy.sympify``, which evaluates Python. torch writes them with
``sympy.srepr``, or as plain arithmetic in older files.
"""

from __future__ import annotations

import ast
import re

from qnnsolve.foreign import printable
from qnnsolve.models.refused import Refused

__all__ = ["check_expression", "check_symbol"]

LONGEST = 20_000
MOST_NODES = 2_000
MOST_BITS = 4_096
"""Bits that a value may have, so that no power of powers is worked out."""
LARGEST_EXPONENT = 64
MOST_UNBACKED = 1_000_000
"""The highest number of a symbol without a value: torch counts up to it."""

_SYMBOL = re.compile(r"(s|u|zf|zuf|ps|tmp|i)(\d{1,18})")
"""How torch names the symbols of sizes (``torch.utils._sympy.symbol``)."""
_NUMBER = re.compile(r"-?\d{1,400}(\.\d{0,400})?([eE][+-]?\d{1,3})?")
_KEYWORDS = {"integer", "positive", "negative", "nonnegative", "nonpositive", "real", "finite", "zero", "nonzero"} | {
    "precision", "dps", "evaluate", "commutative", "extended_real"
}  # fmt: skip
_NAMES = {"true", "false", "oo", "int_oo", "zoo", "nan"}
_POWERS = {"Pow", "PowByNatural", "FloatPow", "LShift"}
_ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod)
_LEAVES = {"Symbol", "Integer", "Float"}
_FUNCTIONS = _POWERS | _LEAVES | {
    "Add", "Mul", "Rational", "Max", "Min", "Abs", "floor", "ceiling", "sqrt", "Not", "And", "Or", "Eq", "Ne", "Lt",
    "Le", "Gt", "Ge", "Equality", "Unequality", "StrictLessThan", "LessThan", "StrictGreaterThan", "GreaterThan",
    "Piecewise", "ExprCondPair", "FloorDiv", "ModularIndexing", "Where", "PythonMod", "Mod", "CleanDiv", "CeilToInt",
    "FloorToInt", "CeilDiv", "RShift", "FloatTrueDiv", "IntTrueDiv", "IsNonOverlappingAndDenseIndicator",
    "TruncToFloat", "TruncToInt", "RoundToInt", "RoundDecimal", "ToFloat", "Identity",
}  # fmt: skip


def check_symbol(name: str) -> None:
    """Check that this is the name of a size.

    Raises:
        Refused: it is not.
    """
    found = _SYMBOL.fullmatch(name)
    if found is None or (found[1] in ("u", "zuf") and int(found[2]) > MOST_UNBACKED):
        raise Refused(f"names a size '{printable(name, 60)}', which torch would not")


def check_expression(text: str) -> None:
    """Check that this is numbers, sizes, and the operators and functions that torch writes.

    Raises:
        Refused: there is anything else in it.
    """
    strange = Refused(f"has a size '{printable(text, 80)}', which torch would not write: it could run code")
    if len(text) > LONGEST or "\n" in text:
        raise strange
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise strange from error
    if sum(1 for _ in ast.walk(tree)) > MOST_NODES or _bits(tree.body) is None:
        raise strange


def _bits(node: ast.expr) -> int | None:
    """At most how many bits the value of ``node`` has; None where it may not stand in a size, or has too many."""
    found = _leaf(node)
    match node:
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() | ast.Not(), operand=operand):
            found = _bits(operand)
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            found = _power(left, right)
        case ast.BinOp(
            left=left, op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div() | ast.FloorDiv() | ast.Mod(), right=right
        ):
            found = _together((left, right))
        case ast.Compare(left=left, comparators=others):
            found = _together((left, *others))
        case ast.Tuple(elts=elements):
            found = _together(elements)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords) if name in _FUNCTIONS - _LEAVES:
            if all(map(_keyword, keywords)):
                found = _power(*args) if name in _POWERS and len(args) == 2 else _together(args)
    return found if found is not None and found <= MOST_BITS else None


def _leaf(node: ast.expr) -> int | None:
    match node:
        case ast.Constant(value=bool()):
            return 1
        case ast.Constant(value=int() as value):
            return value.bit_length()
        case ast.Constant(value=float()):
            return 64
        case ast.Name(id=name) if name in _NAMES or _SYMBOL.fullmatch(name):
            return 64
        case ast.Call(func=ast.Name(id="Symbol"), args=[ast.Constant(value=str() as name)], keywords=keywords):
            return 64 if _SYMBOL.fullmatch(name) and all(map(_keyword, keywords)) else None
        case ast.Call(func=ast.Name(id="Float"), args=[ast.Constant(value=str() as number)], keywords=keywords):
            return 64 if _NUMBER.fullmatch(number) and all(map(_keyword, keywords)) else None
        case ast.Call(func=ast.Name(id="Integer" | "Float"), args=[only], keywords=[]):
            return _bits(only) if isinstance(only, ast.Constant | ast.UnaryOp) else None
    return None


def _keyword(given: ast.keyword) -> bool:
    match given.value:
        case ast.Constant(value=bool()):
            return given.arg in _KEYWORDS
        case ast.Constant(value=int() as value):
            return given.arg in ("precision", "dps") and value <= 1_000
    return False


def _together(nodes: list[ast.expr] | tuple[ast.expr, ...]) -> int | None:
    each = [_bits(node) for node in nodes]
    return None if None in each else sum(bits for bits in each if bits is not None) + 1


def _power(base: ast.expr, exponent: ast.expr) -> int | None:
    """A power of a size or a number, by a number that is written out."""
    bits = _bits(base)
    match exponent:
        case ast.Call(func=ast.Name(id="Integer"), args=[inner], keywords=[]):
            return _power(base, inner)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _power(base, operand)
        case ast.Constant(value=int() | float() as value) if bits is not None and value <= LARGEST_EXPONENT:
            return int(bits * max(value, 1))
        case ast.Call(func=ast.Name(id="Rational"), args=[ast.Constant(value=int()), ast.Constant(value=int())]):
            return _together((base, exponent))
    return None
