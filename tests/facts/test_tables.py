"""The facts-file format, and what the shipped measurements say."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from qnnsolve.encodings import BOOL, FLOAT, FP16, INT32, DType, Encoding
from qnnsolve.errors import FactsError, UnknownNameError
from qnnsolve.facts import tables
from qnnsolve.facts.table_writing import dump_table, write_table
from qnnsolve.facts.tables import ARCHS, CODES, FixedPort, OpTable, ProbeVerdict, codes_of, load_table, shipped_tables

ALL = frozenset(ARCHS)
FOLDER = Path(tables.__file__).parent / "data" / "htp"

SMALL: dict[str, Any] = {
    "op": "MatMul",
    "backend": "htp",
    "format": 2,
    "source": {"kind": "measured", "by": "qnnsolve.probe", "qnn": "v2", "date": "2026-11-23"},
    "inputs": ["in[0]", "in[1]"],
    "outputs": ["out[0]"],
    "repeats": None,
    "aten": ["aten.mm.default"],
    "cases": {
        "rank2|rank3": {
            "shapes": "8x32 | 1x8x32",
            "asked": {"in[0]": "u8 u16", "in[1]": "u8 u16", "out[0]": "u8 u16"},
            "rows": {"u16 u16 > u16": "V73 V79", "u8 u8 > u8": "V68 V69"},
            "validator_only": {"u16 u16 > u16": "V68"},
            "unstable": {"u8 u16 > u8": "V81"},
            "wrong": {"u8 u8 > u8": "V81"},
            "symmetric": {"u16 u16 > u16": "in[1]"},
            "same": {"u8 u8 > u8": "in[0] out[0]"},
            "fixed": {"u8 u8 > u8": "out[0] 1/256 0"},
            "axes": {"in[1]": 1},
        }
    },
}


def _written(folder: Path, raw: object) -> Path:
    path = folder / "MatMul.json"
    path.write_text(raw if isinstance(raw, str) else json.dumps(raw), encoding="utf-8")
    return path


def _changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    raw: dict[str, Any] = json.loads(json.dumps(SMALL))
    change(raw)
    return raw


def test_a_table_says_what_its_file_says(tmp_path: Path) -> None:
    table = load_table(_written(tmp_path, SMALL))
    assert table.verdict("rank3", ("u8", "u8", "u8"), "V68") is ProbeVerdict.ACCEPTED
    assert table.verdict("rank2", ("u8", "u8", "u8"), "V73") is ProbeVerdict.REJECTED
    assert table.verdict("rank2", ("u16", "u16", "u16"), "V68") is ProbeVerdict.VALIDATOR_ONLY
    assert table.verdict("rank2", ("u8", "u16", "u8"), "V81") is ProbeVerdict.UNKNOWN
    assert table.verdict("rank2", ("s8", "u8", "u8"), "V68") is ProbeVerdict.UNKNOWN
    assert table.verdict("rank2", ("u8", "u8"), "V68") is ProbeVerdict.UNKNOWN
    assert table.verdict("rank2", ("u8", "u8", "u8"), "V99") is ProbeVerdict.UNKNOWN
    assert table.verdict("rank2", ("u8", "u8", "u8"), "V81") is ProbeVerdict.WRONG
    first, second = table.cases[0].rows
    assert first.symmetric == {"in[1]"}
    assert second.same == {"in[0]", "out[0]"}
    assert second.fixed == (FixedPort("out[0]", 1 / 256, 0),)
    assert table.cases[0].axes == (("in[1]", 1),)
    assert "2026-11-23" in table.source.citation
    with pytest.raises(KeyError):
        table.case("rank4")


def test_writing_what_was_read_gives_the_same_table_and_bytes(tmp_path: Path) -> None:
    table = load_table(_written(tmp_path, SMALL))
    path = tmp_path / "again.json"
    write_table(table, path)
    assert load_table(path) == table
    assert path.read_text(encoding="utf-8") == dump_table(table)
    assert [file.name for file in tmp_path.iterdir() if "tmp" in file.name] == []
    assert '"u8 u8 > u8": "V68 V69"\n' in dump_table(table)


def _case(raw: dict[str, Any]) -> dict[str, Any]:
    case: dict[str, Any] = raw["cases"]["rank2|rank3"]
    return case


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        pytest.param("{", "is not JSON", id="truncated"),
        pytest.param("[" * 100_000, "is not JSON", id="deep"),
        pytest.param([], "not an operator table", id="list"),
        pytest.param({"format": 1}, "format 2", id="other format"),
        pytest.param(_changed(lambda raw: raw.update(extra=1)), "unknown keys extra", id="unknown key"),
        pytest.param(_changed(lambda raw: raw.update(op=7)), "no str 'op'", id="op"),
        pytest.param(_changed(lambda raw: raw.update(inputs=["a", "a"])), "'inputs'", id="double port"),
        pytest.param(_changed(lambda raw: raw.update(repeats="in[7]")), "'repeats'", id="repeats"),
        pytest.param(_changed(lambda raw: raw.update(cases={})), "no cases", id="no cases"),
        pytest.param(_changed(lambda raw: raw.update(source={"kind": "rumour"})), "'source'", id="source"),
        pytest.param(_changed(lambda raw: _case(raw)["asked"].pop("in[1]")), "not its ports", id="port"),
        pytest.param(_changed(lambda raw: _case(raw)["asked"].update({"in[1]": "u8 q7"})), "q7", id="code"),
        pytest.param(_changed(lambda raw: _case(raw)["rows"].update({"u8 > u8": "V68"})), "not a tuple", id="arity"),
        pytest.param(_changed(lambda raw: _case(raw)["rows"].update({"s8 u8 > u8": "V68"})), "not asked", id="asked"),
        pytest.param(_changed(lambda raw: _case(raw)["rows"].update({"u8 u8 > u16": "V7"})), "V7", id="arch"),
        pytest.param(_changed(lambda raw: _case(raw)["rows"].update({"u8 u8 > u16": "V69 V68"})), "archs", id="order"),
        pytest.param(_changed(lambda raw: _case(raw)["rows"].update({"u8 u8 > u16": None})), "None", id="no archs"),
        pytest.param(
            _changed(lambda raw: _case(raw)["validator_only"].update({"u8 u8 > u8": "V68"})), "two things", id="twice"
        ),
        pytest.param(
            _changed(lambda raw: _case(raw)["wrong"].update({"u8 u8 > u8": "V68"})), "two things", id="right and wrong"
        ),
        pytest.param(_changed(lambda raw: _case(raw).update(same=[])), "'same' does not map", id="same list"),
        pytest.param(_changed(lambda raw: _case(raw)["same"].update({"u8 u8 > u8": "in[9]"})), "in[9]", id="same port"),
        pytest.param(
            _changed(lambda raw: _case(raw)["same"].update({"u8 u16 > u16": "in[0] out[0]"})),
            "in no row",
            id="same row",
        ),
        pytest.param(
            _changed(lambda raw: _case(raw)["fixed"].update({"u8 u8 > u8": "out[0] 0 0"})), "'fixed'", id="scale 0"
        ),
        pytest.param(
            _changed(lambda raw: _case(raw)["fixed"].update({"u8 u8 > u8": "out[0] 1/0 0"})), "'fixed'", id="scale 1/0"
        ),
        pytest.param(_changed(lambda raw: _case(raw)["axes"].update({"in[1]": "3"})), "'axes'", id="axis"),
        pytest.param(
            _changed(lambda raw: _case(raw)["symmetric"].update({"u8 u16 > u16": "in[0]"})), "in no row", id="symmetric"
        ),
    ],
)
def test_a_damaged_file_is_one_line_that_names_it(tmp_path: Path, raw: object, what: str) -> None:
    path = _written(tmp_path, raw)
    with pytest.raises(FactsError, match=re.escape(what)) as caught:
        load_table(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_or_binary_file_is_a_facts_error(tmp_path: Path) -> None:
    with pytest.raises(FactsError, match="cannot be read"):
        load_table(tmp_path / "absent.json")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FactsError, match="cannot be read"):
        load_table(tmp_path / "binary.json")
    with pytest.raises(UnknownNameError, match="abacus"):
        shipped_tables("abacus")
    assert shipped_tables("lpai") == {}


def test_every_shipped_file_is_canonical_and_named_after_its_op() -> None:
    files = sorted(FOLDER.glob("*.json"))
    assert len(files) > 40
    for path in files:
        table = load_table(path)
        assert dump_table(table) == path.read_text(encoding="utf-8"), path.name
        assert table.op == path.stem


REFUSED = {"ElementWiseBinary.Fmod", "ElementWiseUnary.Reciprocal"}
"""Operations that HTP takes in no form: ExecuTorch emits neither."""


def test_no_shipped_table_is_empty() -> None:
    """An op with no accepted tuple means a wrong shape or parameter in the probe, not no support."""
    tables = shipped_tables()
    assert {op for op, table in tables.items() if not any(case.rows for case in table.cases)} == REFUSED
    assert all(set(case.asked[0]) <= set(CODES) for table in tables.values() for case in table.cases)


def _archs(op: str, case: str, *codes: str) -> set[str]:
    table = shipped_tables()[op]
    return {arch for arch in ARCHS if table.verdict(case, codes, arch) is ProbeVerdict.ACCEPTED}


SINCE_V73 = {"V73", "V75", "V79", "V81"}


@pytest.mark.parametrize(
    ("op", "case", "codes", "archs"),
    [
        ("LayerNorm", "rank3", "u16 s16 s32 u16", SINCE_V73),
        ("LayerNorm", "rank3", "u16 u8 s32 u16", ALL),
        ("MatMul", "rank4", "u16 u16 u16", SINCE_V73),
        ("MatMul", "rank2", "u16 s16 u16", SINCE_V73),
        ("MatMul", "rank4", "u16 s16 u16", SINCE_V73),
        ("MatMul", "rank4", "u16 u8 u16", ALL),
        ("MatMul", "rank4", "u16 s8 u16", ALL),
        ("MatMul", "rank4", "u8 u16 u16", set()),
        ("FullyConnected", "rank2", "u16 s8 s32 u16", ALL),
        ("FullyConnected", "rank2", "u16 s8c s32c u16", ALL),
        ("FullyConnected", "rank2", "u16 s16 s32 u16", SINCE_V73),
        ("Conv2d", "3x3", "u16 s4c s32c u16", ALL),
        ("Conv2d", "1x1", "u16 s4b s32c u16", ALL),
        ("Conv2d", "3x3", "u16 s4b s32c u16", set()),
        ("MatMul", "rank5", "u8 u8 u8", set()),
        ("Conv2d", "3x3", "u16 s2c s32c u16", SINCE_V73),
        ("Conv2d", "3x3", "u16 s16 s32 u16", SINCE_V73),
        ("Conv2d", "3x3", "u8 s8c s32c u16", set()),
        ("DepthWiseConv2d", "3x3", "u8 s8c s32c u8", ALL),
        ("Softmax", "rank3", "u16 u16", ALL),
        ("Softmax", "rank3", "u16 u8", set()),
        ("Convert", "rank3", "u8 u16", ALL),
        ("Convert", "rank3", "s8 f32", set()),
        ("ElementWiseAdd", "same", "u8 u16 u16", set()),
        ("Gather", "embedding", "u16 i32 u16", ALL),
    ],
)
def test_what_is_known_of_the_chips_comes_out_of_the_tables(
    op: str, case: str, codes: str, archs: frozenset[str]
) -> None:
    assert _archs(op, case, *codes.split()) == archs


def test_sixteen_bit_operands_must_be_symmetric() -> None:
    rows = {row.key: row for case in shipped_tables()["MatMul"].cases for row in case.rows}
    assert rows["u16 u16 > u16"].symmetric == {"in[1]"}
    assert rows["u16 u8 > u16"].symmetric == set()


@pytest.mark.parametrize(
    ("encoding", "code"),
    [
        (Encoding.affine(DType.UINT8), "u8"),
        (Encoding.affine(DType.UINT16), "u16"),
        (Encoding.affine(DType.INT8), "s8"),
        (Encoding.symmetric(DType.INT8, 8), "s8"),
        (Encoding.symmetric(DType.INT16, 16), "s16"),
        (Encoding.symmetric(DType.INT32, 32), "s32"),
        (Encoding.symmetric(DType.INT8, 8, ch_axis=0), "s8c"),
        (Encoding.symmetric(DType.INT16, 16, ch_axis=0), "s16c"),
        (Encoding.symmetric(DType.INT32, 32, ch_axis=0), "s32c"),
        (Encoding.symmetric(DType.INT8, 4), "s4"),
        (Encoding.symmetric(DType.INT8, 4, ch_axis=0), "s4c"),
        (Encoding.symmetric(DType.INT8, 2, ch_axis=0), "s2c"),
        (Encoding.symmetric(DType.INT8, 4, ch_axis=0, block_size=(1, 32)), "s4b"),
        (FLOAT, "f32"),
        (FP16, "f16"),
        (INT32, "i32"),
        (BOOL, "b8"),
    ],
)
def test_an_encoding_has_one_port_code(encoding: Encoding, code: str) -> None:
    assert codes_of(encoding) == code
    assert code in CODES


def test_an_encoding_that_no_table_asks_is_never_legal() -> None:
    strange = [Encoding.symmetric(DType.INT8, 8, ch_axis=0, block_size=(1, 32)), Encoding(DType.UINT8)]
    assert [codes_of(encoding) in CODES for encoding in strange] == [False, False]


def test_tables_are_values() -> None:
    table: OpTable = shipped_tables()["MatMul"]
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        table.op = "Other"  # type: ignore[misc]
