"""Node data for Model Explorer: each key is a node of the graph that it shows, each value what was chosen there."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import attrs
import pytest
import torch

from qnnsolve import load_run, solve
from qnnsolve.cli import main
from qnnsolve.errors import UsageError
from qnnsolve.report.overlay import PT2_GRAPH, overlay, write_overlay
from qnnsolve.results import ProgramCall
from qnnsolve.runs import Solved, save_run
from tests.cli.documents import hold
from tests.nets import Attention, ConvNet, seeded
from tests.report.page.outcomes import exported
from tests.runs.kept import blocks, contradiction, facts, solved

IMAGE, TOKENS = torch.randn(1, 3, 16, 16), torch.randn(1, 4, 16)


def named(solve: Solved) -> Solved:
    """As if each node were exported, but those of the second block; those count to its sum."""
    second = tuple(node.name for node in solve.facts.graph if node.name.endswith("_1"))
    firsts = {f"{node.name}!": (node.name,) for node in solve.facts.graph if node.name not in second}
    return attrs.evolve(solve, origins={**firsts, "block!": second[::-1]})


class TakenApart(torch.nn.Module):
    """What qnnsolve and ExecuTorch write otherwise, so that no node of the same name is left."""

    def __init__(self) -> None:
        super().__init__()
        self.recurrent = torch.nn.GRU(16, 16, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Of tokens (batch, position, 16)."""
        y = self.recurrent(x)[0]
        y = torch.nn.functional.scaled_dot_product_attention(y, y, y)
        return (torch.nn.functional.silu(y).roll(1, 1) * torch.nn.functional.dropout(y, training=False)).cumsum(1)


def is_float(value: object) -> bool:
    return isinstance(value, torch.Tensor) and value.is_floating_point()


def results(made: Any, graph: str = PT2_GRAPH) -> dict[str, str]:
    return {key: each["value"] for key, each in made[graph]["results"].items()}


@pytest.mark.parametrize(("net", "sample"), [(ConvNet, IMAGE), (Attention, TOKENS), (TakenApart, TOKENS)])
def test_every_key_is_a_node_of_the_exported_program(
    net: type[torch.nn.Module], sample: torch.Tensor, tmp_path: Path
) -> None:
    model, out = seeded(net), tmp_path / "net.json"
    program = torch.export.export(model, (sample,))
    solve(program, soc="SM8350", precision="16a8w", overlay=out, save=tmp_path / "net.qnn", strict=False)
    made = json.loads(out.read_text())
    there = {node.name: node for node in program.graph.nodes}
    found = results(made)
    assert found.keys() <= there.keys() and len(found) > 5
    assert {there[key].op for key in found} == {"placeholder", "call_function"}
    calls = {name: node for name, node in there.items() if node.op == "call_function" and node.users}
    floats = {name for name, node in calls.items() if is_float(node.meta["val"])}
    assert floats - {"batch_norm", "zeros"} <= found.keys(), "a batch norm is part of its convolution; zeros are folded"
    run = load_run(tmp_path / "net.qnn")
    records = {record.name: record for record in run.result.nodes}
    for origin, (name, *_) in run.origins.items():
        if name in records and records[name].output is not None:
            assert re.split("[,;]", found[origin])[0] == records[name].output
    assert {name for names in run.origins.values() for name in names} >= records.keys()
    assert overlay(run) == made
    assert all(node.line for node, _ in run.facts.calls), "every op has its line in the program"


def test_values_say_what_is_otherwise() -> None:
    found = results(overlay(named(solved(facts(blocks(2))))))
    assert found["x!"] == "u16" and found["w_0!"] == "s8/ch0" and found["gelu_0!"] == "u16"
    assert found["mixed_0!"] == "u16, deviates, converts" and "mixed_1!" not in found and "mixed_1" not in found
    assert found["block!"] == "u16; in its parts: converts, deviates"


def test_no_two_values_have_one_colour() -> None:
    """A layer's summary in Model Explorer has one line per colour, named by one of its values."""
    solve = named(solved(facts(blocks(2))))
    shown = overlay(solve, attrs.evolve(exported(), calls=(ProgramCall("forward", 0, 0, "", True),)))
    for graph in shown.values():
        colours = {each["bgColor"]: each["value"] for each in graph["results"].values()}
        assert all(colours[each["bgColor"]] == each["value"] for each in graph["results"].values())


def test_the_calls_of_a_program_are_a_graph_of_their_own(tmp_path: Path) -> None:
    calls = (
        ProgramCall("forward", 0, 0, "", True),
        ProgramCall("forward", 0, 1, "gelu_0"),
        ProgramCall("go", 1, 2, "x"),
    )
    made = overlay(named(solved(facts(blocks(2)))), attrs.evolve(exported(), calls=calls))
    assert results(made, "forward") == {
        "forward_0_0": "on the accelerator",
        "forward_0_1": "on the CPU, gelu_0: nobody <b>knows</b>",
    }
    assert results(made, "go") == {"go_1_2": "on the CPU, x"}


def test_it_is_written_whole_or_not_at_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, out = tmp_path / "run.qnn", tmp_path / "out.json"
    save_run(run, named(solved(facts(blocks(2)))), model="m")
    assert main(["overlay", str(run), "--out", str(out)]) == 0
    assert "0 ops count to none of them" in capsys.readouterr().out
    assert main(["overlay", str(run), "--out", str(out), "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    hold(told)
    assert told["nodes"] == len(results(json.loads(out.read_text())))
    assert main(["overlay", str(run), "--out", str(run)]) == 2
    assert "would be overwritten" in capsys.readouterr().err
    out.unlink()
    for bad in (contradiction(), solved(facts(blocks(1)))):
        save_run(run, bad)
        assert main(["overlay", str(run), "--out", str(out)]) == 2
        assert not out.exists()
    assert capsys.readouterr().err.count("error: ") == 2


def test_nothing_is_written_without_a_solution(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^the solve is unsatisfiable: there is no config"):
        write_overlay(contradiction(), tmp_path / "out.json")
    out = tmp_path / "net.json"
    solve(seeded(ConvNet), (IMAGE,), soc="SM8450", precision="16a8w", pin="classify=16w", overlay=out)
    assert not out.exists()
    with pytest.raises(UsageError, match="overwritten"):
        solve(seeded(ConvNet), (IMAGE,), overlay=out, report=out)
