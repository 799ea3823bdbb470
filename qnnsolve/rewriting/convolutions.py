"""Convolutions that ExecuTorch builds wrongly or HTP does not compile, written otherwise: :data:`CONVOLUTIONS`.

A padding that is named (``same``, ``valid``) is spelled out in numbers: ExecuTorch (1.5.1, ``builders/op_conv.py``)
reads it as that of an image, and pads an even kernel by an op that has no encoding. The accelerator compiles no
convolution of volumes whose taps are apart in depth (HTP compiler, QNN 2.51, V68 to V79); one with zeros between them
computes the same. Nor does it compile a depthwise convolution that makes several channels of one where a dimension of
size one is put before what becomes of them (``conv(x)[None]``, ``conv(x).sigmoid()[:, None]``); of channels that are
repeated first it makes one of each.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch.fx import Node as FxNode

from qnnsolve.rewriting.emitting import Emitter, Replacement, argument
from qnnsolve.rewriting.transposed import dilated, each_of, kernel_constant, kernel_value

__all__ = ["CONVOLUTIONS"]

aten = torch.ops.aten
_NUMBERED: Mapping[Any, Any] = MappingProxyType(
    {
        aten.conv1d.padding: aten.conv1d.default,
        aten.conv2d.padding: aten.conv2d.default,
        aten.conv3d.padding: aten.conv3d.default,
    }
)


def _named_padding(emit: Emitter, node: FxNode) -> FxNode:
    """In numbers; what an even kernel needs more at the end is padded first."""
    source: Any = node.args[0]
    kernel: Any = node.args[1]
    sizes = kernel.meta["val"].shape[2:]
    dilation = each_of(argument(node, 5, "dilation", 1), len(sizes))
    same = argument(node, 4, "padding", "valid") == "same"
    spans = [step * (size - 1) if same else 0 for step, size in zip(dilation, sizes, strict=True)]
    if any(span % 2 for span in spans):
        around = [end for span in reversed(spans) for end in (span // 2, span - span // 2)]
        source, spans = emit(aten.pad.default, source, around), [0] * len(sizes)
    stride, groups = each_of(argument(node, 3, "stride", 1), len(sizes)), argument(node, 6, "groups", 1)
    rest = (stride, [span // 2 for span in spans], dilation, groups)
    made = emit(_NUMBERED[node.target], source, kernel, argument(node, 2, "bias"), *rest)
    if len(sizes) == 3:
        return _apart_in_depth(emit, made) or made
    return (_one_of_each(emit, made, node) if len(sizes) == 2 else None) or made


def _apart_in_depth(emit: Emitter, node: FxNode) -> FxNode | None:
    """Zeros between the taps of a constant kernel, along the depth alone."""
    kernel, module = node.args[1], node.graph.owning_module
    dilation = each_of(argument(node, 5, "dilation", 1), 3)
    if dilation[0] == 1 or not isinstance(kernel, FxNode) or kernel.op != "get_attr" or module is None:
        return None
    value = dilated(kernel_value(module, str(kernel.target)), [dilation[0], 1, 1])
    stride, padding = each_of(argument(node, 3, "stride", 1), 3), each_of(argument(node, 4, "padding", 0), 3)
    rest = (stride, padding, [1, *dilation[1:]], argument(node, 6, "groups", 1))
    wide = kernel_constant(emit, module, value, kernel)
    return emit(node.target, node.args[0], wide, argument(node, 2, "bias"), *rest)


def _one_of_each(emit: Emitter, node: FxNode, readers: FxNode | None = None) -> FxNode | None:
    """A depthwise convolution of repeated channels, where a fifth dimension is made of what the ``readers`` read."""
    source: Any = node.args[0]
    kernel: Any = node.args[1]
    batch, channels, *image = source.meta["val"].shape
    groups, made = argument(node, 6, "groups", 1), kernel.meta["val"].shape[0]
    if groups != channels or made in (1, channels) or not _becomes_five(readers or node):
        return None
    apart = emit(aten.unsqueeze.default, source, 2)
    repeated = emit(aten.expand.default, apart, [batch, channels, made // channels, *image])
    rest = (argument(node, index, name, default) for index, name, default in _ARGUMENTS)
    return emit(node.target, emit(aten.reshape.default, repeated, [batch, made, *image]), kernel, *rest, made)


_ARGUMENTS = ((2, "bias", None), (3, "stride", 1), (4, "padding", 0), (5, "dilation", 1))


def _becomes_five(node: FxNode) -> bool:
    """Whether a dimension of size one is put in front of its images, or of images that come of them."""
    seen, left = {node}, [node]
    while left:
        source = left.pop()
        shape = _sizes(source)
        for user in source.users:
            found = _sizes(user)
            if found in ((1, *shape), (*shape[:1], 1, *shape[1:])):
                return True
            if len(found) == len(shape) and user not in seen:
                seen.add(user)
                left.append(user)
    return False


def _sizes(node: FxNode) -> tuple[int, ...]:
    value = node.meta.get("val")
    return tuple(value.shape) if isinstance(value, torch.Tensor) else ()


CONVOLUTIONS: Mapping[Any, Replacement] = MappingProxyType(
    {
        **dict.fromkeys(_NUMBERED, _named_padding),
        aten.conv2d.default: _one_of_each,
        aten.conv3d.default: _apart_in_depth,
    }
)
"""By aten target, what is written instead."""
