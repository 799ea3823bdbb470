"""Why an op is on the CPU, with the partitioner's checks replaced by such as answer as told."""

from __future__ import annotations

import os
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from executorch.backends.qualcomm.partition.common_defs import not_supported_operator
from executorch.backends.qualcomm.partition.qnn_partitioner import QnnOperatorSupport, QnnPartitioner
from executorch.backends.qualcomm.qnn_preprocess import QnnBackend
from executorch.backends.qualcomm.utils.constants import QCOM_FALLBACK_NODE, QCOM_QUANT_ATTRS
from executorch.exir.dialects._ops import ops as exir_ops
from torch import nn
from torch.fx import Graph, GraphModule, Node

from qnnsolve.lowering.marks import CPU_KEY, CPU_VALUE, LEFT_BY_SOLVER, NAME_KEY
from qnnsolve.lowering.placement import CpuPlacement, passes_with
from qnnsolve.lowering.program import FEEDS

aten = exir_ops.edge.aten
Answer = Callable[[Node], bool]
Ask = Callable[[Answer], tuple[CpuPlacement, list[Any]]]
VISITORS = ("aten.relu.default", "aten.add.Tensor")


def graph_of(*targets: Any) -> GraphModule:
    """A chain of calls of these targets; each names itself as its origin ``origin_0`` and so on."""
    graph = Graph()
    source = graph.placeholder("x")
    for number, target in enumerate(targets):
        source = graph.call_function(target, (source,))
        source.meta["custom"] = {NAME_KEY: f"origin_{number}"}
    graph.output(source)
    return GraphModule(nn.Module(), graph)


def calls(module: GraphModule) -> list[Node]:
    return [node for node in module.graph.nodes if node.op == "call_function"]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[[GraphModule, Answer], CpuPlacement]:
    """Asks the hooked partitioner about every node, where the backend answers as told; what was listened to."""
    monkeypatch.setattr(QnnOperatorSupport, "is_node_supported", lambda _, __, node: answers[-1](node))
    monkeypatch.setattr(QnnPartitioner, "ops_to_not_decompose", lambda _, __: ([], lambda _: True))
    monkeypatch.setattr(QnnBackend, "_build_op_wrappers", QnnBackend._build_op_wrappers)
    answers: list[Answer] = []

    def go(module: GraphModule, answer: Answer) -> CpuPlacement:
        answers.append(answer)
        placement = CpuPlacement()
        placement.install(lambda *_: None)
        support = SimpleNamespace(nodes_to_wrappers={"half": "built"}, node_visitors=VISITORS)
        for node in calls(module):
            QnnOperatorSupport.is_node_supported(support, {}, node)
        return placement

    return go


def test_what_is_taken_has_no_reason(asked: Any) -> None:
    assert asked(graph_of(aten.relu.default), lambda _: True).reasons == {}


def test_a_form_and_an_op_without_a_builder_are_told_apart(asked: Any) -> None:
    module = graph_of(aten.relu.default, aten.erfinv.default)
    reasons = asked(module, lambda _: False).reasons
    assert reasons["origin_0"].startswith("no builder in ExecuTorch") and reasons["origin_0"].endswith("form of the op")
    assert reasons["origin_1"].endswith("for this op")
    assert reasons[calls(module)[0].name] == reasons["origin_0"], "known by both names"


def test_an_op_that_executorch_never_delegates(asked: Any) -> None:
    target = next(iter(not_supported_operator))
    module = graph_of(aten.relu.default)
    calls(module)[0].target = target
    assert asked(module, lambda _: False).reasons["origin_0"].endswith("never delegates this op")


def test_what_the_backend_says_is_the_reason(asked: Any) -> None:
    def refuse(_: Node) -> bool:
        os.write(2, b"[ERROR] [Qnn ExecuTorch]: incorrect Rank 6\n")
        return False

    assert asked(graph_of(aten.relu.default), refuse).reasons["origin_0"] == "rejected by the backend: incorrect Rank 6"


def test_a_builder_that_raises_ends_one_op_alone(asked: Any) -> None:
    def answer(node: Node) -> bool:
        if node.target is aten.relu.default:
            raise ValueError("odd\nshape")
        return True

    reasons = asked(graph_of(aten.relu.default, aten.neg.default), answer).reasons
    assert reasons["origin_0"] == "ExecuTorch's builder of this op failed: ValueError: odd shape"
    assert "origin_1" not in reasons


def test_giving_in_leaves_what_was_rejected_on_the_cpu(asked: Any) -> None:
    module = graph_of(aten.relu.default, aten.neg.default)
    placement = asked(module, lambda node: node.target is not aten.relu.default)
    first, second = calls(module)
    assert not placement.on_cpu(first)
    assert placement.give_in() and placement.on_cpu(first) and not placement.on_cpu(second)
    assert not placement.give_in(), "nothing new was rejected"


def test_only_ops_of_the_accelerator_are_kept_whole(asked: Any) -> None:
    module = graph_of(aten.relu.default, aten.neg.default)
    asked(module, lambda _: True)
    left, kept = calls(module)
    left.meta["custom"][CPU_KEY] = CPU_VALUE
    _, keeps = QnnPartitioner.ops_to_not_decompose(None, None)
    assert (keeps(left), keeps(kept)) == (False, True)


def test_progress_is_told_per_fifty_checks(monkeypatch: pytest.MonkeyPatch, asked: Any) -> None:
    module = graph_of(*[aten.relu.default] * 120)
    asked(graph_of(aten.relu.default), lambda _: True)
    told: list[tuple[str, int, int | None]] = []
    CpuPlacement().install(lambda *step: told.append(step))
    support = SimpleNamespace(nodes_to_wrappers={}, node_visitors=VISITORS)
    for node in calls(module):
        QnnOperatorSupport.is_node_supported(support, {}, node)
    assert told == [("lower", 0, 120), ("lower", 50, 120), ("lower", 100, 120)]


def kept_on_cpu(module: GraphModule, placement: CpuPlacement) -> list[bool]:
    """Per call, whether the pass that is added to ExecuTorch's tells the partitioner to leave it."""
    passes, _ = passes_with(placement)
    (ours,) = [each for each in passes if each.__name__ == "KeepOnCpu"]
    ours().call(module)
    return [bool(node.meta.get(QCOM_FALLBACK_NODE)) for node in calls(module)]


@pytest.mark.parametrize(("encoded", "kept"), [(False, [True, True, True, False]), (True, [False, False, True, False])])
def test_what_is_left_and_what_only_feeds_it_stay_on_the_cpu(encoded: bool, kept: list[bool]) -> None:
    """A quantized op before it does not, nor what is computed of one: it would lose its encoding."""
    module = graph_of(aten.neg.default, aten.relu.default, aten.erf.default, aten.relu.default)
    first, _, left, _ = calls(module)
    if encoded:
        first.meta[QCOM_QUANT_ATTRS] = {"scale": 0.1}
    left.meta["custom"][CPU_KEY] = CPU_VALUE
    assert kept_on_cpu(module, CpuPlacement()) == kept


def test_our_pass_runs_after_all_but_the_last() -> None:
    passes, order = passes_with(CpuPlacement())
    (ours,) = [each for each in passes if each.__name__ == "KeepOnCpu"]
    (last,) = [each for each in passes if ours in order.get(each, [])]
    assert last.__name__ == "ResolveDebugHandle"
    assert set(order[ours]) == set(passes) - {ours, last}


@pytest.mark.parametrize(("left", "reason"), [(True, LEFT_BY_SOLVER), (False, FEEDS)])
def test_what_our_pass_leaves_has_its_reason(asked: Any, left: bool, reason: str) -> None:
    module = graph_of(aten.relu.default)
    (node,) = calls(module)
    node.meta[QCOM_FALLBACK_NODE] = True
    node.meta["custom"] |= {CPU_KEY: CPU_VALUE} if left else {}
    assert asked(module, lambda _: False).reasons["origin_0"] == reason
