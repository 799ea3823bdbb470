"""FX graph -> graph facts. The one place where facts see torch."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any

import torch
from torch.fx import GraphModule
from torch.fx import Node as FxNode

from qnnsolve.facts.graph import GETITEM, Argument, CodeLine, Graph, Node, NodeKind, Ref, TensorFact

__all__ = ["origins_of", "read_graph", "target_name"]

_KINDS = {kind.value: kind for kind in NodeKind}
_FRAME = re.compile(r'^ *File "(.+)", line (\d+), in .*\n(?! *File ") *(.*)$', re.MULTILINE)
_TORCH = re.compile(r"[/\\]torch[/\\](nn|_\w+|functional|utils)[/\\.]")
"""Files of torch itself, wherever it was installed when the model was exported."""


def read_graph(module: GraphModule) -> Graph:
    """Facts of every node of ``module``, in its order.

    Shapes and dtypes come from ``node.meta["val"]``, as torch.export leaves them; parameters without it are
    read from the module. Symbolic sizes become None.
    """
    return Graph.of(tuple(_node(node, module) for node in module.graph.nodes))


def origins_of(module: GraphModule) -> dict[str, str]:
    """What nodes of ``module`` are called in the exported program that it comes from, by their names.

    A node that rewriting made is missing. Of several that come from one op the last counts, which yields its result.
    """
    found = {node.name: origin for node in module.graph.nodes if (origin := _origin(node.meta.get("from_node")))}
    last = {origin: name for name, origin in found.items()}
    return {name: origin for origin, name in last.items()}


def _origin(sources: Any) -> str | None:
    """As torch 2.13 tells it: ``ExportedProgram.module()`` copies each node."""
    for source in sources or ():
        if source.pass_name == "ExportedProgram.module()":
            return str(source.name)
        if (before := _origin(source.from_node)) is not None:
            return before
    return None


def target_name(target: str | Callable[..., Any]) -> str:
    """``aten.add.Tensor`` for an overload, ``operator.getitem`` for Python's, the text itself for a name."""
    if isinstance(target, str):
        return target
    if target is operator.getitem:
        return GETITEM
    if isinstance(target, torch._ops.OpOverload):
        return str(target)
    return f"{getattr(target, '__module__', '')}.{getattr(target, '__qualname__', repr(target))}"


def _node(node: FxNode, module: GraphModule) -> Node:
    return Node(
        name=node.name,
        kind=_KINDS.get(node.op, NodeKind.OTHER),
        target=target_name(node.target),
        args=tuple(_argument(arg) for arg in node.args),
        kwargs=tuple((key, _argument(value)) for key, value in sorted(node.kwargs.items())),
        tensors=_tensors(node, module),
        module_path=_module_path(node),
        several=isinstance(node.meta.get("val"), (list, tuple)),
        line=_line(node),
        module_types=_module_types(node),
    )


def _argument(value: object) -> Argument:
    if isinstance(value, FxNode):
        return Ref(value.name)
    if isinstance(value, (list, tuple)):
        return tuple(_argument(item) for item in value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)


def _tensors(node: FxNode, module: GraphModule) -> tuple[TensorFact, ...]:
    value = node.meta.get("val")
    if value is None and node.op == "get_attr":
        value = operator.attrgetter(str(node.target))(module)
    values = value if isinstance(value, (list, tuple)) else (value,)
    return tuple(_tensor(item) for item in values if isinstance(item, torch.Tensor))


def _tensor(value: torch.Tensor) -> TensorFact:
    shape = tuple(size if isinstance(size, int) else None for size in value.shape)
    return TensorFact(shape, str(value.dtype).removeprefix("torch."))


def _module_path(node: FxNode) -> str:
    """Dotted path of the innermost module, as the user's model names it; empty at the top."""
    stack = node.meta.get("nn_module_stack") or {}
    path = ""
    for entry in stack.values():
        path = entry[0]
    return path.removeprefix("L['self'].")


def _line(node: FxNode) -> CodeLine | None:
    """What torch.export noted of the stack, innermost last."""
    for file, number, text in reversed(_FRAME.findall(node.meta.get("stack_trace") or "")):
        if _TORCH.search(file) is None:
            return CodeLine(file, int(number), text.strip())
    return None


def _module_types(node: FxNode) -> tuple[str, ...]:
    stack = node.meta.get("nn_module_stack") or {}
    kinds = (kind for _, kind in stack.values())
    return tuple(kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__qualname__}" for kind in kinds)
