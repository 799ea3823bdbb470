"""Spell out, before annotation, the ops that lowering would take apart after it.

``torch.export`` keeps composite ops whole and ExecuTorch (1.5.1) decomposes them when it lowers. A tensor in between
then has no encoding, and the op falls to the CPU. :func:`expand_composites` takes them apart where every part can
have one. Ops that ExecuTorch builds whole, or lowers to a single op, stay.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import torch
from torch._decomp import get_decompositions
from torch._subclasses import FakeTensor
from torch.fx import GraphModule, Node
from torch.fx.experimental.proxy_tensor import make_fx

from qnnsolve.rewriting.bags import joined_bags, joins_bags
from qnnsolve.rewriting.emitting import ORIGIN
from qnnsolve.rewriting.spelled import ABOUT_NAN, SPELLED

__all__ = ["COMPOSITES", "expand_composites"]

_aten = torch.ops.aten

COMPOSITES = frozenset(
    (
        _aten.adaptive_max_pool1d.default,
        _aten.addmv.default,
        _aten.addr.default,
        _aten.adjoint.default,
        _aten.atleast_1d.default,
        _aten.atleast_2d.default,
        _aten.atleast_3d.default,
        _aten.broadcast_tensors.default,
        _aten.baddbmm.default,
        _aten.cartesian_prod.default,
        _aten.clip.Tensor,
        _aten.clip.default,
        _aten.column_stack.default,
        _aten.cross.default,
        _aten.diff.default,
        _aten.dot.default,
        _aten.dsplit.array,
        _aten.dsplit.int,
        _aten.dstack.default,
        _aten.fliplr.default,
        _aten.flipud.default,
        _aten.gradient.array,
        _aten.gradient.scalararray,
        _aten.gradient.scalarint,
        _aten.gradient.scalarrayarray,
        _aten.gradient.scalarrayint,
        _aten.mH.default,
        _aten.hsplit.array,
        _aten.hsplit.int,
        _aten.hstack.default,
        _aten.inner.default,
        _aten.kron.default,
        _aten.linalg_cross.default,
        _aten.linalg_matrix_norm.default,
        _aten.linalg_matrix_norm.str_ord,
        _aten.linalg_multi_dot.default,
        _aten.linalg_norm.default,
        _aten.linalg_norm.ord_str,
        _aten.max_pool1d.default,
        _aten.meshgrid.default,
        _aten.meshgrid.indexing,
        _aten.mv.default,
        _aten.outer.default,
        _aten.repeat_interleave.self_int,
        _aten.rot90.default,
        _aten.scatter.value,
        _aten.sum_to_size.default,
        _aten.take_along_dim.default,
        _aten.tensor_split.indices,
        _aten.tensor_split.sections,
        _aten.tensordot.default,
        _aten.tile.default,
        _aten.vdot.default,
        _aten.vsplit.array,
        _aten.vsplit.int,
        _aten.vstack.default,
    )
)
"""What is taken apart, by torch's own definition of each."""


def _scatter_value(source: torch.Tensor, dim: int, index: torch.Tensor, value: float) -> torch.Tensor:
    """ExecuTorch 1.5.1 declares the number as a constant that the backend reads as garbage; a tensor of it is right."""
    written: torch.Tensor = _aten.scatter.src(source, dim, index, torch.full_like(index, value, dtype=source.dtype))
    return written


_TABLE: dict[Any, Callable[..., Any]] = get_decompositions(
    [
        *(_aten.addmv, _aten.addr, _aten.baddbmm, _aten.dot, _aten.linalg_cross, _aten.mv, _aten.rot90, _aten.vdot),
    ]
)
"""Those that are composite by rule rather than by dispatch."""
_TABLE[_aten.scatter.value] = _scatter_value

_NORMS = {
    _aten.layer_norm.default: 2,
    _aten.native_layer_norm.default: 2,
    _aten.group_norm.default: 2,
    _aten.rms_norm.default: 2,
}
"""Where each normalization that can do without a weight has it."""

_AS_EXPORTED: dict[object, Any] = {
    _aten.squeeze_.dim: _aten.squeeze.dim,
    _aten.constant_pad_nd.default: _aten.pad.default,
}
"""What ``matmul`` does to a tensor of its own; and the padding that ExecuTorch's lowering gives all its arguments."""


def expand_composites(model: GraphModule) -> GraphModule:
    """Replace, in place, every call of :data:`COMPOSITES` by the calls that it consists of. Returns ``model``."""
    for node in list(model.graph.nodes):
        if node.op == "call_function" and node.target in _NORMS:
            _give_weight(model, node, _NORMS[node.target])
        composite = node.target in COMPOSITES or (node.target in SPELLED and not _asks_an_input(node))
        composite = composite or any(is_one(node) for is_one in (_multiplies_a_vector, *_WRITTEN_HERE))
        if node.op == "call_function" and composite and all("val" in each.meta for each in node.all_input_nodes):
            _expand(model, node)
    model.recompile()
    return model


def _give_weight(model: GraphModule, node: Node, index: int) -> None:
    """Write the weight of a normalization that has none: ones, with an encoding of their own.

    ExecuTorch makes them up in lowering (``op_layer_norm.py``, 1.5.1) and declares them like the output, at whose scale
    a one is off by up to half a step.
    """
    source, over = node.all_input_nodes[0], node.args[1]
    if (len(node.args) > index and node.args[index] is not None) or "weight" in node.kwargs or "val" not in source.meta:
        return
    value = source.meta["val"]
    shape = value.shape[1:2] if node.target is _aten.group_norm.default else tuple(over)  # type: ignore[arg-type]  # a list of sizes
    number = 0
    while hasattr(model, f"weight_of_ones_{number}"):
        number += 1
    name = f"weight_of_ones_{number}"
    model.register_buffer(name, torch.ones(shape, dtype=value.dtype))
    with model.graph.inserting_before(node):
        weight = model.graph.get_attr(name)
    with value.fake_mode:
        weight.meta["val"] = torch.ones(shape, dtype=value.dtype)
    node.args = (*node.args[:index], weight, *node.args[index + 1 :])


def _counts_padding(node: Node) -> bool:
    """An average over volumes that counts padded zeros, which the accelerator's never does (HTP emulator, QNN 2.51).

    Where rounding up adds a window past the padding, padding first would count it: such a one stays whole.
    """
    if node.target is not _aten.avg_pool3d.default or "val" not in node.meta:
        return False
    given = dict(enumerate(node.args))
    padding, rounds_up, counts = given.get(3, 0), given.get(4, False), given.get(5, True)
    if not counts or not any(_three(padding)):
        return False
    strides = _three(given.get(2) or given[1])
    sizes = zip(node.all_input_nodes[0].meta["val"].shape[-3:], _three(given[1]), strides, _three(padding), strict=True)
    return not rounds_up or all((size + 2 * pad - kernel) % stride == 0 for size, kernel, stride, pad in sizes)


def _three(sizes: Any) -> list[int]:
    listed = [sizes] if isinstance(sizes, int) else list(sizes)
    return listed * 3 if len(listed) == 1 else listed


def _padded_average(
    x: torch.Tensor, kernel: Any, stride: Any = (), padding: Any = 0, ceil: bool = False, count: bool = True, *rest: Any
) -> torch.Tensor:
    """``avg_pool3d`` with its padding as a step of its own."""
    around = [size for each in reversed(_three(padding)) for size in (each, each)]
    averaged: torch.Tensor = _aten.avg_pool3d(_aten.constant_pad_nd(x, around), kernel, stride, 0, False, True, *rest)
    return averaged


def _one_hot(index: torch.Tensor, classes: int) -> torch.Tensor:
    """Without torch's checks of the values, which no accelerator runs."""
    hot: torch.Tensor = (index.unsqueeze(-1) == torch.arange(classes, device=index.device)).to(torch.int64)
    return hot


_WRITTEN_HERE: dict[Callable[[Node], bool], Callable[..., Any]] = {
    _counts_padding: _padded_average,
    joins_bags: joined_bags,
    lambda node: node.target is _aten.one_hot.default: _one_hot,
}
"""Composites that are told by more than their target, and the parts of each."""


def _multiplies_a_vector(node: Node) -> bool:
    """A ``matmul`` with a vector, which the accelerator has no op for."""
    return node.target is _aten.matmul.default and any(
        isinstance(each, Node) and each.meta["val"].dim() < 2 for each in node.args
    )


def _asks_an_input(node: Node) -> bool:
    return node.target in ABOUT_NAN and node.all_input_nodes[0].op == "placeholder"


def _expand(model: GraphModule, node: Node) -> None:
    sources = node.all_input_nodes
    target: Callable[..., Any] = node.target  # type: ignore[assignment]  # an OpOverload, as COMPOSITES are
    written = next((each for is_one, each in _WRITTEN_HERE.items() if is_one(node)), None)
    target = written or target
    kept = written is not None or _multiplies_a_vector(node)
    spelled = None if kept else SPELLED.get(node.target)

    def call(*tensors: torch.Tensor) -> Any:
        given = dict(zip(sources, tensors, strict=True))
        args, kwargs = torch.fx.map_arg((node.args, node.kwargs), lambda source: given[source])
        return (spelled or target)(*args, **kwargs)

    values = [source.meta["val"] for source in sources]
    mode = next((value.fake_mode for value in values if isinstance(value, FakeTensor)), contextlib.nullcontext())
    with mode:  # what is made from nothing (a range) is of the same kind
        if spelled is not None and call(*values) is None:
            return
        # What is spelled out in torch's functions is kept in them; torch's own composites consist of what is below.
        traced = make_fx(call, decomposition_table=_TABLE, pre_dispatch=spelled is not None)(*values)
    (results,) = (each.args[0] for each in traced.graph.nodes if each.op == "output")
    if any(each.op == "get_attr" for each in traced.graph.nodes):
        return
    copies = dict(zip((each for each in traced.graph.nodes if each.op == "placeholder"), sources, strict=True))
    with model.graph.inserting_before(node):
        for each in traced.graph.nodes:
            if each.op == "call_function":
                copies[each] = _copied(model, each, copies, node)
    if isinstance(results, Node):
        node.replace_all_uses_with(copies[results])
    else:
        for item in list(node.users):
            if item.users:
                item.replace_all_uses_with(copies[results[item.args[1]]])
            model.graph.erase_node(item)
    model.graph.erase_node(node)
    for copy in reversed(list(copies.values())[len(sources) :]):
        if not copy.users:
            model.graph.erase_node(copy)


def _copied(model: GraphModule, part: Node, copies: dict[Node, Node], whole: Node) -> Node:
    """``part`` in the model's graph; it comes from the module and the line that ``whole`` comes from."""
    copy = model.graph.node_copy(part, lambda each: copies[each])
    copy.target = _AS_EXPORTED.get(copy.target, copy.target)
    copy.meta = {key: value for key, value in whole.meta.items() if key in (*ORIGIN, "custom")}
    copy.meta["val"] = part.meta["val"]
    return copy
