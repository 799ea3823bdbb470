"""FX graph -> graph facts. The one place where facts see torch."""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Callable
from typing import Any

import torch
from torch.fx import GraphModule
from torch.fx import Node as FxNode

from qnnsolve.facts.graph import GETITEM, Argument, CodeLine, Graph, Node, NodeKind, Ref, TensorFact

__all__ = ["code_line", "origin_of", "read_graph", "target_name"]

_KINDS = {kind.value: kind for kind in NodeKind}
_FRAME = re.compile(r'^ *File "(.+)", line (\d+), in .*\n(?! *File ") *(.*)$', re.MULTILINE)
_TORCH = re.compile(r"[/\\]torch[/\\](nn|_\w+|functional|utils)[/\\.]")
"""Files of torch itself, wherever it was installed when the model was exported."""


def read_graph(module: GraphModule) -> Graph:
    """Facts of every node of ``module``, in its order.

    Shapes and dtypes come from ``node.meta["val"]``, as torch.export leaves them; parameters without it are
    read from the module. Symbolic sizes become None.
    """
    read = _Reader(module).node
    return Graph.of(tuple([read(node) for node in module.graph.nodes]))


def origin_of(node: FxNode) -> str | None:
    """What the node of an exported program is called that ``node`` was copied from; None where torch noted none."""
    return _origin(node.meta.get("from_node"))


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
        return _dotted(target._name)
    return f"{getattr(target, '__module__', '')}.{getattr(target, '__qualname__', repr(target))}"


@functools.cache
def _dotted(name: str) -> str:
    """``aten.add.Tensor`` of ``aten::add.Tensor``, as ``str`` of the overload says; its own hash is slow."""
    return f"{name.replace('::', '.')}{'' if '.' in name else '.default'}"


class _Reader:
    """Reads nodes; what many of them have (shapes, lines of the program, modules around them) it makes once."""

    def __init__(self, module: GraphModule) -> None:
        self._module = module
        self._facts: dict[tuple[Any, torch.dtype], TensorFact] = {}
        self._lines: dict[str, CodeLine | None] = {}
        self._modules: dict[tuple[Any, ...], tuple[str, tuple[str, ...]]] = {}

    def node(self, node: FxNode) -> Node:
        stack = node.meta.get("nn_module_stack")
        path, types = self._around(tuple(stack.values())) if stack else ("", ())
        return Node(
            name=node.name,
            kind=_KINDS.get(node.op, NodeKind.OTHER),
            target=target_name(node.target),
            args=tuple([_argument(arg) for arg in node.args]),
            kwargs=tuple([(key, _argument(value)) for key, value in sorted(node.kwargs.items())])
            if node.kwargs
            else (),
            tensors=self._tensors(node),
            module_path=path,
            several=isinstance(node.meta.get("val"), (list, tuple)),
            line=self._line(node.meta.get("stack_trace") or ""),
            module_types=types,
        )

    def _tensors(self, node: FxNode) -> tuple[TensorFact, ...]:
        value = node.meta.get("val")
        if value is None and node.op == "get_attr":
            value = operator.attrgetter(str(node.target))(self._module)
        values = value if isinstance(value, (list, tuple)) else (value,)
        return tuple([self._tensor(item) for item in values if isinstance(item, torch.Tensor)])

    def _tensor(self, value: torch.Tensor) -> TensorFact:
        key = tuple([size if isinstance(size, int) else None for size in value.shape]), value.dtype
        if key not in self._facts:
            self._facts[key] = TensorFact(key[0], str(value.dtype).removeprefix("torch."))
        return self._facts[key]

    def _around(self, stack: tuple[Any, ...]) -> tuple[str, tuple[str, ...]]:
        """Dotted path of the innermost module, as the user's model names it, and the classes of all around it."""
        if stack not in self._modules:
            kinds = (kind for _, kind in stack)
            types = tuple(kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__qualname__}" for kind in kinds)
            self._modules[stack] = str(stack[-1][0]).removeprefix("L['self']."), types
        return self._modules[stack]

    def _line(self, trace: str) -> CodeLine | None:
        if trace not in self._lines:
            self._lines[trace] = code_line(trace)
        return self._lines[trace]


def code_line(trace: str) -> CodeLine | None:
    """The user's own line of a stack that torch.export noted (``stack_trace``), innermost last."""
    own = (each for each in reversed(_FRAME.findall(trace)) if _TORCH.search(each[0]) is None)
    found = next(own, None)
    return None if found is None else CodeLine(found[0], int(found[1]), found[2].strip())


def _argument(value: object) -> Argument:
    if isinstance(value, FxNode):
        return Ref(value.name)
    if isinstance(value, (list, tuple)):
        return tuple(_argument(item) for item in value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)
