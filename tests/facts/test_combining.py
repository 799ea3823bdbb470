"""Measured and SDK facts together: what both accept, who said so, and where they differ."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from qnnsolve.errors import FactsError, HostBackendError, UnknownNameError, UsageError
from qnnsolve.facts.accepted import Accepted
from qnnsolve.facts.sdk import sdk_facts
from qnnsolve.facts.socs import soc
from qnnsolve.facts.table_writing import write_table
from qnnsolve.facts.tables import shipped_tables
from qnnsolve.opinfo_facts import FactsSource, OperatorFacts, facts_source, operator_facts
from qnnsolve.reference.differences import FactDifference, differences, side
from qnnsolve.sources import SourceKind
from tests import backend_opinfo_stand_in as stand_in

CHIP = soc("SM8750")


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    for cached in (sdk_facts, operator_facts):
        cached.cache_clear()
    yield
    for cached in (sdk_facts, operator_facts):
        cached.cache_clear()


def of(source: FactsSource) -> OperatorFacts:
    return operator_facts("htp", "V79", CHIP, source)


def kinds(accepted: Accepted | None, codes: str) -> set[SourceKind]:
    assert accepted is not None
    return {source.kind for source in accepted.rows[tuple(codes.split())].sources}


@pytest.fixture
def sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in.install(monkeypatch)


@pytest.mark.usefixtures("sdk")
def test_both_is_what_both_accept_and_each_row_cites_both() -> None:
    conv = of(FactsSource.BOTH).accepted("Conv2d", "3x3")
    assert kinds(conv, "u8 s8c s32c u8") == {SourceKind.MEASURED, SourceKind.SDK}
    assert conv is not None and ("u8", "s8", "s32", "u8") not in conv.rows
    assert {s.kind for s in conv.refusing(("u8", "s8", "s32", "u8"))} == {SourceKind.SDK}
    assert ("f32", "f32", "f32", "f32") not in conv.rows
    assert of(FactsSource.MEASURED).accepted("Conv2d", "3x3").admits(("f32",) * 4)  # type: ignore[union-attr]


@pytest.mark.usefixtures("sdk")
def test_a_repeated_port_is_combined_by_its_instances() -> None:
    concat = of(FactsSource.BOTH).accepted("Concat")
    assert concat is not None and concat.admits(("u8", "u8", "u8", "u8"))
    assert not concat.admits(("u16", "u16", "u16"))
    assert {s.kind for s in concat.refusing(("u16", "u16", "u16"))} == {SourceKind.SDK}


@pytest.mark.usefixtures("sdk")
def test_either_source_can_be_had_alone() -> None:
    alone = of(FactsSource.SDK)
    assert kinds(alone.accepted("Relu"), "u8 u8") == {SourceKind.SDK}
    assert not alone.knows("ElementWiseAdd")
    assert kinds(of(FactsSource.MEASURED).accepted("Relu"), "u8 u8") == {SourceKind.MEASURED}


@pytest.mark.usefixtures("sdk")
def test_an_operator_that_one_source_knows_is_as_that_source_says() -> None:
    both = of(FactsSource.BOTH)
    assert kinds(both.accepted("Custom"), "i32 u8 u8") == {SourceKind.SDK}
    assert kinds(both.accepted("ElementWiseAdd", "same"), "u8 u8 u8") == {SourceKind.MEASURED}


@pytest.mark.usefixtures("sdk")
def test_both_ask_what_each_asks() -> None:
    tanh = of(FactsSource.BOTH).accepted("Tanh", "rank4")
    assert tanh is not None
    (fixed,) = tanh.rows["u16", "u16"].fixed
    assert fixed.zero_point == 32768, "the SDK's offset of -32768 and the curated zero point are one"
    reshape = of(FactsSource.BOTH).accepted("Reshape")
    assert reshape is not None and reshape.same[0] == {0, 1}
    assert {source.kind for source in reshape.same[1]} >= {SourceKind.SDK}


def test_every_source_that_was_looked_for_is_on_record(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = {record.source: record for record in of(FactsSource.BOTH).records}
    assert absent["measured"].used
    assert not absent["sdk"].used and "QNN SDK 2.41" in absent["sdk"].detail
    assert [record.source for record in of(FactsSource.MEASURED).records] == ["measured"]
    sdk_facts.cache_clear()
    operator_facts.cache_clear()
    stand_in.install(monkeypatch)
    assert [(record.source, record.used) for record in of(FactsSource.BOTH).records] == [
        ("measured", True),
        ("sdk", True),
    ]


def test_the_sdk_alone_is_refused_where_it_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(HostBackendError, match="no facts from the SDK: no BackendOpInfo"):
        of(FactsSource.SDK)
    with pytest.raises(HostBackendError, match="no SoC to ask for"):
        operator_facts("htp", "V79", None, FactsSource.SDK)
    stand_in.install(monkeypatch, fails="no licence")
    sdk_facts.cache_clear()
    with pytest.raises(HostBackendError, match="no licence"):
        of(FactsSource.SDK)


def test_a_facts_source_has_a_known_name() -> None:
    assert facts_source("sdk") is FactsSource.SDK
    with pytest.raises(UnknownNameError, match="did you mean measured"):
        facts_source("measure")


@pytest.mark.usefixtures("sdk")
def test_differences_name_op_case_row_and_both_sources() -> None:
    found = differences(side("measured", soc=CHIP), side("sdk", soc=CHIP), "Conv2d")
    by_row = {(each.case, each.row): each for each in found}
    lost = by_row["3x3", "f32 f32 f32 > f32"]
    assert (lost.one, lost.other, lost.archs) == ("accepted", "rejected", ("V79",))
    assert [record.kind for record in lost.one_sources] == ["measured"]
    assert [record.kind for record in lost.other_sources] == ["sdk"]
    asking = by_row["3x3", "u8 s8c s32c > u8"]
    assert asking.one.startswith("accepted") and asking.other.startswith("accepted (symmetric in[1] in[2]")


@pytest.mark.usefixtures("sdk")
def test_an_operator_that_one_side_does_not_know_is_one_difference() -> None:
    found = differences(side("measured", soc=CHIP), side("sdk", soc=CHIP))
    custom = [each for each in found if each.op == "Custom"]
    assert [(each.row, each.one, each.other) for each in custom] == [(None, "not known", "known")]
    assert [(each.one, each.archs) for each in found if each.op == "Softmax"] == [("known", ("V79",))]


def test_a_source_does_not_differ_from_itself(tmp_path: Path) -> None:
    assert differences(side("measured"), side("measured")) == ()
    for op in ("Relu", "Concat"):
        write_table(shipped_tables()[op], tmp_path / f"{op}.json")
    folder = side(str(tmp_path))
    assert differences(folder, side("measured"), "Concat") == ()
    assert differences(side(str(tmp_path / "Relu.json")), folder, "Relu") == ()
    assert {each.one for each in differences(folder, side("measured"), "Tanh")} == {"not known"}


def test_a_users_file_differs_by_what_it_says(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('format = 1\n[[forbid]]\nop = "Relu"\nrows = ["u8 > u8"]\narchs = ["V68", "V73"]\nwhy = "broken"\n')
    found = differences(side("measured"), side(str(path)))
    assert [(each.op, each.row, each.archs) for each in found] == [("Relu", "u8 > u8", ("V68", "V73"))] * len(found)
    assert found and isinstance(found[0], FactDifference)
    assert [record.citation for record in found[0].other_sources if record.kind == "user"] == [f"{path}:2: broken"]


def test_a_side_that_is_nothing_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean measured"):
        side("mesured")
    with pytest.raises(UsageError, match="--soc"):
        side("sdk")
    with pytest.raises(FactsError, match="holds no operator tables"):
        side(str(tmp_path))
    with pytest.raises(UnknownNameError, match="operator 'Rely'"):
        differences(side("measured"), side("measured"), "Rely")
