"""The case of a table is chosen by what is known of the node, and nothing fails open."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from qnnsolve.errors import FactsError
from qnnsolve.facts.combine import accepted_of
from qnnsolve.facts.curated import parse
from qnnsolve.facts.forms import ANY_FORM, Form, Kernel, When
from qnnsolve.facts.graph import Ref
from qnnsolve.facts.table_types import Case, OpTable, TableRow
from qnnsolve.facts.table_writing import write_table
from qnnsolve.facts.tables import load_table, parse_table, shipped_tables
from qnnsolve.facts.user import Allowed, FactScope, Forbidden, UserFacts
from qnnsolve.opinfo_facts import OperatorFacts, operator_facts
from qnnsolve.probe.ops import OPS
from qnnsolve.sources import Source, SourceKind
from tests.rules.graphs import call, facts, param, placeholder

MEASURED = Source(SourceKind.MEASURED, "test")
NOTHING = parse('format = 1\nbackend = "htp"\n', "test")
POINT, WIDER = Form(kernel=Kernel.POINT), Form(kernel=Kernel.WIDER)


@pytest.mark.parametrize(
    "text",
    ["any", "rank 5", "kernel 1x1", "fed", "constant in[1]", "rank 2, constant in[0] in[2]", "kernel wider, by name"],
)
def test_conditions_are_written_as_they_are_read(text: str) -> None:
    assert str(When.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["", "rank", "rank 12", "by name, fed", "fed, ", "constant in", "kernel 3x3", "any, fed"]
)
def test_other_spellings_are_refused(text: str) -> None:
    assert When.parse(text) is None


@pytest.mark.parametrize(
    ("text", "form", "fits"),
    [
        ("rank 4", Form(rank=4), True),
        ("rank 4", Form(rank=5), False),
        ("rank 4", ANY_FORM, True),
        ("kernel wider", POINT, False),
        ("constant in[1]", Form(constant=(False, True)), True),
        ("constant in[1]", Form(constant=(False, False)), False),
        ("constant in[1]", Form(constant=(True, True)), False),
        ("constant in[1]", Form(constant=(None, True)), True),
        ("fed", Form(constant=(False, True)), False),
        ("fed", Form(constant=(False, None)), True),
        ("by name", ANY_FORM, False),
        ("any", Form(rank=5, constant=(True,)), True),
    ],
)
def test_a_case_measures_the_nodes_against_which_nothing_speaks(text: str, form: Form, fits: bool) -> None:
    when = When.parse(text)
    assert when is not None and when.fits(form) is fits


def _case(name: str, when: str, codes: str, rows: str) -> Case:
    made = tuple(TableRow((code,), (code,), frozenset({"V68"})) for code in rows.split())
    parsed = tuple(found for part in when.split(" | ") if (found := When.parse(part)) is not None)
    return Case(name, "", (tuple(codes.split()), tuple(codes.split())), made, when=parsed)


TABLE = OpTable(
    "Relu",
    "htp",
    ("in[0]",),
    ("out[0]",),
    None,
    (
        _case("low|lower", "rank 3 | rank 2", "u8 s8 u16", "u8 s8 u16"),
        _case("high", "rank 5", "u8 s8", "u8"),
        _case("static", "constant in[0]", "u8 u16", "u16"),
        _case("odd", "by name", "u8 s8", "s8"),
    ),
    MEASURED,
)


@pytest.mark.parametrize(
    ("form", "rows"),
    [
        (Form(rank=3, constant=(False,)), {"u8", "s8", "u16"}),
        (Form(rank=5, constant=(False,)), {"u8"}),
        (Form(rank=3, constant=(True,)), {"s8", "u16"}),
        (Form("odd", rank=3), {"s8"}),
        (Form(rank=4, constant=(False,)), set()),
        (ANY_FORM, {"u16"}),
    ],
    ids=["rank 3", "rank 5", "two cases, where they asked", "by name", "no case: all", "nothing known"],
)
def test_every_fitting_case_that_asked_has_to_accept(form: Form, rows: set[str]) -> None:
    assert {codes[0] for codes in accepted_of(TABLE, form, "V68", NOTHING).rows} == rows


def test_what_no_fitting_case_asked_is_not_accepted() -> None:
    high = accepted_of(TABLE, Form(rank=5, constant=(False,)), "V68", NOTHING)
    assert not high.admits(("u16", "u16"))


def test_a_node_that_no_class_measures_has_no_class_of_its_own() -> None:
    assert {names for _, names in TABLE.measuring(Form(rank=4, constant=(False,)))} == {()}
    assert [names for _, names in TABLE.measuring(Form(rank=2, constant=(False,)))] == [("lower",)]


@pytest.mark.parametrize(
    ("form", "legal"), [(POINT, True), (WIDER, False), (Form("dilated", kernel=Kernel.WIDER), False)]
)
def test_blocks_are_legal_in_point_convolutions_only(form: Form, legal: bool) -> None:
    accepted = operator_facts("htp", "V79").accepted("Conv2d", form)
    assert accepted is not None
    assert accepted.admits(("u16", "s4b", "s32c", "u16")) is legal
    assert accepted.admits(("u16", "s8c", "s32c", "u16")), "eight bits per channel are legal over any kernel"


@pytest.mark.parametrize("rank", [2, 3, 4, 5])
@pytest.mark.parametrize("codes", ["u8 u8 u8", "u16 u8 u16", "u16 s8 u16"])
def test_matrices_are_multiplied_in_four_dimensions_at_most(rank: int, codes: str) -> None:
    accepted = operator_facts("htp", "V79").accepted("MatMul", Form(rank=rank, constant=(False, False)))
    assert accepted is not None and accepted.admits(tuple(codes.split())) is (rank < 5)


def test_a_node_says_its_form() -> None:
    conv = call("conv", "conv2d.default", Ref("x"), Ref("w"), None, (1, 1), (2, 2), (2, 2), shape=(1, 8, 4, 4))
    given = facts(placeholder("x", 1, 8, 4, 4), param("w", 8, 8, 3, 3), conv)
    assert given.form(conv, given.built["conv"]) == Form("dilated", 4, Kernel.WIDER, (False, True, None))


def test_one_case_measures_every_node_unless_the_table_is_closed() -> None:
    for table in shipped_tables().values():
        assert len(table.cases) > 1 or bool(table.cases[0].when) is table.closed, table.op
        assert all(case.when for case in table.cases) or len(table.cases) == 1, table.op


CLOSED = attrs.evolve(TABLE, closed=True)


@pytest.mark.parametrize(
    ("form", "rows"),
    [
        (Form(rank=3, constant=(False,)), {"u8", "s8", "u16"}),
        (Form("odd", rank=4), {"s8"}),
        (Form(rank=4, constant=(False,)), None),
        (Form("strange", rank=3, constant=(False,)), None),
    ],
    ids=["measured", "by name", "no case", "a name that no case has"],
)
def test_a_closed_table_knows_what_its_cases_measure(form: Form, rows: set[str] | None) -> None:
    accepted = OperatorFacts("htp", "V68", {"Relu": CLOSED}, NOTHING).accepted("Relu", form)
    assert (None if accepted is None else {codes[0] for codes in accepted.rows}) == rows
    assert OperatorFacts("htp", "V68", {"Relu": TABLE}, NOTHING).accepted("Relu", form) is not None


def test_of_a_form_that_nobody_measured_a_user_may_know() -> None:
    mine = Source(SourceKind.USER, "mine")
    allowed = Allowed(FactScope("Relu"), (("u8", "u8"),), (), mine)
    forbidden = Forbidden(FactScope("Relu"), (), None, frozenset(), mine)
    known = OperatorFacts("htp", "V68", {"Relu": CLOSED}, NOTHING, user=UserFacts(entries=(allowed,)))
    accepted = known.accepted("Relu", Form(rank=4, constant=(False,)))
    assert accepted is not None and set(accepted.rows) == {("u8", "u8")}
    refused = OperatorFacts("htp", "V68", {"Relu": CLOSED}, NOTHING, user=UserFacts(entries=(forbidden,)))
    assert refused.accepted("Relu", Form(rank=4, constant=(False,))) is None


def test_a_closed_table_is_read_as_it_is_written(tmp_path: Path) -> None:
    closed = shipped_tables()["MatMul"]
    write_table(closed, tmp_path / "MatMul.json")
    assert closed.closed and load_table(tmp_path / "MatMul.json") == closed
    text = (tmp_path / "MatMul.json").read_text().replace('"closed": true', '"closed": "yes"')
    with pytest.raises(FactsError, match="it has no bool 'closed'"):
        parse_table(text, "MatMul.json")


@pytest.mark.parametrize("op", sorted(name for name, spec in OPS.items() if spec.closed))
def test_what_computes_with_weights_is_closed(op: str) -> None:
    assert shipped_tables()[op].closed
