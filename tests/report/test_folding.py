"""Lines that say the same become one, and names are said in short."""

from __future__ import annotations

import attrs
import pytest

from qnnsolve.report.folding import names_in_short
from qnnsolve.report.text import solve_lines
from tests.records import LAYERS, solve_result
from tests.report.shown import text


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["bmm"], "bmm"),
        (["bmm", "bmm_1"], "bmm, bmm_1"),
        (["bmm", "bmm_1", "bmm_2"], "bmm..bmm_2"),
        (["bmm_3", "bmm_4", "bmm_5", "cat"], "bmm_3..bmm_5, cat"),
        (["bmm_1", "bmm_3", "bmm_5"], "bmm_1, bmm_3, bmm_5"),
        (["a", "a", "a"], "a"),
        (list("abcdefgh"), "a, b, c, d, e, f and 2 more"),
    ],
)
def test_names_in_short(names: list[str], short: str) -> None:
    assert names_in_short(names) == short


def test_different_reasons_are_not_folded() -> None:
    result = solve_result()
    first = result.nodes[0]
    other = attrs.evolve(first, deviations=(attrs.evolve(first.deviations[0], reason="something else"),))
    printed = text(solve_lines(attrs.evolve(result, nodes=(other, *result.nodes[1:])), "m"))
    assert f"x{LAYERS - 1} bmm_1..bmm_11" in printed
    assert "bmm (aten.bmm.default): input 1 (view) u16 -> u8  because something else [QC001]" in printed
