"""Presets on graphs without conflict give the same specs, node by node, as ExecuTorch's quantizer."""

from __future__ import annotations

import pytest

from benchmarks.specs import MODELS, PRESETS, Difference, differences, model_of, specs_of
from qnnsolve import SolveQuantizer

FIXED = {
    "sigmoid": ("8a8w", "16a8w", "16a4w", "16a16w"),
    "tanh": ("16a8w", "16a4w", "16a16w"),
}
"""HTP computes these in one scale whatever their encoding says (``facts show Sigmoid``): it is fixed here, and observed
by ExecuTorch's quantizer."""


def expected(name: str, precision: str) -> list[Difference]:
    if precision not in FIXED.get(name, ()):
        return []
    width = "u8" if precision == "8a8w" else "u16"
    return [Difference(f"aten.{name}.default", "out", f"{width} fixed", width)]


@pytest.mark.parametrize("precision", PRESETS)
@pytest.mark.parametrize("name", MODELS)
def test_the_specs_are_the_same(name: str, precision: str) -> None:
    assert list(differences(model_of(name), "SM8750", precision)) == expected(name, precision)


def test_what_is_compared_is_there() -> None:
    quantizer = SolveQuantizer("htp", "SM8750", precision="16a8w")
    found = specs_of(quantizer, model_of("linear"))
    assert found == {
        ("linear", "aten.linear.default", "in[0]"): "u16",
        ("linear", "aten.linear.default", "in[1]"): "s8sym/0",
        ("linear", "aten.linear.default", "in[2]"): "derived",
        ("linear", "aten.linear.default", "out"): "u16",
    }
