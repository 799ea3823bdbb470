"""Node data for Model Explorer: each key is a node of the graph that it shows, each value what was chosen there."""

from __future__ import annotations

import json
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
    """As if each node were exported, but those of the second block."""
    return attrs.evolve(
        solve, origins={node.name: f"{node.name}!" for node in solve.facts.graph if not node.name.endswith("_1")}
    )


def results(made: Any, graph: str = PT2_GRAPH) -> dict[str, str]:
    return {key: each["value"] for key, each in made[graph]["results"].items()}


@pytest.mark.parametrize(("net", "sample"), [(ConvNet, IMAGE), (Attention, TOKENS)])
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
    floats = {
        name for name, node in there.items() if node.op == "call_function" and node.meta["val"].is_floating_point()
    }
    assert floats - {"batch_norm"} <= found.keys(), "a batch norm is part of its convolution"
    run = load_run(tmp_path / "net.qnn")
    for record in run.result.nodes:
        if record.name in run.origins and record.output is not None:
            assert found[run.origins[record.name]].split(",")[0] == record.output
    assert overlay(run) == made


def test_values_say_what_is_otherwise() -> None:
    found = results(overlay(named(solved(facts(blocks(2))))))
    assert found["x!"] == "u16" and found["w_0!"] == "s8/ch0" and found["gelu_0!"] == "u16"
    assert found["mixed_0!"] == "u16, deviates, converts" and "mixed_1!" not in found and "mixed_1" not in found


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
    assert "8 ops are made by rewriting" in capsys.readouterr().out
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
