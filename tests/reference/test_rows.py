"""Rows folded into fewer, and archs in short."""

from __future__ import annotations

from qnnsolve.facts.table_types import ARCHS
from qnnsolve.facts.tables import shipped_tables
from qnnsolve.reference.operators import operator_view
from qnnsolve.reference.rows import RowView, archs_text, folded


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
