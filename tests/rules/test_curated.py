"""Curated facts: each is enforced where it applies, and only there."""

from __future__ import annotations

import pytest

from qnnsolve.constraints import Forbid, Site
from qnnsolve.encodings import FP16, DType, QScheme
from qnnsolve.explain import sentence
from qnnsolve.facts.accepted import FixedAt
from qnnsolve.facts.forms import Form, Kernel
from qnnsolve.facts.graph import Ref
from qnnsolve.opinfo_facts import operator_facts
from qnnsolve.rules.request import PRECISIONS
from tests.rules.graphs import CONV, B, X, call, facts, of_kind, param, placeholder, yielded


@pytest.mark.parametrize(
    ("op", "code", "fixed"),
    [
        ("Sigmoid", "u8", (1 / 256, 0)),
        ("Sigmoid", "u16", (1 / 65536, 0)),
        ("ElementWiseNeuron.hardsigmoid", "u8", (1 / 256, 0)),
        ("ElementWiseNeuron.hardsigmoid", "u16", (1 / 65536, 0)),
        ("Tanh", "u16", (1 / 32768, 32768)),
        ("Softmax", "u8", (1 / 256, 0)),
        ("Tanh", "u8", None),
        ("Softmax", "u16", None),
        ("ElementWiseExp", "u8", None),
    ],
)
def test_an_output_has_a_fixed_scale_and_zero_point(op: str, code: str, fixed: tuple[float, int] | None) -> None:
    accepted = operator_facts("htp", "V79").accepted(op, "rank4")
    assert accepted is not None
    wanted = () if fixed is None else (FixedAt(1, *fixed),)
    found = [row.fixed for codes, row in accepted.rows.items() if codes[1] == code]
    assert found and all(tuple(each for each in row if each.position == 1) == wanted for row in found)


@pytest.mark.parametrize(("case", "scale"), [(None, 1 / 256), ("wide", 1 / 256), ("pair", 1 / 255)])
def test_a_case_may_have_a_fixed_scale_of_its_own(case: str | None, scale: float) -> None:
    accepted = operator_facts("htp", "V68").accepted("Softmax", Form(case, rank=4))
    assert accepted is not None
    assert accepted.rows["u8", "u8"].fixed == (FixedAt(1, scale, 0),)


@pytest.mark.parametrize(
    ("op", "port", "floor"),
    [
        ("ElementWiseLog", "out[0]", {"u16": 1e-4}),
        ("ElementWiseExp", "out[0]", None),
        ("Softmax", "in[0]", {"u16": 4e-4}),
        ("Softmax", "out[0]", None),
    ],
)
def test_a_port_has_a_smallest_scale(op: str, port: str, floor: dict[str, float] | None) -> None:
    found = operator_facts("htp", "V79").curated.at_least.get((op, port))
    assert (None if found is None else dict(found[0])) == floor


@pytest.mark.parametrize(("op", "shares"), [("Reshape", True), ("Transpose", True), ("Gather", True), ("Relu", False)])
def test_what_moves_bits_shares_one_encoding(op: str, shares: bool) -> None:
    accepted = operator_facts("htp", "V68").accepted(op, Form(rank=4))
    assert accepted is not None
    assert ({0, len(accepted.inputs)} <= accepted.same[0]) is shares


@pytest.mark.parametrize(
    ("arch", "code", "computes"),
    [("V68", "s4b", False), ("V69", "s4b", True), ("V69", "s2c", False), ("V73", "s2c", True), ("V68", "s4c", True)],
)
def test_a_weight_format_has_a_first_arch(arch: str, code: str, computes: bool) -> None:
    accepted = operator_facts("htp", arch).accepted("Conv2d", Form(kernel=Kernel.POINT))
    assert accepted is not None
    assert any(code in codes for codes in accepted.rows) is computes


@pytest.mark.parametrize(("arch", "fires"), [("V69", True), ("V73", False)])
def test_two_bits_are_forbidden_before_v73(arch: str, fires: bool) -> None:
    given = facts(placeholder("x", 1, 64), param("w", 4, 64, 1, 1), B, CONV, ask="16a2w", arch=arch)
    found = yielded("QH001", given)
    assert [each.sites for each in found if isinstance(each, Forbid)] == ([(Site("w", "conv"),)] if fires else [])


@pytest.mark.parametrize(
    ("shape", "target", "fires"),
    [
        ((4, 64, 3, 3), "conv2d.default", True),
        ((4, 64, 1, 3), "conv2d.default", True),
        ((4, 64, 3), "conv1d.default", True),
        ((4, 64, 1, 1), "conv2d.default", False),
        ((4, 64), "linear.default", True),
    ],
)
def test_blocks_are_forbidden_outside_1x1_convolutions(shape: tuple[int, ...], target: str, fires: bool) -> None:
    node = call("conv", target, Ref("x"), Ref("w"), Ref("b"))
    x = placeholder("x", 1, *(64, 8, 8)[: len(shape) - 1])
    found = yielded("QH004", facts(x, param("w", *shape), B, node, ask="16a4w_block", arch="V73"))
    forbidden = [e.qscheme for each in found if isinstance(each, Forbid) for e in each.encodings]
    assert forbidden == ([QScheme.PER_BLOCK_SYMMETRIC] if fires else [])


@pytest.mark.parametrize(
    ("shape", "block", "why"),
    [
        ((4, 64, 1, 1), (1, 32, 1, 1), None),
        ((4, 96), (1, 32), None),
        ((4, 48), (1, 32), "block size 32 does not divide 48 input channels (16, 8, 4, 2 would do)"),
        ((4, 1, 3, 3), (1, 32, 1, 1), "block size 32 does not divide 1 input channel"),
    ],
)
def test_blocks_run_along_input_channels_which_they_have_to_divide(
    shape: tuple[int, ...], block: tuple[int, ...], why: str | None
) -> None:
    target = "linear.default" if len(shape) == 2 else "conv2d.default"
    node = call("conv", target, Ref("x"), Ref("w"), Ref("b"))
    given = facts(placeholder("x", 1, 64), param("w", *shape), B, node, ask="16a4w_block", arch="V73")
    asked = given.asked(Site("w", "conv"))
    assert (asked.block_size, asked.ch_axis) == (block, 0)
    forbidden = [
        (each.site, *each.encodings, sentence(each.reason)) for each in of_kind(Forbid, yielded("QC009", given))
    ]
    assert forbidden == ([(Site("w", "conv"), asked, why)] if why else [])


@pytest.mark.parametrize("name", sorted(PRECISIONS))
def test_quantized_and_half_precision_activations_never_meet(name: str) -> None:
    """No rule is needed: no site may be either. A weight beside fp16 activations may be quantized."""
    sigmoid = call("s", "sigmoid.default", Ref("x"))
    given = facts(X, param("w", 4, 4, 1, 1), B, CONV, sigmoid, call("v", "view.default", Ref("s")), ask=name)
    activations = [domain for site, domain in given.domains.items() if site.node not in ("w", "b")]
    chosen = {e for domain in activations for e in domain if e.dtype is not DType.FLOAT32}
    assert chosen == {FP16} if PRECISIONS[name].fp16 else all(e.quantized for e in chosen)
    assert any(e.quantized for e in given.domains[Site("w", "conv")])
