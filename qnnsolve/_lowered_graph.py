"""What a lowered program consists of: its delegates, its ops on the CPU, and the kernels that nobody has for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from qnnsolve.lowering import CPU_KEY, CPU_VALUE, LEFT_BY_SOLVER, NAME_KEY, calling
from qnnsolve.results import AT_BORDER, CpuOp

__all__ = [
    "FEEDS",
    "QUANT_OPS",
    "cpu_ops_of",
    "custom_of",
    "delegates_in",
    "missing_kernels",
    "origin_of",
    "target_of",
]

FEEDS = "only feeds an op on the CPU"
_UNSEEN = "accepted by the backend, but in none of its partitions"
QUANT_OPS = ("quantized_decomposed.", "torchao.")
"""How the targets of ops start that quantize and dequantize."""


def delegates_in(graph_module: Any) -> int:
    """How many calls into the accelerator there are."""
    from executorch.exir.delegate import executorch_call_delegate

    return sum(
        node.op == "call_function"
        and node.target is executorch_call_delegate
        and getattr(graph_module, node.args[0].target).backend_id == "QnnBackend"
        for node in graph_module.graph.nodes
    )


def cpu_ops_of(graph_module: Any, reasons: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """(name in the converted graph, op, reason) of each op outside the delegates, in the order of execution."""
    import operator

    from executorch.exir.delegate import executorch_call_delegate

    for node in graph_module.graph.nodes:
        if node.op != "call_function" or node.target in (operator.getitem, executorch_call_delegate):
            continue
        target, origin = target_of(node), origin_of(node)
        if target.startswith(QUANT_OPS):
            reason = AT_BORDER
        elif custom_of(node).get(CPU_KEY) == CPU_VALUE:
            reason = LEFT_BY_SOLVER
        else:
            reason = reasons.get(node.name) or reasons.get(origin) or _UNSEEN
        if reason == FEEDS and NAME_KEY not in custom_of(node):
            origin = next((origin_of(user) for user in node.users if NAME_KEY in custom_of(user)), origin)
        yield origin, target, reason


def missing_kernels(program: Any, cpu_ops: Iterable[tuple[str, str, str]]) -> Iterator[tuple[str, list[str]]]:
    """(kernel, names of the ops that call it) of each kernel that ExecuTorch's runtime does not have."""
    from executorch.runtime import Runtime

    ops = [CpuOp(*op) for op in cpu_ops]
    known = Runtime.get().operator_registry.operator_names
    for called in (operator for plan in program.execution_plan for operator in plan.operators):
        kernel = f"{called.name}.{called.overload}" if called.overload else called.name
        if kernel not in known:
            yield kernel, list(calling(kernel, ops))


def target_of(node: Any) -> str:
    """The op that ``node`` calls, as it is written: ``aten.add.Tensor``."""
    return str(getattr(node.target, "__name__", node.target))


def custom_of(node: Any) -> Mapping[str, Any]:
    """What the parent marked ``node`` with, which every pass keeps."""
    return node.meta.get("custom") or {}


def origin_of(node: Any) -> str:
    """The node of the converted graph that ``node`` comes from; its own name where a pass made it up."""
    return str(custom_of(node).get(NAME_KEY, node.name))
