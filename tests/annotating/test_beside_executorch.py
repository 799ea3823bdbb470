"""Presets on graphs without conflict give the same specs, node by node, as ExecuTorch's quantizer."""

from __future__ import annotations

import pytest

from benchmarks.specs import MODELS, PRESETS, Difference, differences, model_of, reason_of, specs_of, suite
from qnnsolve import SolveQuantizer

FIXED = {
    "sigmoid": ("8a8w", "16a8w", "16a4w", "16a16w"),
    "tanh": ("16a8w", "16a4w", "16a16w"),
}
"""HTP computes these in one scale whatever their encoding says (``facts show Sigmoid``): it is fixed here, and observed
by ExecuTorch's quantizer."""


BIASED = {
    "convolution": "conv2d.default",
    "convolution and relu": "conv2d.default",
    "transposed convolution": "conv_transpose2d.input",
    "linear": "linear.default",
    "two linears": "linear.default",
}
"""Layers whose bias has a scale of its own in ExecuTorch where a weight has one scale; at 16a8w the weight is u8."""


def expected(name: str, precision: str) -> list[Difference]:
    if precision not in FIXED.get(name, ()):
        return []
    width = "u8" if precision == "8a8w" else "u16"
    return [Difference(f"aten.{name}.default", "out", f"{width} fixed", width)]


@pytest.mark.parametrize("precision", PRESETS)
@pytest.mark.parametrize("name", MODELS)
def test_the_specs_are_the_same(name: str, precision: str) -> None:
    found = list(differences(model_of(name), "SM8750", precision))
    assert found == expected(name, precision)
    assert all(map(reason_of, found))


@pytest.mark.parametrize("precision", PRESETS)
@pytest.mark.parametrize("name", BIASED)
def test_with_one_scale_per_weight_weights_and_biases_differ_as_explained(name: str, precision: str) -> None:
    target = f"aten.{BIASED[name]}"
    bias = Difference(target, "in[2]", "derived", "s32sym")
    weight = [Difference(target, "in[1]", "s8sym", "u8sym")] if precision == "16a8w" else []
    found = list(differences(model_of(name), "SM8750", precision, channels=False))
    assert found == [*weight, bias] * (2 if name == "two linears" else 1)
    assert all(map(reason_of, found))


@pytest.mark.parametrize(
    "difference",
    [
        Difference("aten.linear.default", "in[0]", "u16", "u8"),
        Difference("aten.conv2d.default", "in[1]", "s4sym/0", "s8sym/0"),
        Difference("aten.softmax.int", "out", "nothing", "u8"),
    ],
)
def test_another_difference_has_no_reason(difference: Difference) -> None:
    assert reason_of(difference) is None


@pytest.mark.filterwarnings("ignore::Warning")  # of torch and of ExecuTorch's own passes, in somebody's models
@pytest.mark.slow
def test_a_sample_of_executorchs_op_models_differs_where_it_is_explained_alone() -> None:
    """Every fourth of them at 8a8w; ``python -m benchmarks.specs --suite`` takes all."""
    found = {name: list(differences(model, "SM8750", "8a8w")) for name, model in suite(every=4)}
    assert len(found) > 40
    assert [(name, each) for name, some in found.items() for each in some if reason_of(each) is None] == []


def test_what_is_compared_is_there() -> None:
    quantizer = SolveQuantizer("htp", "SM8750", precision="16a8w")
    found = specs_of(quantizer, model_of("linear"))
    assert found == {
        ("linear", "aten.linear.default", "in[0]"): "u16",
        ("linear", "aten.linear.default", "in[1]"): "s8sym/0",
        ("linear", "aten.linear.default", "in[2]"): "derived",
        ("linear", "aten.linear.default", "out"): "u16",
    }
