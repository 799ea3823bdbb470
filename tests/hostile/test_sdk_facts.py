"""A broken or hostile ``BackendOpInfo``: one line says so, and the solve goes on without it."""

from __future__ import annotations

import itertools
import sys
import types
from collections.abc import Iterator
from typing import Any

import pytest

from qnnsolve.facts.sdk import MODULE, SdkState, sdk_facts
from qnnsolve.facts.socs import soc
from qnnsolve.opinfo_facts import FactsSource, operator_facts
from tests import backend_opinfo_stand_in as stand_in

FAR = stand_in.Constraint((stand_in.AXIS,), symmetric=True, axis=(7,))


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    sdk_facts.cache_clear()
    yield
    sdk_facts.cache_clear()


class Rude(BaseException):
    def __str__(self) -> str:
        raise ValueError


@pytest.mark.parametrize(
    "error", [SystemExit(0), ZeroDivisionError("a"), MemoryError(), Rude(), StopIteration(), OSError(5, "a")]
)
@pytest.mark.parametrize("where", ["constructor", "operators", "variants"])
def test_whatever_is_raised(where: str, error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    class Info:
        def __init__(self, *_: object) -> None:
            if where == "constructor":
                raise error

        def get_all_supported_ops(self) -> list[str]:
            if where == "operators":
                raise error
            return ["Relu"]

        def get_op_info(self, op: str) -> Any:
            raise error

    fake = types.ModuleType(MODULE)
    vars(fake).update(BackendOpInfo=Info, HTP=0)
    stand_in.install(monkeypatch)
    monkeypatch.setitem(sys.modules, MODULE, fake)
    facts = sdk_facts("htp", soc("SM8750"), "V79")
    assert facts.state is SdkState.FAILED
    assert f"BackendOpInfo failed for htp on SM8750: {type(error).__name__}" in facts.detail
    assert "\n" not in facts.detail


def test_lists_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    variant = stand_in.Variant((stand_in.U8,), (stand_in.U8,))
    stand_in.install(monkeypatch, {"Relu": itertools.repeat(variant)})  # type: ignore[dict-item]  # the point
    assert "more than 5,000 things" in sdk_facts("htp", soc("SM8750"), "V79").detail


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_scales_that_are_none(scale: float, monkeypatch: pytest.MonkeyPatch) -> None:
    port = stand_in.port("u8", stand_in.Constraint((stand_in.PLAIN,), scale=scale, offset=0))
    stand_in.install(monkeypatch, {"Relu": [stand_in.Variant((stand_in.U8,), (port,))]})
    facts = sdk_facts("htp", soc("SM8750"), "V79")
    assert facts.state is SdkState.FAILED and f"a scale of {scale}" in facts.detail


def test_a_variant_that_leaves_all_open_is_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    open_ports = (stand_in.Port(stand_in.DTYPES["s8"], (), None),) * 12
    plain = stand_in.Variant((stand_in.U8,), (stand_in.U8,))
    stand_in.install(monkeypatch, {"Relu": [plain], "Concat": [stand_in.Variant(open_ports, open_ports)]})
    facts = sdk_facts("htp", soc("SM8750"), "V79")
    assert facts.state is SdkState.READ and set(facts.tables) == {"Relu"}
    assert "1 variants with dtypes or encodings" in facts.detail


def test_ports_and_axes_that_the_operator_does_not_have(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variant without inputs or outputs says nothing; an axis that the weight does not have matches none."""
    conv = stand_in.Variant((stand_in.U8, stand_in.port("s8", FAR), stand_in.BIAS), (stand_in.U8,))
    empty = [stand_in.Variant((), (stand_in.U8,)), stand_in.Variant((stand_in.U8,), ()), stand_in.Variant((), ())]
    reshape = stand_in.Variant((stand_in.U8,), (stand_in.U8,) * 2)
    stand_in.install(monkeypatch, {"Conv2d": [conv], "Relu": empty, "Reshape": [reshape]})
    operator_facts.cache_clear()
    facts = operator_facts("htp", "V79", soc("SM8750"), FactsSource.SDK)
    operator_facts.cache_clear()
    found = facts.accepted("Conv2d")
    assert found is not None and {row.axis for row in found.rows.values()} == {((1, frozenset({7})),)}
    assert facts.accepted("Relu") is None and "3 variants" in sdk_facts("htp", soc("SM8750"), "V79").detail
    assert facts.accepted("Reshape") is not None
