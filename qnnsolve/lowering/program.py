"""What a lowered program consists of: its delegates, its ops on the CPU, and the kernels that these ops lack."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from qnnsolve.lowering.lower import calling
from qnnsolve.lowering.marks import CPU_KEY, CPU_VALUE, LEFT_BY_SOLVER, NAME_KEY
from qnnsolve.results import AT_BORDER, CpuOp, Stand

__all__ = [
    "FEEDS",
    "QUANT_OPS",
    "calls_of",
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
    """The number of calls into the accelerator."""
    return sum(
        _is_delegate(node) and getattr(graph_module, node.args[0].target).backend_id == "QnnBackend"
        for node in graph_module.graph.nodes
    )


def _is_delegate(node: Any) -> bool:
    from executorch.exir.delegate import executorch_call_delegate

    return node.op == "call_function" and node.target is executorch_call_delegate


def cpu_ops_of(graph_module: Any, reasons: Mapping[str, str]) -> Iterator[CpuOp]:
    """Each op outside the delegates, by its name in the converted graph, in the order of execution."""
    import operator

    fed, feeding = _fed_by_delegates(graph_module.graph), _feeding_delegates(graph_module.graph)
    for node in graph_module.graph.nodes:
        if node.op != "call_function" or node.target is operator.getitem or _is_delegate(node):
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
        yield CpuOp(origin, target, reason, _STANDS[node in fed, node in feeding])


_STANDS = {
    (False, True): Stand.BEFORE,
    (True, True): Stand.BETWEEN,
    (True, False): Stand.AFTER,
    (False, False): Stand.APART,
}


def _fed_by_delegates(graph: Any) -> set[Any]:
    """Every node that the result of a delegate reaches; not through a buffer, which is read in the next run only."""
    found: set[Any] = set()
    for node in graph.nodes:
        if any(source in found or _is_delegate(source) for source in node.all_input_nodes):
            found.add(node)
    return found


def _feeding_delegates(graph: Any) -> set[Any]:
    found: set[Any] = set()
    for node in reversed(graph.nodes):
        if any(user in found or _is_delegate(user) for user in node.users):
            found.add(node)
    return found


def missing_kernels(program: Any, cpu_ops: Sequence[CpuOp]) -> Iterator[tuple[str, list[str]]]:
    """(kernel, names of the ops that call it) of each kernel that ExecuTorch's runtime does not have."""
    from executorch.runtime import Runtime

    known = Runtime.get().operator_registry.operator_names
    for called in (operator for plan in program.execution_plan for operator in plan.operators):
        kernel = f"{called.name}.{called.overload}" if called.overload else called.name
        if kernel not in known:
            yield kernel, list(calling(kernel, cpu_ops))


def calls_of(program: Any, graph: Any) -> Iterator[tuple[str, int, int, str, bool]]:
    """(plan, chain, instruction, op, whether it is a delegate) of each call that the emitted ``program`` makes.

    ExecuTorch 1.5.1 emits a kernel call per call of an out variant, in the order of the graph. Where the two differ in
    number or name, as with control flow, only the delegates are returned.
    """
    kernels = [node for node in graph.nodes if hasattr(node.target, "_schema") and node.op == "call_function"]
    for plan in program.execution_plan:
        called = [
            (chain, instruction, each.instr_args)
            for chain, steps in enumerate(plan.chains)
            for instruction, each in enumerate(steps.instructions)
        ]
        emitted = [plan.operators[args.op_index] for _, _, args in called if hasattr(args, "op_index")]
        alike = [operator.name for operator in emitted] == [node.target._schema.name for node in kernels]
        names = iter(map(origin_of, kernels))
        for chain, instruction, args in called:
            if hasattr(args, "delegate_index"):
                yield plan.name, chain, instruction, "", True
            elif hasattr(args, "op_index") and alike:
                yield plan.name, chain, instruction, next(names), False


def target_of(node: Any) -> str:
    """The op that ``node`` calls, as it is written: ``aten.add.Tensor``."""
    return str(getattr(node.target, "__name__", node.target))


def custom_of(node: Any) -> Mapping[str, Any]:
    """What the parent marked ``node`` with, which every pass keeps."""
    return node.meta.get("custom") or {}


def origin_of(node: Any) -> str:
    """The node of the converted graph that ``node`` comes from; its own name where a pass made it up."""
    return str(custom_of(node).get(NAME_KEY, node.name))
