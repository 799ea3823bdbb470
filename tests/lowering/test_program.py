"""What a lowered program consists of, read off graphs that are built by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from executorch.exir.delegate import executorch_call_delegate
from executorch.exir.dialects._ops import ops as exir_ops
from torch import nn
from torch.fx import Graph, GraphModule, Node

from qnnsolve.lowering.marks import CPU_KEY, CPU_VALUE, LEFT_BY_SOLVER, NAME_KEY
from qnnsolve.lowering.program import FEEDS, calls_of, cpu_ops_of, delegates_in, missing_kernels, origin_of, target_of
from qnnsolve.results import AT_BORDER, CpuOp, Stand

aten = exir_ops.edge.aten


class Lowered(nn.Module):
    """What stands in a program for a delegate."""

    def __init__(self, backend_id: str) -> None:
        super().__init__()
        self.backend_id = backend_id


class Program:
    """Builds a graph of ops and delegates, in the order of the calls."""

    def __init__(self) -> None:
        self.graph, self.root = Graph(), nn.Module()
        self.x = self.graph.placeholder("x")

    def delegate(self, source: Node, backend_id: str = "QnnBackend") -> Node:
        name = f"lowered_{len(list(self.root.children()))}"
        self.root.add_module(name, Lowered(backend_id))
        return self.graph.call_function(executorch_call_delegate, (self.graph.get_attr(name), source))

    def op(self, source: Node, target: Any = aten.relu.default, **custom: str) -> Node:
        node = self.graph.call_function(target, (source,))
        node.meta["custom"] = custom
        return node

    def module(self, *results: Node) -> GraphModule:
        self.graph.output(results)
        return GraphModule(self.root, self.graph)


def test_delegates_of_other_backends_are_not_counted() -> None:
    program = Program()
    last = program.delegate(program.delegate(program.x), "XnnpackBackend")
    assert delegates_in(program.module(last)) == 1


def test_ops_stand_before_between_after_and_apart_from_delegates() -> None:
    program = Program()
    before = program.op(program.x)
    between = program.op(program.delegate(before))
    after = program.op(program.delegate(between))
    apart = program.op(program.x)
    found = list(cpu_ops_of(program.module(after, apart), {}))
    assert [op.stand for op in found] == [Stand.BEFORE, Stand.BETWEEN, Stand.AFTER, Stand.APART]


def test_every_op_has_the_reason_of_its_origin() -> None:
    program = Program()
    mark = {CPU_KEY: CPU_VALUE}
    nodes = [
        program.op(program.x, **mark, **{NAME_KEY: "left"}),
        program.op(program.x, **{NAME_KEY: "refused"}),
        program.op(program.x),
        program.op(program.x, exir_ops.edge.quantized_decomposed.dequantize_per_tensor.default),
    ]
    reasons = {"refused": "no builder for this op"}
    found = list(cpu_ops_of(program.module(*nodes), reasons))
    assert [(op.name, op.reason) for op in found] == [
        ("left", LEFT_BY_SOLVER),
        ("refused", "no builder for this op"),
        (nodes[2].name, "accepted by the backend, but in none of its partitions"),
        (nodes[3].name, AT_BORDER),
    ]
    assert {op.target for op in found[:3]} == {"aten.relu.default"}


def test_what_only_feeds_an_op_on_the_cpu_is_named_for_that_op() -> None:
    program = Program()
    cast = program.op(program.x)
    reader = program.op(cast, **{NAME_KEY: "index", CPU_KEY: CPU_VALUE})
    found = list(cpu_ops_of(program.module(reader), {cast.name: FEEDS}))
    assert [(op.name, op.reason) for op in found] == [("index", FEEDS), ("index", LEFT_BY_SOLVER)]


def test_an_op_that_a_pass_made_up_is_its_own_origin() -> None:
    program = Program()
    made, known = program.op(program.x), program.op(program.x, **{NAME_KEY: "conv2d"})
    assert (origin_of(made), origin_of(known), target_of(made)) == (made.name, "conv2d", "aten.relu.default")


def test_kernels_that_the_runtime_lacks_are_named_with_their_ops(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = SimpleNamespace(operator_registry=SimpleNamespace(operator_names={"aten::relu.out", "aten::view"}))
    monkeypatch.setattr("executorch.runtime.Runtime.get", lambda: runtime)
    called = [("aten::relu", "out"), ("aten::view", ""), ("aten::sort", "values")]
    operators = [SimpleNamespace(name=name, overload=overload) for name, overload in called]
    program = SimpleNamespace(execution_plan=[SimpleNamespace(operators=operators)])
    cpu_ops = [CpuOp("sort", "aten.sort.default", "", Stand.APART), CpuOp("relu", "aten.relu.default", "", Stand.APART)]
    assert list(missing_kernels(program, cpu_ops)) == [("aten::sort.values", ["sort"])]


def _kernel(op: str, name: str) -> SimpleNamespace:
    target = SimpleNamespace(_schema=SimpleNamespace(name=op))
    return SimpleNamespace(op="call_function", target=target, name=name, meta={"custom": {NAME_KEY: name}})


def _plan(*called: SimpleNamespace, operators: tuple[str, ...] = ()) -> Any:
    chain = SimpleNamespace(instructions=[SimpleNamespace(instr_args=each) for each in called])
    plan = SimpleNamespace(name="forward", chains=[chain], operators=[SimpleNamespace(name=each) for each in operators])
    return SimpleNamespace(execution_plan=[plan])


def test_calls_are_told_by_their_place_and_op() -> None:
    graph = SimpleNamespace(nodes=[_kernel("aten::relu", "relu_1"), _kernel("aten::add", "add")])
    kernel = [SimpleNamespace(op_index=at) for at in range(2)]
    delegate = SimpleNamespace(delegate_index=0)
    emitted = _plan(
        delegate, kernel[1], SimpleNamespace(value_index=3), kernel[0], operators=("aten::add", "aten::relu")
    )
    assert list(calls_of(emitted, graph)) == [
        ("forward", 0, 0, "", True),
        ("forward", 0, 1, "relu_1", False),
        ("forward", 0, 3, "add", False),
    ]
    other = _plan(delegate, kernel[0], operators=("aten::mul",))
    assert list(calls_of(other, graph)) == [("forward", 0, 0, "", True)]
