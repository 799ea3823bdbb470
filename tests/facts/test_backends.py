"""Backends: built-in ones by name, and those that a distribution adds."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from qnnsolve import cli, solve
from qnnsolve.errors import FactsError, PluginError, RuleError, UnknownNameError, UsageError
from qnnsolve.facts import table_types
from qnnsolve.facts.backends import Backend, backend, backend_names
from qnnsolve.facts.curated import curated
from qnnsolve.facts.socs import soc
from qnnsolve.facts.tables import load_table, shipped_tables
from qnnsolve.opinfo_facts import operator_facts
from qnnsolve.rules import backend_rules, own_rules

PLUGIN = '''
from importlib.resources import files

from qnnsolve.constraints import Forbid
from qnnsolve.encodings import DType, Encoding
from qnnsolve.facts.backends import Backend
from qnnsolve.reasons import Reason
from qnnsolve.rules import rule


@rule("{code}")
def nothing_at_16_bits(facts):
    """No 16-bit tensor.

    Why: it has no such adder.

    Instead: 8 bits.
    """
    wide = Encoding.affine(DType.UINT16)
    for site, domain in facts.domains.items():
        if wide in domain:
            yield Forbid(site, frozenset({{wide}}), Reason.in_words("{code}", "no adder of 16 bits"))


RULES = (nothing_at_16_bits,)
BACKEND = Backend(
    name="abacus",
    archs=("V1", "V2"),
    arch_of=lambda soc: "V2" if soc.name == "SM8750" else None,
    rules="{module}:RULES",
    data=files("{module}_data"),
)
'''

TABLE: dict[str, Any] = {
    "op": "Relu",
    "backend": "abacus",
    "format": table_types.FORMAT,
    "source": {"kind": "measured", "by": "hand", "date": "2026-11-24"},
    "inputs": ["in[0]"],
    "outputs": ["out[0]"],
    "repeats": None,
    "aten": [],
    "cases": {
        "any": {
            "shapes": "any",
            "asked": {"in[0]": "u8 u16", "out[0]": "u8 u16"},
            "rows": {"u16 > u16": "V2", "u8 > u8": "V1 V2"},
        }
    },
}

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Puts a distribution on the path that offers a backend ``abacus``; nothing of it stays behind."""
    modules = set(sys.modules)
    monkeypatch.syspath_prepend(str(tmp_path))

    def go(text: str = PLUGIN, *, code: str = "AB001", target: str = "", name: str = "abacus-qnn") -> None:
        module = f"abacus_{len(list(tmp_path.iterdir()))}"
        (tmp_path / f"{module}.py").write_text(text.format(code=code, module=module) if "{code}" in text else text)
        data = tmp_path / f"{module}_data"
        data.mkdir()
        (data / "__init__.py").write_text("")
        (data / "Relu.json").write_text(json.dumps(TABLE))
        info = tmp_path / f"{name.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[qnnsolve.backends]\nabacus = {target or f'{module}:BACKEND'}\n")
        _forget()

    yield go
    for added in [name for name in sys.modules if name.startswith("abacus_") and name not in modules]:
        del sys.modules[added]
    _forget()


def _forget() -> None:
    for cached in (backend, backend_rules, own_rules, operator_facts, shipped_tables, curated):
        cached.cache_clear()


def test_the_built_in_ones() -> None:
    assert backend_names() == ("htp", "lpai")
    assert backend("htp").arch(soc("SM8350")) == "V68"
    assert backend("lpai").arch(soc("SM8850")) == "V6"
    with pytest.raises(UsageError, match=r"SM8750 has no LPAI in ExecuTorch's table; SAR2230P, SM8850 do"):
        backend("lpai").arch(soc("SM8750"))


def test_an_unknown_one_names_those_that_exist() -> None:
    with pytest.raises(UnknownNameError, match="known: htp, lpai"):
        backend("abacus")


@pytest.mark.parametrize("archs", [(), ("v68",), ("V2", "V1"), ("V1", "V1"), ("68",)])
def test_archs_are_numbered_and_rise(archs: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="archs are V"):
        Backend("x", archs, lambda _: None, "x:y")


def test_a_distribution_adds_one(install: Install) -> None:
    install()
    assert backend_names() == ("abacus", "htp", "lpai")
    assert not [name for name in sys.modules if name.startswith("abacus_")], "loaded before it is asked for"
    assert backend("abacus").arch(soc("SM8750")) == "V2"
    assert [rule.code for rule in own_rules("abacus")] == ["AB001"]
    assert {rule.code for rule in backend_rules("abacus")} > {"QC001", "AB001"}
    facts = operator_facts("abacus", "V2")
    assert facts.knows("Relu") and not facts.knows("Conv2d")
    accepted = facts.accepted("Relu")
    assert accepted is not None and accepted.admits(("u16", "u16"))
    older = operator_facts("abacus", "V1").accepted("Relu")
    assert older is not None and not older.admits(("u16", "u16"))
    assert curated("abacus").invariant == {}


def test_the_command_line_takes_it(install: Install, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    install()
    assert cli.main(["solve", "absent.pt2", "--soc", "SM8350", "--backend", "abacus"]) == 2
    assert capsys.readouterr().err == "error: SM8350 has no ABACUS in ExecuTorch's table; SM8750 does\n"
    assert cli.main(["export", "m:x", "--soc", "SM8750", "--backend", "abacus", "--out", str(tmp_path / "x.pte")]) == 3
    assert capsys.readouterr().err.startswith("error: cannot compile for abacus: ")


BROKEN = [
    ({"text": "raise OSError('no licence\\nfound')"}, "OSError: no licence"),
    ({"text": "BACKEND = 1"}, "is no qnnsolve.facts.backends.Backend of that name"),
    ({"target": "not_there:BACKEND"}, "ModuleNotFoundError: No module named 'not_there'"),
    ({"text": PLUGIN.replace('"abacus"', '"abakus"')}, "is no qnnsolve.facts.backends.Backend of that name"),
]


@pytest.mark.parametrize(("how", "what"), BROKEN)
def test_a_broken_one_is_one_line(
    install: Install, capsys: pytest.CaptureFixture[str], how: dict[str, str], what: str
) -> None:
    install(**how)
    with pytest.raises(PluginError, match="backend 'abacus' of abacus-qnn"):
        backend("abacus")
    assert cli.main(["solve", "absent.pt2", "--soc", "SM8750", "--backend", "abacus"]) == 3
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and what in err
    assert cli.main(["solve", "absent.pt2", "--soc", "SM8750"]) == 2, "the others are not touched"


def test_two_distributions_may_not_offer_one_name(install: Install) -> None:
    install()
    install(name="other-qnn")
    with pytest.raises(PluginError, match="of abacus-qnn and other-qnn: both offer it"):
        backend("abacus")


def test_rules_that_are_none(install: Install) -> None:
    install(PLUGIN.replace("RULES = (nothing_at_16_bits,)", "RULES = [1]"))
    with pytest.raises(PluginError, match="is not a tuple of rules"):
        backend_rules("abacus")


def test_a_code_is_used_once(install: Install) -> None:
    install(code="QC001")
    with pytest.raises(RuleError, match=r"QC001 at backend abacus: both .* and .* have this code"):
        backend_rules("abacus")


def test_a_table_holds_for_archs_of_its_backend(install: Install, tmp_path: Path) -> None:
    install()
    foreign = json.loads(json.dumps(TABLE))
    foreign["cases"]["any"]["rows"]["u16 > u16"] = "V68"
    (tmp_path / "Foreign.json").write_text(json.dumps(foreign))
    with pytest.raises(FactsError, match="not for archs of V1 V2"):
        load_table(tmp_path / "Foreign.json")


def test_the_example_in_the_docs_runs(install: Install, tmp_path: Path) -> None:
    """The page's own code and entry point, in a distribution on the path."""
    page = (Path(__file__).parents[2] / "docs" / "backends.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    install(code.replace('files("abacus_qnn_facts")', 'files("abacus_0_data")'), target="abacus_qnn:BACKEND")
    (tmp_path / "abacus_0.py").rename(tmp_path / "abacus_qnn.py")
    assert 'abacus = "abacus_qnn:BACKEND"' in page
    assert [(rule.code, rule.name) for rule in own_rules("abacus")] == [("AB001", "nothing_at_16_bits")]
    net = torch.nn.Sequential(torch.nn.ReLU())
    result = solve(net, (torch.zeros(1, 4),), backend="abacus", soc="SM8750", precision="16a8w")
    assert {(it.chosen, it.rule) for it in result.deviations} == {("u8", "AB001")}
    assert result.arch == "V2"


def test_a_table_is_read_when_its_operator_is_asked_for(install: Install, tmp_path: Path) -> None:
    install()
    data = next(tmp_path.glob("abacus_*_data"))
    (data / "Add.json").write_text("damaged")
    (data / "Tanh.json").write_text(json.dumps(TABLE))
    tables = shipped_tables("abacus")
    assert list(tables) == ["Add", "Relu", "Tanh"] and len(tables) == 3
    assert tables["Relu"].op == "Relu" and "Sigmoid" not in tables and tables.get("Sigmoid") is None
    with pytest.raises(FactsError, match=r"Add\.json: is not JSON"):
        tables["Add"]
    with pytest.raises(FactsError, match=r"is a table of Relu, and has to be named Relu\.json"):
        tables["Tanh"]
