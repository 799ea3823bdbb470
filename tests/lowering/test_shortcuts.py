"""What lowering leaves out: that it comes to the same, and that it is left out where it may be, and there alone."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from executorch.exir.pass_base import ExportPass
from torch.export import ExportedProgram
from torch.fx import GraphModule

from qnnsolve.lowering import shortcuts
from qnnsolve.lowering.known_results import results_known
from qnnsolve.lowering.lazy_code import code_when_run
from qnnsolve.lowering.light_imports import _INDUCTOR, _parsed_in_c, lightly
from qnnsolve.lowering.lower import Lowered, lower
from qnnsolve.lowering.patching import patched
from qnnsolve.lowering.shortcuts import exported_already
from tests.nets import ConvNet, images, seeded

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # torch 2.13 warns of its own tree specs

STAMP = 8
"""Bytes in which two compilations of one graph differ: QNN 2.51 writes down when it compiled."""


class Written(torch.nn.Module):
    """Writes to a tensor in place."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x * 2).add_(1).relu()


class Read(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x * 2 + 1).relu()


def program_of(module: torch.nn.Module) -> ExportedProgram:
    return torch.export.export(module, (torch.rand(2, 3),), strict=False)


def test_what_was_patched_is_as_before_also_where_it_was_inherited() -> None:
    class Parent:
        name = "inherited"

    class Child(Parent):
        pass

    with pytest.raises(KeyError), patched(Child, "name", "patched"):
        assert Child.name == "patched" and Parent.name == "inherited"
        raise KeyError
    assert Child.name == "inherited" and "name" not in vars(Child)


@pytest.fixture
def graph() -> Iterator[GraphModule]:
    module = program_of(Read()).module()
    assert isinstance(module, GraphModule)
    with code_when_run():
        yield module


def test_code_is_not_written_before_it_is_run(graph: GraphModule) -> None:
    graph.recompile()
    assert "_code" not in vars(graph)
    x = torch.rand(2, 3)
    assert torch.equal(graph(x), Read()(x))
    assert "_code" in vars(graph)


def test_code_that_runs_is_that_of_the_changed_graph(graph: GraphModule) -> None:
    (relu,) = graph.graph.find_nodes(op="call_function", target=torch.ops.aten.relu.default)
    relu.target = torch.ops.aten.neg.default
    graph.recompile()
    assert torch.equal(graph(torch.zeros(2, 3)), torch.full((2, 3), -1.0))


def test_who_looks_at_code_or_signature_finds_those_of_the_graph(graph: GraphModule) -> None:
    graph.recompile()
    assert list(inspect.signature(graph.forward).parameters) == ["x"]
    graph.recompile()
    assert "relu" in graph.code and "relu" in str(graph)


def test_afterwards_code_is_written_at_once() -> None:
    before = GraphModule.recompile
    with code_when_run():
        assert GraphModule.recompile is not before
    assert GraphModule.recompile is before
    graph = GraphModule(torch.nn.Module(), torch.fx.Graph())
    assert "_code" in vars(graph) and "_code" not in vars(GraphModule)


def run_twice(module: torch.nn.Module, *inputs: Any, monkeypatch: pytest.MonkeyPatch) -> tuple[int, list[Any]]:
    """How many ops the second of two passes computed, and what the first and second know of the results."""
    program = torch.export.export(module, inputs, strict=False).run_decompositions({})
    called: list[Any] = []
    call = torch.fx.Interpreter.call_function

    def counted(self: Any, *args: Any) -> Any:
        if type(self) is torch.fx.Interpreter:
            called.append(args[0])
        return call(self, *args)

    monkeypatch.setattr(torch.fx.Interpreter, "call_function", counted)
    with results_known():
        first = ExportPass()(program.graph_module).graph_module
        called.clear()
        second = ExportPass()(first).graph_module
    metas = [[node.meta["val"] for node in each.graph.nodes if node.op == "call_function"] for each in (first, second)]
    return len(called), metas


def test_a_second_pass_computes_no_shape_again(monkeypatch: pytest.MonkeyPatch) -> None:
    computed, (first, second) = run_twice(Read(), torch.rand(2, 3), monkeypatch=monkeypatch)
    assert computed == 0
    assert [(each.shape, each.dtype) for each in first] == [(torch.Size([2, 3]), torch.float32)] * 3
    assert all(one is other for one, other in zip(first, second, strict=True))


def test_what_no_tensor_decides_is_computed_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    class Made(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + torch.arange(3)

    computed, _ = run_twice(Made(), torch.rand(2, 3), monkeypatch=monkeypatch)
    assert computed == 2  # arange, and what is added to it, which is another tensor


def decompositions(module: torch.nn.Module, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How large the tables are with which ``module`` is really decomposed, of ExecuTorch's three."""
    seen: list[int] = []
    decompose = ExportedProgram.run_decompositions

    def counted(program: ExportedProgram, table: Any = None) -> Any:
        seen.append(len(table))
        return decompose(program, table)

    monkeypatch.setattr(ExportedProgram, "run_decompositions", counted)
    with shortcuts._decomposed_once():
        program = program_of(module).run_decompositions({})
        program = program.run_decompositions({torch.ops.aten.relu.default: _relu})
    assert not program.graph.find_nodes(op="call_function", target=torch.ops.aten.relu.default)
    return seen


def _relu(x: torch.Tensor) -> torch.Tensor:
    return x.clamp(min=0)


def test_a_program_that_writes_nothing_is_not_decomposed_for_that(monkeypatch: pytest.MonkeyPatch) -> None:
    assert decompositions(Read(), monkeypatch) == [1]


def test_one_that_writes_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert decompositions(Written(), monkeypatch)[0] == 0


def test_what_was_decomposed_is_decomposed_again_only_for_an_op_that_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with shortcuts._decomposed_once():
        program = program_of(Read()).run_decompositions({torch.ops.aten.addmm.default: _relu})
        assert program.run_decompositions({torch.ops.aten.mm.default: _relu}) is program
        assert program.run_decompositions({torch.ops.aten.relu.default: _relu}) is not program


def test_a_program_is_not_exported_again() -> None:
    program, x = program_of(Read()), (torch.rand(2, 3),)
    with exported_already(program) as module:
        assert torch.export.export(module, x, strict=True) is program
        assert torch.export.export(Read(), x, strict=False) is not program
    with pytest.raises(NotImplementedError):
        torch.export.export(module, ())


def test_with_other_versions_nothing_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(shortcuts.WRITTEN_FOR, "torch", "1.")
    recompile, decompose = GraphModule.recompile, ExportedProgram.run_decompositions
    with shortcuts.shortcuts(), exported_already(program_of(Read())) as module:
        assert (GraphModule.recompile, ExportedProgram.run_decompositions) == (recompile, decompose)
        assert torch.equal(module(torch.zeros(2, 3)), torch.ones(2, 3))
    monkeypatch.undo()
    assert shortcuts.fit()


def test_the_table_of_ops_is_read_as_executorch_reads_it() -> None:
    from executorch.exir.dialects.edge import _ops

    with _parsed_in_c():
        assert _ops._load_edge_dialect_info() == _ops._edge_dialect_info
    assert len(_ops._edge_dialect_info) > 100


def test_the_compiler_that_was_left_out_can_be_imported_later() -> None:
    before = sys.modules.pop(_INDUCTOR, None)
    try:
        with lightly():
            from torch._inductor.fx_passes import post_grad as stand_in

            graph = torch.fx.Graph()
            sys.modules[_INDUCTOR].decompose_auto_functionalized(graph)
        assert _INDUCTOR not in sys.modules, stand_in
    finally:
        if before is not None:
            sys.modules[_INDUCTOR] = before


def compiled(out: Path, monkeypatch: pytest.MonkeyPatch, child: str) -> tuple[Lowered, bytes]:
    monkeypatch.setattr("qnnsolve.lowering.lower.CHILD", child)
    net = program_of_images()
    found = lower(net, images(1)[0], soc="SM8750", fp16=True, cpu_nodes=frozenset({"relu"}), out=out)
    return found, out.read_bytes()


def program_of_images() -> GraphModule:
    module = torch.export.export(seeded(ConvNet), images(1)[0], strict=False).module()
    assert isinstance(module, GraphModule)
    return module


@pytest.mark.slow
def test_the_same_program_comes_of_all_work_and_of_what_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, one = compiled(tmp_path / "plain.pte", monkeypatch, "tests.lowering.plain_child")
    short, other = compiled(tmp_path / "short.pte", monkeypatch, "qnnsolve.lowering.child")
    assert (plain.delegates, plain.cpu_ops, plain.calls) == (short.delegates, short.cpu_ops, short.calls)
    assert plain.delegates and plain.cpu_ops
    differing = [place for place, (a, b) in enumerate(zip(one, other, strict=True)) if a != b]
    assert not differing or differing[-1] - differing[0] < plain.delegates * STAMP
