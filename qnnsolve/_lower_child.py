"""The child that compiles: ``python -m qnnsolve._lower_child job.json answer.json``, started by ``lowering``.

ExecuTorch's partitioner says yes or no per op and forgets why. Here its checks are listened to, so that each op
on the CPU has its reason: the solver's choice, a missing builder, or what the backend said against it.

ExecuTorch 1.5.1 keeps some ops whole (``aten.linear``, ``aten.matmul`` ...) because QNN wants them so, and gives up
when one of them is not delegated after all. Ops that stay on the CPU are therefore decomposed as for the CPU; where
only the backend's answer shows that one has to, lowering starts anew with that known.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from qnnsolve._child import Answer, Report, errors_in, serve
from qnnsolve.errors import HostBackendError, UsageError
from qnnsolve.lowering import CPU_KEY, CPU_VALUE, LEFT_BY_SOLVER, NAME_KEY, calling
from qnnsolve.results import AT_BORDER, CpuOp

_FEEDS = "only feeds an op on the CPU"
_UNSEEN = "accepted by the backend, but in none of its partitions"
_QUANT_OPS = ("quantized_decomposed.", "torchao.")
_FAILED_PASS = re.compile(r"An error occurred when running the '(\w+)' pass")
_NOT_DECOMPOSED = "was not decomposed or delegated"


def work(job: Mapping[str, Any], report: Report) -> Answer:
    """Compile ``job["program"]`` into ``job["pte"]``; the number of delegates, and the ops on the CPU."""
    from qnnsolve.host import ensure_loaded

    ensure_loaded()
    import executorch.kernels.quantized  # noqa: F401  (registers the CPU's quantize and dequantize)
    import torch
    import torchao.quantization.pt2e.quantize_pt2e  # noqa: F401  (registers the ops of a converted model)
    from executorch.backends.qualcomm.utils.utils import to_edge_transform_and_lower_to_qnn
    from executorch.exir import ExecutorchBackendConfig
    from executorch.exir.passes.init_mutable_pass import InitializedMutableBufferPass

    program = torch.export.load(job["program"])
    inputs = torch.load(job["inputs"], weights_only=True)
    placement = _Placement()
    placement.install(report)

    def lower_once() -> Any:
        passes, order = _passes(placement)
        specs = _specs(job["soc"], job["fp16"])
        module = program.module(check_guards=False)
        # The delegate would keep buffers that are written to in memory of its own, which starts as garbage.
        options = {"passes_job": passes, "dep_table": order, "skip_mutable_buffer": True}
        return to_edge_transform_and_lower_to_qnn(module, inputs, specs, **options)

    with torch.no_grad():
        try:
            edge = lower_once()
        except RuntimeError as error:
            if _NOT_DECOMPOSED not in str(error) or not placement.give_in():
                raise
            edge = lower_once()
        except Exception as error:  # what ExecuTorch's pass manager raises, with nothing in it but the passes' names
            if (found := _FAILED_PASS.match(str(error))) is None:
                raise
            raise HostBackendError(f"ExecuTorch's pass {found[1]} fails on this model: {_root(error)}") from error
    graph_module = edge.exported_program().graph_module
    # Read now: to_executorch() turns the same graph into calls of out variants and allocations.
    cpu_ops = list(_cpu_ops(graph_module, placement.reasons))
    answer: dict[str, Any] = {"delegates": _delegates(graph_module), "cpu_ops": cpu_ops}
    # Without it ExecuTorch's runtime leaves those buffers uninitialized, whatever the model has in them.
    initialized = InitializedMutableBufferPass([""])
    executable = edge.to_executorch(ExecutorchBackendConfig(passes=[initialized]))
    answer["missing"] = list(_missing(executable.executorch_program, cpu_ops))
    try:
        with Path(job["pte"]).open("wb") as file:
            executable.write_to_file(file)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise UsageError(f"the output cannot be written: {error.strerror}") from error
    return answer


def _root(error: BaseException) -> str:
    """What was raised first, in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def _specs(soc: str, fp16: bool) -> Any:
    from executorch.backends.qualcomm.serialization.qc_schema import QcomChipset
    from executorch.backends.qualcomm.utils.utils import (
        generate_htp_compiler_spec,
        generate_qnn_executorch_compiler_spec,
    )

    options = generate_htp_compiler_spec(use_fp16=fp16)
    return generate_qnn_executorch_compiler_spec(soc_model=QcomChipset[soc], backend_options=options)


def _passes(placement: _Placement) -> tuple[Any, Any]:
    """ExecuTorch's passes and their order, with ours next to last: it tells the partitioner what stays on the CPU."""
    from executorch.backends.qualcomm._passes import ResolveDebugHandle
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
                movable = node in weights or QCOM_QUANT_ATTRS not in node.meta
                if node.op == "call_function" and (placement.on_cpu(node) or (movable and self._only_feeds_cpu(node))):
                    node.meta[QCOM_FALLBACK_NODE] = True
            return PassResult(graph_module, True)

        def _only_feeds_cpu(self, node: Any) -> bool:
            """A cast for an op on the CPU, or what prepares its weight, would be a delegate of its own."""
            return bool(node.users) and all(user.meta.get(QCOM_FALLBACK_NODE) for user in node.users)

    manager = get_qnn_pass_manager_cls()
    passes = manager.get_capture_program_passes()
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
        if node.op == "call_function" and (_target(node).startswith(_QUANT_OPS) or (sources and found >= {*sources})):
            found.add(node)
    return found


class _Placement:
    """What the partitioner turns away, and why; ``reasons`` also knows the converted graph's names."""

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}
        self._given_in: frozenset[str] = frozenset()
        self._seen = 0

    def on_cpu(self, node: Any) -> bool:
        return _custom(node).get(CPU_KEY) == CPU_VALUE or _origin(node) in self._given_in

    def give_in(self) -> bool:
        """Leave on the CPU what the backend has rejected so far; False where that is nothing new."""
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
            reason = self.reasons.get(_origin(node)) or failed or _reason(support, node, log_start)
            self.reasons.setdefault(node.name, reason)
            self.reasons.setdefault(_origin(node), reason)


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
        return LEFT_BY_SOLVER if _custom(node).get(CPU_KEY) == CPU_VALUE else _FEEDS
    executorch = f"ExecuTorch {importlib.metadata.version('executorch')}"
    if node.target in not_supported_operator:
        return f"{executorch} never delegates this op"
    if node.target in to_be_implemented_operator or node.target.__name__ not in support.node_visitors:
        return f"no builder in {executorch} for this op"
    with Path("/proc/self/fd/2").open("rb") as log:
        log.seek(log_start)
        said = errors_in(log.read().decode(errors="replace"))
    return f"rejected by the backend: {said[0]}" if said else f"no builder in {executorch} for this form of the op"


def _delegates(graph_module: Any) -> int:
    from executorch.exir.delegate import executorch_call_delegate

    return sum(
        node.op == "call_function"
        and node.target is executorch_call_delegate
        and getattr(graph_module, node.args[0].target).backend_id == "QnnBackend"
        for node in graph_module.graph.nodes
    )


def _cpu_ops(graph_module: Any, reasons: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """(name in the converted graph, op, reason) of each op outside the delegates, in the order of execution."""
    import operator

    from executorch.exir.delegate import executorch_call_delegate

    for node in graph_module.graph.nodes:
        if node.op != "call_function" or node.target in (operator.getitem, executorch_call_delegate):
            continue
        target, origin = _target(node), _origin(node)
        if target.startswith(_QUANT_OPS):
            reason = AT_BORDER
        elif _custom(node).get(CPU_KEY) == CPU_VALUE:
            reason = LEFT_BY_SOLVER
        else:
            reason = reasons.get(node.name) or reasons.get(origin) or _UNSEEN
        if reason == _FEEDS and NAME_KEY not in _custom(node):
            origin = next((_origin(user) for user in node.users if NAME_KEY in _custom(user)), origin)
        yield origin, target, reason


def _missing(program: Any, cpu_ops: Iterable[tuple[str, str, str]]) -> Iterator[tuple[str, list[str]]]:
    """(kernel, names of the ops that call it) of each kernel that ExecuTorch's runtime does not have."""
    from executorch.runtime import Runtime

    ops = [CpuOp(*op) for op in cpu_ops]
    known = Runtime.get().operator_registry.operator_names
    for called in (operator for plan in program.execution_plan for operator in plan.operators):
        kernel = f"{called.name}.{called.overload}" if called.overload else called.name
        if kernel not in known:
            yield kernel, list(calling(kernel, ops))


def _target(node: Any) -> str:
    return str(getattr(node.target, "__name__", node.target))


def _custom(node: Any) -> Mapping[str, Any]:
    return node.meta.get("custom") or {}


def _origin(node: Any) -> str:
    """The node of the converted graph that ``node`` comes from; its own name where a pass made it up."""
    return str(_custom(node).get(NAME_KEY, node.name))


if __name__ == "__main__":
    serve(work)
