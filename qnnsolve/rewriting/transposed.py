"""Transposed convolutions that the accelerator has no op for, with another constant kernel: :data:`TRANSPOSED`.

It has no dilation of transposed convolutions (QNN's TransposeConv2d has no such parameter). It does not compile
depthwise ones, nor those that add more than one row to their output. And it computes transposed convolutions of volumes
in groups wrong (HTP emulator, QNN 2.51). A kernel with zeros between its taps is a dilated one; zeros behind its last
tap add to the output; and a convolution in groups is one of all channels whose kernel is zero wherever a group meets
another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch.fx import Node as FxNode

from qnnsolve.rewriting.emitting import Emitter, Replacement, argument
from qnnsolve.rules.builders.products import grouped_right

__all__ = ["TRANSPOSED", "dilated", "each_of", "kernel_constant", "kernel_value"]

aten = torch.ops.aten
_LARGEST_DENSE = 2**22
"""Elements of a kernel that is written for all channels, at most."""


def dilated(kernel: torch.Tensor, dilation: list[int]) -> torch.Tensor:
    """``kernel`` with its taps that far apart."""
    sizes = [step * (size - 1) + 1 for step, size in zip(dilation, kernel.shape[2:], strict=True)]
    wide = kernel.new_zeros((*kernel.shape[:2], *sizes))
    taps = [slice(None), slice(None), *(slice(None, None, step) for step in dilation)]
    wide[tuple(taps)] = kernel
    return wide


def _dense(kernel: torch.Tensor, groups: int) -> torch.Tensor:
    """The kernel of a grouped transposed convolution, ``[inputs, outputs per group, ...]``, for all outputs."""
    inputs, outputs = kernel.shape[0] // groups, kernel.shape[1]
    whole = kernel.new_zeros((kernel.shape[0], outputs * groups, *kernel.shape[2:]))
    for group in range(groups):
        rows = slice(group * inputs, (group + 1) * inputs)
        whole[rows, group * outputs : (group + 1) * outputs] = kernel[rows]
    return whole


def _transposed(emit: Emitter, node: FxNode) -> FxNode | None:
    kernel, module = node.args[1], node.graph.owning_module
    if not isinstance(kernel, FxNode) or kernel.op != "get_attr" or module is None:
        return None
    sizes = kernel.meta["val"].shape
    dims, groups = len(sizes) - 2, argument(node, 6, "groups", 1)
    stride, padding = each_of(argument(node, 3, "stride", 1), dims), each_of(argument(node, 4, "padding", 0), dims)
    added, dilation = (
        each_of(argument(node, 5, "output_padding", 0), dims),
        each_of(argument(node, 7, "dilation", 1), dims),
    )
    apart, longer, dense = set(dilation) != {1}, max(added) > 1, not grouped_right(dims, groups, sizes[1])
    dense = dense and kernel.meta["val"].numel() * groups <= _LARGEST_DENSE
    if not (apart or longer or dense):
        return None
    value = kernel_value(module, str(kernel.target))
    value = dilated(value, dilation) if apart else value
    if longer:
        value = torch.nn.functional.pad(value, [size for each in reversed(added) for size in (0, each)])
        added = [0] * dims
    value = _dense(value, groups) if dense else value
    rest = (stride, padding, added, 1 if dense else groups, [1] * dims)
    return emit(
        node.target, node.args[0], kernel_constant(emit, module, value, kernel), argument(node, 2, "bias"), *rest
    )


def each_of(size: Any, dims: int) -> list[int]:
    """A size per dimension: it may be one number for all, or a list of one."""
    sizes = [size] if isinstance(size, int) else list(size)
    return sizes * dims if len(sizes) == 1 else sizes


def kernel_value(module: torch.nn.Module, name: str) -> torch.Tensor:
    """The parameter or buffer called ``name``."""
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part)
    assert isinstance(found, torch.Tensor)
    return found.detach()


def kernel_constant(emit: Emitter, module: torch.nn.Module, value: torch.Tensor, like: FxNode) -> FxNode:
    """A parameter of the model, since that is what it was made from."""
    number = 0
    while hasattr(module, f"kernel_with_zeros_{number}"):
        number += 1
    name = f"kernel_with_zeros_{number}"
    module.register_parameter(name, torch.nn.Parameter(value, requires_grad=False))
    with emit.node.graph.inserting_before(emit.node):
        constant = emit.node.graph.get_attr(name)
    constant.meta["val"] = like.meta["val"].new_empty(value.shape)
    return constant


TRANSPOSED: Mapping[Any, Replacement] = MappingProxyType(
    dict.fromkeys(
        (aten.conv_transpose1d.default, aten.conv_transpose2d.input, aten.conv_transpose3d.input), _transposed
    )
)
"""By aten target, what is written instead."""
