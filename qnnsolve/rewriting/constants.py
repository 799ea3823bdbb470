"""Compute at export time what does not depend on the model's inputs: weights made of others, position ids, masks.

:func:`fold_constants` does so once, before annotation. Left in the graph, each step of such a computation would need an
operator on every run, and the accelerator lacks many of the integer ones. And ExecuTorch builds convolutions and
linears with constant weights only.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import torch
from torch.fx import GraphModule, Node

from qnnsolve.host.values import has_values

__all__ = ["fold_constants"]

LARGEST = 2**24
"""Elements of a folded tensor at most, unless it is a weight or no larger than what it is made of."""
LARGEST_ON_THE_WAY = 2**28
"""Elements of a tensor that is computed only to compute another: 1 GiB in float32."""

_aten = torch.ops.aten
_WEIGHTED = frozenset(
    {
        *(_aten.conv1d.default, _aten.conv2d.default, _aten.conv3d.default, _aten.linear.default),
        *(_aten.conv1d.padding, _aten.conv2d.padding, _aten.conv3d.padding, _aten.convolution.default),
        *(_aten.conv_transpose1d.default, _aten.conv_transpose2d.input, _aten.conv_transpose3d.input),
    }
)
"""Ops whose weight and bias, arguments 1 and 2, have to be constants."""

_FOLDED_IN_LOWERING = frozenset(
    {
        *(_aten.arange.default, _aten.arange.start, _aten.arange.start_step, _aten.scalar_tensor.default),
        *(_aten.full.default, _aten.zeros.default, _aten.ones.default, _aten.empty.memory_format),
    }
)
"""What makes a constant from nothing, and is left to ExecuTorch. It builds no other (``linspace``, ``eye``)."""

Tensors: TypeAlias = dict[str, torch.Tensor]
"""Parameters, buffers and lifted tensors, by name."""
Computed: TypeAlias = dict[Node, frozenset[str]]
"""Nodes whose values are known before the model's inputs are, in order, and the names that each is computed from."""


def fold_constants(model: GraphModule, trained: bool = False) -> GraphModule:
    """Replace, in place, each tensor that is computed from parameters, buffers and constants alone by its value.

    What an op reads as it is stays as it is: a plain weight keeps its name. So do tensors that the model writes to,
    those that carry random numbers, and constants that an op makes from nothing where lowering folds that
    (``arange``), unless it is a weight. Returns ``model``. A
    folded value is a buffer named ``folded_constant_0`` and so on; the weight of a linear or convolution is a
    parameter, as torchao wants it where it folds a batch norm into it. What is computed from parameters that are to be
    ``trained`` stays, too.
    """
    left = set(_written(model))
    sources = _sources(model, left, trained)
    while True:
        computed = _computed(model, sources, left)
        too_large = {node for node in _frontier(computed) if _elements(node) > _limit(node, computed[node], sources)}
        if not too_large:
            break
        left |= too_large
    values = list(_values(model, set(_frontier(computed)), sources))  # before any is replaced, since some read others
    for node, value in values:
        _replace(model, node, value)
    for node in reversed(list(computed)):
        if not node.users:
            model.graph.erase_node(node)
    model.recompile()
    return model


def _sources(model: GraphModule, written: set[Node], trained: bool) -> Tensors:
    """The model's tensors that no op of the graph writes to, and no training."""
    tensors: Tensors = {}
    for node in model.graph.nodes:
        if node.op == "get_attr":
            value = operator.attrgetter(str(node.target))(model)
            if isinstance(value, torch.Tensor) and not (trained and value.requires_grad):
                tensors[str(node.target)] = value
    states = {_memory(tensors[name]) for node in written if (name := str(node.target)) in tensors}
    return {name: value for name, value in tensors.items() if _memory(value) not in states}


def _memory(tensor: torch.Tensor) -> int:
    """The same for tensors that share their memory, also where one tensor has two names."""
    return (tensor.untyped_storage().data_ptr() if has_values(tensor) else 0) or id(tensor)


def _written(model: GraphModule) -> Iterator[Node]:
    """What an op writes to, and what that may be a view of."""
    for node in model.graph.nodes:
        for target in _writes_to(node):
            yield target
            while target.op != "get_attr" and _may_alias(target) and target.all_input_nodes:
                target = target.all_input_nodes[0]
                yield target


def _writes_to(node: Node) -> Iterable[Node]:
    if node.op in ("placeholder", "get_attr", "output") or node.target is operator.getitem:
        return ()
    if not isinstance(node.target, torch._ops.OpOverload):
        return node.all_input_nodes  # a call of a graph or of a module may do anything
    if _takes_statistics(node):
        return (each for each in node.args[3:5] if isinstance(each, Node))
    named = {each.name: each for each in node.target._schema.arguments}
    given = dict(zip(named, node.args, strict=False)) | node.kwargs
    listed = (arg if isinstance(arg, (list, tuple)) else (arg,) for name, arg in given.items() if named[name].is_write)
    return (each for args in listed for each in args if isinstance(each, Node))


def _takes_statistics(node: Node) -> bool:
    """A batch norm in training mode writes to its running statistics, of which its schema says nothing."""
    return node.target is _aten.batch_norm.default and bool(node.args[5])


def _may_alias(node: Node) -> bool:
    if not isinstance(node.target, torch._ops.OpOverload) or node.target is _aten.dropout.default:
        return True
    return any(value.alias_info is not None for value in node.target._schema.returns)


def _computed(model: GraphModule, sources: Tensors, left: set[Node]) -> Computed:
    """What is computed from ``sources`` alone; the nodes in ``left`` are not."""
    found: Computed = {}
    for node in model.graph.nodes:
        if node.op == "get_attr" and str(node.target) in sources:
            found[node] = frozenset({str(node.target)})
        elif node not in left and _is_pure(node) and all(source in found for source in node.all_input_nodes):
            names = frozenset[str]().union(*(found[source] for source in node.all_input_nodes))
            if _elements(node) <= max(LARGEST_ON_THE_WAY, _limit(node, names, sources)):
                found[node] = names
    return found


def _is_pure(node: Node) -> bool:
    """Whether a node computes tensors of fixed sizes from its arguments and from nothing else."""
    value = node.meta.get("val")
    tensors = value if isinstance(value, (list, tuple)) else (value,)
    if node.op != "call_function" or not all(isinstance(tensor, torch.Tensor) for tensor in tensors):
        return False
    if any(not isinstance(size, int) for tensor in tensors for size in tensor.shape):
        return False
    if node.target is operator.getitem:
        return True
    target = node.target
    if not isinstance(target, torch._ops.OpOverload) or target._schema.is_mutable:
        return False
    if target.namespace not in ("aten", "quantized_decomposed", "torchao"):
        return False
    if not isinstance(value, torch.Tensor) and any(user.target is not operator.getitem for user in node.users):
        return False  # each of several outputs is replaced by itself
    if target is _aten.dropout.default:
        return not node.args[2]
    if _takes_statistics(node):
        return node.args[3] is None and node.args[4] is None
    return torch.Tag.nondeterministic_seeded not in target.tags


def _elements(node: Node) -> int:
    value = node.meta["val"]
    return sum(math.prod(tensor.shape) for tensor in (value if isinstance(value, (list, tuple)) else (value,)))


def _limit(node: Node, names: frozenset[str], sources: Tensors) -> float:
    """Elements that a folded ``node`` may have, which is computed from ``names``.

    A weight has no limit, since an op has to read it. A large one that only lies otherwise in memory is not copied.
    """
    if _is_weight(node):
        return math.inf
    value = node.meta["val"]
    copied = isinstance(value, torch.Tensor) and not value.is_contiguous()
    return LARGEST if copied else max(LARGEST, sum(sources[name].numel() for name in names))


def _is_weight(node: Node) -> bool:
    return any(user.target in _WEIGHTED and node in user.args[1:3] for user in node.users)


def _frontier(computed: Computed) -> Iterator[Node]:
    """Computed tensors that something reads which is not computed itself."""
    for node in computed:
        left = not node.all_input_nodes and node.target in _FOLDED_IN_LOWERING and not _is_weight(node)
        made = node.op == "call_function" and not left
        single = made and isinstance(node.meta["val"], torch.Tensor)
        if single and any(user not in computed for user in node.users):
            yield node


def _values(model: GraphModule, wanted: set[Node], sources: Tensors) -> Iterator[tuple[Node, torch.Tensor]]:
    """The value of each ``wanted`` node; what is computed on the way is forgotten as soon as it can be."""
    needed = set(wanted)
    for node in reversed(model.graph.nodes):
        if node in needed:
            needed.update(node.all_input_nodes)
    last = {source: node for node in model.graph.nodes if node in needed for source in node.all_input_nodes}
    values: dict[Node, Any] = {}
    for node in list(model.graph.nodes):
        if node not in needed:
            continue
        inputs = node.all_input_nodes
        if node.op == "get_attr":
            values[node] = sources[str(node.target)].detach()
        else:
            args, kwargs = torch.fx.map_arg((node.args, node.kwargs), lambda source: values[source])
            assert callable(node.target), node.name
            with torch.no_grad():
                values[node] = node.target(*args, **kwargs)
        if node in wanted:
            yield node, values[node]
        for source in (*inputs, node):
            if last.get(source, node) is node:
                values.pop(source, None)


def _replace(model: GraphModule, node: Node, value: torch.Tensor) -> None:
    number = 0
    while hasattr(model, f"folded_constant_{number}"):
        number += 1
    name = f"folded_constant_{number}"
    whole = value.is_contiguous() and value.untyped_storage().nbytes() == value.nbytes
    kept = value.detach() if whole else value.detach().clone(memory_format=torch.contiguous_format)
    if _is_weight(node) and kept.is_floating_point():
        model.register_parameter(name, torch.nn.Parameter(kept, requires_grad=False))
    else:
        model.register_buffer(name, kept)
    with model.graph.inserting_before(node):
        constant = model.graph.get_attr(name)
    constant.meta["val"] = node.meta["val"]
    node.replace_all_uses_with(constant)
