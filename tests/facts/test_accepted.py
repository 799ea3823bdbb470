"""What one operator accepts: rows, what they ask of their ports, and ports that repeat."""

from __future__ import annotations

import attrs

from qnnsolve.encodings import DType, Encoding
from qnnsolve.facts.accepted import Accepted, AcceptedRow, FixedAt
from qnnsolve.facts.combine import accepted_of
from qnnsolve.facts.curated import Curated
from qnnsolve.facts.forms import ANY_FORM, Form
from qnnsolve.facts.tables import Case, FixedPort, OpTable, TableRow
from qnnsolve.sources import Source, SourceKind

U8, U16 = Encoding.affine(DType.UINT8), Encoding.affine(DType.UINT16)
S8, S8C = Encoding.symmetric(DType.INT8, 8), Encoding.symmetric(DType.INT8, 8, ch_axis=0)
FIXED = attrs.evolve(U8, scale=1 / 256, zero_point=0)
SDK, MEASURED = Source(SourceKind.SDK, "sdk"), Source(SourceKind.MEASURED, "measured")
NOTHING = Curated({}, {}, {}, {}, {}, {}, {}, {})


def accepted(inputs: int, outputs: int, *rows: str, repeats: int | None = None, **asks: object) -> Accepted:
    row = AcceptedRow(sources=(MEASURED,), **asks)  # type: ignore[arg-type]
    named = tuple(f"in[{i}]" for i in range(inputs)), tuple(f"out[{i}]" for i in range(outputs))
    return Accepted({tuple(text.replace(">", "").split()): row for text in rows}, *named, repeats)


def test_a_row_is_admitted_where_its_codes_are() -> None:
    relu = accepted(1, 1, "u8 > u8")
    assert relu.admits(("u8", "u8"))
    assert not relu.admits(("u8", "u16"))
    assert relu.citing(("u8", "u8")) == (MEASURED,)


def test_a_symmetric_port_refuses_what_is_affine_or_unknown() -> None:
    matmul = accepted(2, 1, "u8 s8 > u8", symmetric=frozenset({1}))
    assert matmul.admits(("u8", "s8", "u8"), {0: U8, 1: S8, 2: U8})
    assert not matmul.admits(("u8", "s8", "u8"), {0: U8, 1: Encoding.affine(DType.INT8), 2: U8})
    assert not matmul.admits(("u8", "s8", "u8"))


def test_a_fixed_port_takes_its_own_scale_only() -> None:
    sigmoid = accepted(1, 1, "u8 > u8", fixed=(FixedAt(1, 1 / 256, 0),))
    assert sigmoid.admits(("u8", "u8"), {0: U8, 1: FIXED})
    assert not sigmoid.admits(("u8", "u8"), {0: U8, 1: U8})
    assert list(sigmoid.fixed_at(1)) == [("u8", FixedAt(1, 1 / 256, 0))]
    assert list(sigmoid.fixed_at(0)) == []
    assert sigmoid.free_at(1) == set()
    assert sigmoid.free_at(0) == {"u8"}


def test_an_axis_binds_what_has_one() -> None:
    conv = accepted(2, 1, "u8 s8c > u8", "u8 s8 > u8", axis=((1, frozenset({0})),))
    other = attrs.evolve(S8C, ch_axis=1)
    assert conv.admits(("u8", "s8c", "u8"), {1: S8C})
    assert not conv.admits(("u8", "s8c", "u8"), {1: other})
    assert conv.admits(("u8", "s8", "u8"), {1: S8})


def test_a_repeated_input_stands_for_any_number() -> None:
    cat = accepted(2, 1, "u8 u8 > u8", "u16 u16 > u8", repeats=0)
    assert cat.admits(("u8", "u16", "u8", "u8"))
    assert cat.admits(("u8", "u8"))
    assert not cat.admits(("u8", "s8", "u8"))
    assert not cat.admits(("u8",))
    assert cat.places(0, 4, 1) == range(4)
    assert cat.places(2, 4, 1) == range(4, 5)


def test_only_the_ports_from_the_repeated_one_on_repeat() -> None:
    custom = accepted(2, 1, "i32 u8 > u8", repeats=1)
    assert custom.admits(("i32", "u8", "u8", "u8", "u8"))
    assert not custom.admits(("u8", "u8", "u8", "u8"))
    assert custom.places(1, 3, 1) == range(1, 3)
    assert custom.places(0, 3, 1) == range(1)


def test_a_repeated_output_stands_for_any_number() -> None:
    split = accepted(1, 1, "u8 > u8", repeats=1, symmetric=frozenset({1}))
    assert split.admits(("u8", "u8", "u8"), {1: S8, 2: S8})
    assert not split.admits(("u8", "u8", "u8"), {1: S8, 2: U8})
    assert not split.admits(("u8", "u8", "u16"), {1: S8, 2: S8})
    assert split.places(1, 1, 3) == range(1, 4)


def test_outputs_follow_the_inputs() -> None:
    topk = accepted(1, 2, "u8 > u8 i32", same=frozenset({0, 1}))
    assert topk.admits(("u8", "u8", "i32"))
    assert topk.places(2, 1, 2) == range(2, 3)
    assert topk.same == (frozenset({0, 1}), (MEASURED,))


def test_narrowing_asks_what_both_ask_and_cites_both() -> None:
    one = AcceptedRow(frozenset({0}), axis=((1, frozenset({0, 1})),), sources=(MEASURED,))
    other = AcceptedRow(fixed=(FixedAt(2, 0.5, 0),), axis=((1, frozenset({0})),), sources=(SDK,))
    both = one.narrowed(other)
    assert both == AcceptedRow(
        frozenset({0}), fixed=(FixedAt(2, 0.5, 0),), axis=((1, frozenset({0})),), sources=(MEASURED, SDK)
    )


def test_two_fixed_scales_contradict_each_other_unless_they_are_one_float() -> None:
    third = AcceptedRow(fixed=(FixedAt(0, 1 / 3, 0),))
    assert third.narrowed(AcceptedRow(fixed=(FixedAt(0, 0.33333334, 0),))) is not None
    assert third.narrowed(AcceptedRow(fixed=(FixedAt(0, 0.34, 0),))) is None
    assert third.narrowed(AcceptedRow(fixed=(FixedAt(0, 1 / 3, 1),))) is None


def _table(*cases: tuple[str, TableRow]) -> OpTable:
    made = tuple(Case(name, "", (("u8",), ("u8",)), (row,)) for name, row in cases)
    return OpTable("Relu", "htp", ("in[0]",), ("out[0]",), None, made, MEASURED)


def test_without_a_case_a_row_asks_what_every_case_asks() -> None:
    on = frozenset({"V68"})
    plain = TableRow(("u8",), ("u8",), on)
    asking = TableRow(("u8",), ("u8",), on, frozenset(), frozenset({"in[0]", "out[0]"}), (FixedPort("out[0]", 0.5, 0),))
    table = _table(("a", plain), ("b", asking))
    both = accepted_of(table, ANY_FORM, "V68", NOTHING).rows["u8", "u8"]
    assert both == AcceptedRow(frozenset(), frozenset({0, 1}), (FixedAt(1, 0.5, 0),), (), (MEASURED,))
    assert accepted_of(table, Form("a"), "V68", NOTHING).rows["u8", "u8"] == AcceptedRow(sources=(MEASURED,))
    assert accepted_of(table, Form("a"), "V69", NOTHING).rows == {}


def test_a_curated_gate_refuses_and_says_who() -> None:
    gate = attrs.evolve(NOTHING, since={"u8": ("V69", SDK)})
    table = _table(("a", TableRow(("u8",), ("u8",), frozenset({"V68", "V73"}))))
    old = accepted_of(table, ANY_FORM, "V68", gate)
    assert old.rows == {}
    assert old.refusing(("u8", "u8")) == (SDK,)
    assert accepted_of(table, ANY_FORM, "V73", gate).admits(("u8", "u8"))


def test_an_axis_is_torchs_where_the_weight_is_laid_out_anew() -> None:
    row = TableRow(("u8", "s8c"), ("u8",), frozenset({"V68"}))
    case = Case("a", "", (("u8",), ("s8c",), ("u8",)), (row,), axes=(("in[1]", 3),))
    asked = [
        accepted_of(
            OpTable(op, "htp", ("in[0]", "in[1]"), ("out[0]",), None, (case,), MEASURED), ANY_FORM, "V68", NOTHING
        )
        for op in ("Conv2d", "TransposeConv2d", "MatMul")
    ]
    assert [of.rows["u8", "s8c", "u8"].axis for of in asked] == [((1, frozenset({at})),) for at in (0, 1, 3)]
