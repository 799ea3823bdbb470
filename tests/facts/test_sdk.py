"""The SDK's BackendOpInfo: every field of it is read, and its absence is said."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from qnnsolve.facts import sdk
from qnnsolve.facts.sdk import SdkFacts, SdkState, sdk_facts
from qnnsolve.facts.socs import soc
from qnnsolve.facts.tables import FixedPort, OpTable, TableRow
from qnnsolve.sources import SourceKind
from tests import backend_opinfo_stand_in as stand_in


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    sdk_facts.cache_clear()
    yield
    sdk_facts.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "qti"]:
        del sys.modules[name]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> SdkFacts:
    stand_in.install(monkeypatch)
    return sdk_facts("htp", soc("SM8750"), "V79")


def table(facts: SdkFacts, op: str) -> OpTable:
    found = facts.table(op)
    assert found is not None
    return found


def rows(facts: SdkFacts, op: str) -> dict[str, TableRow]:
    return {row.key: row for row in table(facts, op).cases[0].rows}


def test_every_variant_and_every_encoding_of_it_is_a_row(read: SdkFacts) -> None:
    found = set(rows(read, "Conv2d"))
    assert {"u8 s8c s32c > u8", "u16 s8c s32 > u16", "u16 s4b s32c > u16", "u16 s2c s32c > u16"} <= found
    assert "u8 s8 s32 > u8" not in found, "the weight's variants name no per-tensor encoding"
    assert set(rows(read, "Relu")) == {"u8 > u8", "u16 > u16", "f32 > f32"}


def test_an_optional_port_may_be_absent_where_that_was_measured(read: SdkFacts) -> None:
    assert "u8 s8c - > u8" in rows(read, "Conv2d")
    assert "u16 - > u16" not in rows(read, "MatMul")


def test_symmetry_axis_and_invariance_are_read(read: SdkFacts) -> None:
    conv = rows(read, "Conv2d")["u8 s8c s32c > u8"]
    assert conv.symmetric == {"in[1]", "in[2]"}
    assert conv.axis == (("in[1]", frozenset({3})),)
    assert rows(read, "MatMul")["u16 u16 > u16"].symmetric == {"in[1]"}
    assert rows(read, "Reshape")["u8 > u8"].same == {"in[0]", "out[0]"}


def test_what_is_not_stated_is_apart_from_what_is_denied(read: SdkFacts) -> None:
    (reshape,), (elu,), (relu, *_) = (read.variants[op] for op in ("Reshape", "Elu", "Relu"))
    stated = [
        (each.symmetric, each.invariant) for port in (reshape, elu, relu) for each in port.outputs[0].quantization
    ]
    assert stated == [(False, True), (False, False), (None, None)]
    assert rows(read, "Elu")["u8 > u8"].same == set()


def test_an_offset_becomes_a_zero_point(read: SdkFacts) -> None:
    assert rows(read, "Tanh")["u16 > u16"].fixed == (FixedPort("out[0]", 0.000030517578125, 32768),)
    assert rows(read, "Sigmoid")["u8 > u8"].fixed == (FixedPort("out[0]", 0.00390625, 0),)
    assert read.variants["Tanh"][0].outputs[0].quantization[0].offset == -32768


def test_any_port_may_hold_onward(read: SdkFacts) -> None:
    assert [table(read, op).repeats for op in ("Concat", "Split", "Custom", "Relu")] == [
        "in[0]",
        "out[0]",
        "in[1]",
        None,
    ]


def test_a_variant_that_does_not_repeat_as_its_operator_does_is_left_out(read: SdkFacts) -> None:
    assert set(rows(read, "Custom")) == {"i32 u8 > u8"}


def test_several_outputs_have_a_column_each(read: SdkFacts) -> None:
    assert table(read, "TopK").outputs == ("out[0]", "out[1]")
    assert set(rows(read, "TopK")) == {"u8 > u8 i32"}


def test_what_has_no_port_code_is_counted_and_never_a_row(read: SdkFacts) -> None:
    assert set(rows(read, "Gather")) == {"u8 i32 > u8"}
    assert "2 variants" in read.detail


def test_a_sub_operation_has_the_table_of_its_operator(read: SdkFacts) -> None:
    assert set(rows(read, "ElementWiseNeuron.gelu")) == {"u8 > u8"}
    assert read.table("Unheard") is None


def test_a_table_holds_for_the_arch_of_its_soc_and_says_where_it_is_from(read: SdkFacts) -> None:
    assert rows(read, "Relu")["u8 > u8"].archs == {"V79"}
    source = table(read, "Relu").source
    assert source.kind is SourceKind.SDK
    assert "htp on SM8750" in source.citation


def test_backend_and_soc_are_asked_once_per_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = stand_in.install(monkeypatch)
    for name in ("SM8750", "SM8350", "SM8750"):
        assert sdk_facts("htp", soc(name), soc(name).htp_arch).state is SdkState.READ
    assert asked == [("the HTP backend", "SM8750"), ("the HTP backend", "SM8350")]
    sdk_facts("lpai", soc("SM8750"), "V6")
    assert asked[-1] == ("the LPAI backend", "SM8750")


def test_contradicting_constraints_of_one_encoding_leave_no_row(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = (stand_in.Constraint((stand_in.PLAIN,), scale=scale, offset=0) for scale in (0.5, 0.25))
    variant = stand_in.Variant((stand_in.U8,), (stand_in.port("u8", one, other),))
    stand_in.install(monkeypatch, {"Relu": [variant], "Elu": [stand_in.Variant((stand_in.U8,), (stand_in.U8,))]})
    found = sdk_facts("htp", soc("SM8750"), "V79")
    assert found.table("Relu") is None
    assert "1 variants" in found.detail


def test_an_absent_sdk_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QNN_SDK_ROOT", raising=False)
    found = sdk_facts("htp", soc("SM8750"), "V79")
    assert found.state is SdkState.ABSENT
    assert "QNN_SDK_ROOT is not set" in found.detail and "2.41" in found.detail
    assert not found.tables


def test_an_sdk_that_fails_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in.install(monkeypatch, fails="no such\nchip")
    found = sdk_facts("htp", soc("SM8750"), "V79")
    assert found.state is SdkState.FAILED
    assert found.detail.endswith("RuntimeError: no such chip")


def test_a_backend_without_operators_or_unknown_to_the_sdk_is_no_silent_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in.install(monkeypatch, {})
    assert sdk_facts("htp", soc("SM8750"), "V79").state is SdkState.FAILED
    assert "GPU" in sdk_facts("gpu", soc("SM8750"), "V1").detail


def test_the_sdks_python_folder_is_looked_into(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "lib" / "python"
    for part in sdk.MODULE.split(".")[:-1]:
        package = package / part
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
    (package / "backend_opinfo.py").write_text("raise OSError('libQnnHtp.so: cannot open')\n")
    monkeypatch.setitem(os.environ, "QNN_SDK_ROOT", str(tmp_path))
    monkeypatch.setattr(sys, "path", list(sys.path))
    found = sdk_facts("htp", soc("SM8750"), "V79")
    assert found.state is SdkState.FAILED
    assert "libQnnHtp.so: cannot open" in found.detail
