"""What ExecuTorch's partitioner puts on the CPU: what the solver says beforehand, and what is refused afterwards.

The partitioner says yes or no to each op and forgets why. Here its checks are recorded, so that each op on the CPU has
its reason: the solver's choice, a missing builder, or the backend's message.

ExecuTorch 1.5.1 keeps some ops whole (``aten.linear``, ``aten.matmul`` ...) because QNN wants them so, and gives up
when one of them is not delegated after all. Ops that stay on the CPU are therefore decomposed as for the CPU.
"""

from __future__ import annotations

import importlib.metadata
import operator
import os
from pathlib import Path
from typing import Any

from qnnsolve.host.child import Report
from qnnsolve.host.logs import errors_in
from qnnsolve.lowering.marks import CPU_KEY, CPU_VALUE, LEFT_BY_SOLVER
from qnnsolve.lowering.program import FEEDS, QUANT_OPS, custom_of, origin_of, target_of

__all__ = ["CpuPlacement", "passes_with"]


class CpuPlacement:
    """What the partitioner turns away, and why; ``reasons`` also knows the converted graph's names."""

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}
        self._given_in: frozenset[str] = frozenset()
        self._seen = 0

    def on_cpu(self, node: Any) -> bool:
        """Whether ``node`` stays on the CPU, by the solver's word or the backend's."""
        return custom_of(node).get(CPU_KEY) == CPU_VALUE or origin_of(node) in self._given_in

    def give_in(self) -> bool:
        """Leave on the CPU what the backend has rejected so far; False where there is nothing new to leave."""
        before, self._given_in = self._given_in, frozenset(self.reasons)
        return before != self._given_in

    def install(self, report: Report) -> None:
        """Hook into this process's partitioner: listen to its checks, and let the CPU's nodes be decomposed."""
        from executorch.backends.qualcomm.partition.qnn_partitioner import QnnOperatorSupport, QnnPartitioner

        ask, keep_whole = QnnOperatorSupport.is_node_supported, QnnPartitioner.ops_to_not_decompose

        def is_node_supported(support: Any, submodules: Any, node: Any) -> bool:
            log_start = os.fstat(2).st_size
            try:
                supported, raised = bool(ask(support, submodules, node)), ""
            except Exception as error:  # a builder may raise anything; without this one op would end the whole export
                support.nodes_to_wrappers.clear()
                supported, raised = False, " ".join(f"{type(error).__name__}: {error}".split())[:200]
            if node.op == "call_function":
                self._note(support, node, supported, raised, log_start, report)
            return supported

        def ops_to_not_decompose(partitioner: Any, program: Any) -> tuple[Any, Any]:
            ops, wanted = keep_whole(partitioner, program)
            return ops, lambda node: not self.on_cpu(node) and wanted(node)

        QnnOperatorSupport.is_node_supported = is_node_supported
        QnnPartitioner.ops_to_not_decompose = ops_to_not_decompose
        _announce_compile(report)

    def _note(self, support: Any, node: Any, supported: bool, raised: str, log_start: int, report: Report) -> None:
        if self._seen % 50 == 0:
            total = sum(other.op == "call_function" for other in node.graph.nodes)
            report("lower", min(self._seen, total), total)
        self._seen += 1
        if not supported:
            failed = f"ExecuTorch's builder of this op failed: {raised}" if raised else ""
            reason = self.reasons.get(origin_of(node)) or failed or _reason(support, node, log_start)
            self.reasons.setdefault(node.name, reason)
            self.reasons.setdefault(origin_of(node), reason)


def _announce_compile(report: Report) -> None:
    from executorch.backends.qualcomm.qnn_preprocess import QnnBackend

    build = QnnBackend._build_op_wrappers

    def build_op_wrappers(*args: Any, **kwargs: Any) -> Any:
        report("compile", 0, None)
        return build(*args, **kwargs)

    QnnBackend._build_op_wrappers = staticmethod(build_op_wrappers)


def _reason(support: Any, node: Any, log_start: int) -> str:
    from executorch.backends.qualcomm.partition.common_defs import not_supported_operator, to_be_implemented_operator
    from executorch.backends.qualcomm.utils.constants import QCOM_FALLBACK_NODE

    if node.meta.get(QCOM_FALLBACK_NODE, False):
        return LEFT_BY_SOLVER if custom_of(node).get(CPU_KEY) == CPU_VALUE else FEEDS
    executorch = f"ExecuTorch {importlib.metadata.version('executorch')}"
    if node.target in not_supported_operator:
        return f"{executorch} never delegates this op"
    if node.target in to_be_implemented_operator or node.target.__name__ not in support.node_visitors:
        return f"no builder in {executorch} for this op"
    with Path("/proc/self/fd/2").open("rb") as log:
        log.seek(log_start)
        said = errors_in(log.read().decode(errors="replace"))
    return f"rejected by the backend: {said[0]}" if said else f"no builder in {executorch} for this form of the op"


def passes_with(placement: CpuPlacement) -> tuple[Any, Any]:
    """ExecuTorch's passes and their order, with ours next to last: it tells the partitioner what stays on the CPU."""
    import torch
    from executorch.backends.qualcomm._passes import DecomposeDivMode, DecomposeRemainder, ResolveDebugHandle
    from executorch.backends.qualcomm._passes.qnn_pass_manager import get_qnn_pass_manager_cls
    from executorch.backends.qualcomm.utils.constants import (
        QCOM_FALLBACK_NODE,
        QCOM_PASS_ACTIVATE_KEY,
        QCOM_PASS_ARGS_KWARGS_DEFAULTS_KEY,
        QCOM_QUANT_ATTRS,
    )
    from executorch.exir.pass_base import ExportPass, PassResult

    class KeepOnCpu(ExportPass):  # type: ignore[misc]  # upstream ships no types
        def call(self, graph_module: Any) -> Any:
            weights = _weights(graph_module.graph)
            for node in reversed(graph_module.graph.nodes):
                # A mask has no encoding either, but is computed from what has one.
                encoded = any(QCOM_QUANT_ATTRS in each.meta for each in (node, *node.all_input_nodes))
                movable = node in weights or not encoded
                if node.op != "call_function" or self._narrows(node):
                    continue
                if placement.on_cpu(node) or (movable and self._only_feeds_cpu(node)):
                    node.meta[QCOM_FALLBACK_NODE] = True
            return PassResult(graph_module, True)

        def _only_feeds_cpu(self, node: Any) -> bool:
            """A cast for an op on the CPU, or what prepares its weight, would be a delegate of its own."""
            return bool(node.users) and all(user.meta.get(QCOM_FALLBACK_NODE) for user in node.users)

        def _narrows(self, node: Any) -> bool:
            """A cast of indices that the accelerator computes in 32 bits; the program reads them as 64 bits."""
            source = node.all_input_nodes[0] if node.all_input_nodes else node
            made = source.args[0] if source.target is operator.getitem else source
            wide = getattr(source.meta.get("val"), "dtype", None) is torch.int64
            computed = made.op == "call_function" and "_copy" not in target_of(made)
            return (
                wide
                and computed
                and "_to_copy" in target_of(node).replace("_dim_order", "")
                and not placement.on_cpu(made)
            )

    manager = get_qnn_pass_manager_cls()
    passes = manager.get_capture_program_passes()
    for each in (DecomposeDivMode, DecomposeRemainder):
        # Those of floats were taken apart before annotation; of integers they would make floats (1.5.1).
        passes[each][QCOM_PASS_ACTIVATE_KEY] = False
    order = manager.get_passes_dependency_for_capture_program()
    order[KeepOnCpu] = [other for other in passes if other is not ResolveDebugHandle]
    order[ResolveDebugHandle] = [*order[ResolveDebugHandle], KeepOnCpu]
    passes[KeepOnCpu] = {QCOM_PASS_ACTIVATE_KEY: True, QCOM_PASS_ARGS_KWARGS_DEFAULTS_KEY: {}}
    return passes, order


def _weights(graph: Any) -> set[Any]:
    """Dequantized weights, and what is computed from them alone; activations have no dequantize left at this point."""
    found: set[Any] = set()
    for node in graph.nodes:
        sources = node.all_input_nodes
        if node.op == "call_function" and (target_of(node).startswith(QUANT_OPS) or (sources and found >= {*sources})):
            found.add(node)
    return found
