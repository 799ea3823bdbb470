"""A user's facts on the way from the command line to a report: what took part is cited, and only that."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from qnnsolve import SolveQuantizer, cli, solve
from qnnsolve.errors import FactsError, HostBackendError, UsageError
from qnnsolve.facts.sdk import sdk_facts
from qnnsolve.opinfo_facts import operator_facts
from qnnsolve.report.json_results import solve_json
from qnnsolve.report.text import solve_lines
from qnnsolve.results import Placement, SolveResult
from tests import backend_opinfo_stand_in as stand_in

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "facts.toml"


class Head(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.softmax(torch.nn.functional.gelu(x), -1)


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    for cached in (sdk_facts, operator_facts):
        cached.cache_clear()
    yield
    for cached in (sdk_facts, operator_facts):
        cached.cache_clear()


def solved(*files: Path, soc: str = "MYBOARD", source: str = "both") -> SolveResult:
    return solve(
        Head(), (torch.zeros(1, 8),), soc=soc, precision="16a8w", user_facts=files, facts_source=source, strict=False
    )


def test_the_example_of_the_docs_is_the_file_and_does_what_it_says() -> None:
    assert EXAMPLE.read_text() in (ROOT / "docs" / "facts.md").read_text()
    result = solved(EXAMPLE)
    nodes = {node.target: node for node in result.nodes}
    assert nodes["aten.gelu.default"].placement is Placement.CPU
    assert (nodes["aten.softmax.int"].output or "").startswith("u8")
    cited = {(d.rule, s.kind, s.citation.rpartition(": ")[2]) for d in result.deviations for s in d.sources}
    assert ("QC001", "user", "16-bit softmax drifts on the first boards") in cited
    assert ("QC001", "user", "ticket 123") in cited
    text = "\n".join(line.text for line in solve_lines(result, "m"))
    assert f"[QC001; user, {EXAMPLE}:17: ticket 123]" in text
    assert f"  user: {EXAMPLE}" in text
    sources = [s for node in solve_json(result, "m")["nodes"] for d in node["deviation"] for s in d["sources"]]
    assert {"kind": "user", "citation": f"{EXAMPLE}:17: ticket 123"} in sources


def test_facts_about_another_chip_take_no_part() -> None:
    result = solved(EXAMPLE, soc="SM8350")
    assert result.deviations == ()
    assert [record.source for record in result.facts if record.used] == ["measured", "user"]


def test_a_fact_that_only_accepts_is_not_cited_for_a_refusal(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text('format = 1\n[[allow]]\nop = "MatMul"\nrows = ["u8 u16 > u16"]\nwhy = "tried"\n')

    class Product(torch.nn.Module):
        def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return torch.bmm(x, y)

    inputs = (torch.zeros(1, 4, 4), torch.zeros(1, 4, 4))
    result = solve(Product(), inputs, soc="SM8350", precision="16a8w", user_facts=[mine])
    assert result.deviations
    assert {source.kind for each in result.deviations for source in each.sources} == {"measured"}


def test_the_sdk_is_cited_where_it_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    relu = stand_in.Variant((stand_in.U8,), (stand_in.U8,))
    stand_in.install(monkeypatch, {"Gelu": [relu]})
    result = solved(soc="SM8750")
    gelu = next(node for node in result.nodes if node.target == "aten.gelu.default")
    assert gelu.output == "u8"
    assert "sdk" in {source.kind for each in gelu.deviations for source in each.sources}
    assert "[QC001; sdk]" in "\n".join(line.text for line in solve_lines(result, "m"))
    assert solved(soc="SM8750", source="measured").deviations == ()


def test_the_sdk_alone_leaves_unverified_what_it_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in.install(monkeypatch, {"Gelu": [stand_in.Variant((stand_in.U16,), (stand_in.U16,))]})
    result = solved(soc="SM8750", source="sdk")
    assert [target for _, target in result.unverified] == ["aten.softmax.int"]


def test_the_quantizer_refuses_what_it_cannot_use(tmp_path: Path) -> None:
    with pytest.raises(FactsError, match="cannot be read"):
        SolveQuantizer(user_facts=[tmp_path / "none.toml"])
    with pytest.raises(UsageError, match="did you mean both"):
        SolveQuantizer(facts_source="bothh")
    with pytest.raises(HostBackendError, match="no facts from the SDK"):
        SolveQuantizer(facts_source="sdk")


def test_a_mistake_in_the_file_exits_2_with_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('format = 1\n[[cpu]]\nop = "Sofmax"\nwhy = "x"\n')
    assert cli.main(["solve", "a:b", "--soc", "SM8350", "--facts", str(path), "--format", "json"]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith(f"error: facts file {path}:3: unknown operator 'Sofmax': did you mean Softmax or ")
    assert printed.err.count("\n") == 1
    assert json.loads(printed.out)["error"]["details"]["line"] == 3
    assert cli.main(["solve", "a:b", "--soc", "SM8350", "--facts-source", "measurd"]) == 2
    assert "did you mean measured" in capsys.readouterr().err


def shown(capsys: pytest.CaptureFixture[str], *argv: str) -> dict[str, Any]:
    assert cli.main(["facts", "show", *argv, "--format", "json"]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def kinds(document: dict[str, Any], section: str) -> set[str]:
    return {source["kind"] for case in document["cases"] for row in case[section] for source in row["sources"]}


def test_show_counts_the_users_facts_in(capsys: pytest.CaptureFixture[str]) -> None:
    own = shown(capsys, "Gelu", "--soc", "MYBOARD", "--facts", str(EXAMPLE))
    assert (own["soc"], own["archs"], kinds(own, "accepted"), kinds(own, "refused")) == (
        "MYBOARD",
        ["V68"],
        set(),
        {"user"},
    )
    other = shown(capsys, "Gelu", "--soc", "SM8350", "--facts", str(EXAMPLE))
    assert (kinds(other, "accepted"), kinds(other, "refused")) == ({"measured"}, set())


def test_show_knows_an_operator_of_the_users_own(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text(
        'format = 1\n[[op]]\nname = "Sparkle"\ninputs = ["in[0]"]\noutputs = ["out[0]"]\nwhy = "ours"\n'
        '[[allow]]\nop = "Sparkle"\nrows = ["u8 > u8"]\nwhy = "tried"\n'
    )
    (case,) = shown(capsys, "sparkle", "--facts", str(mine))["cases"]
    assert [row["codes"] for row in case["accepted"]] == [["u8", "u8"]]
    assert cli.main(["facts", "list", "--facts", str(mine)]) == 0
    assert re.search(r"^Sparkle ", capsys.readouterr().out, re.MULTILINE)
    assert cli.main(["facts", "show", "sparkle"]) == 2


def test_show_asks_the_sdk_about_the_chipset(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hardswish = [stand_in.Variant((stand_in.U8,), (stand_in.U8,))]
    stand_in.install(monkeypatch, {"HardSwish": hardswish, "Custom": hardswish})
    both = shown(capsys, "HardSwish", "--soc", "SM8750")
    assert kinds(both, "accepted") == {"measured", "sdk"} and kinds(both, "refused") >= {"sdk"}
    alone = shown(capsys, "HardSwish", "--soc", "SM8750", "--facts-source", "sdk")
    assert {source["kind"] for source in alone["sources"]} == {"sdk"}
    assert kinds(shown(capsys, "custom", "--soc", "SM8750"), "accepted") == {"sdk"}
    assert kinds(shown(capsys, "HardSwish"), "accepted") == {"measured"}, (
        "without a chipset there is nothing to ask about"
    )
    assert cli.main(["facts", "show", "HardSwish", "--facts-source", "sdk"]) == 2
