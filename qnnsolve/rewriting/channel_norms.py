"""Normalizations channel by channel, written so that the chip computes them right: :data:`CHANNEL_NORMS`.

Where the statistics are known, each channel is multiplied by one number, and another one is added. That is a depthwise
convolution of one tap. Its weight is exact in any number of bits, since each channel has a scale of its own.
ExecuTorch's own Batchnorm (1.5.1, ``builders/op_batch_norm.py``) chooses the scale of the bias so that the largest bias
is 2**31 steps. An int32 holds one less, so the largest bias comes out with the other sign.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch.fx import Node as FxNode

from qnnsolve.rewriting.emitting import Emitter, Replacement, argument

__all__ = ["CHANNEL_NORMS"]

aten = torch.ops.aten


def _known(node: Any, default: float, like: torch.Tensor) -> torch.Tensor | None:
    """A weight or statistic, in double precision; None where it is no constant."""
    if node is None:
        return torch.full(like.shape[1:2], default, dtype=torch.float64)
    if not isinstance(node, FxNode) or node.op != "get_attr":
        return None
    value = operator.attrgetter(str(node.target))(node.graph.owning_module)
    return value.detach().double() if isinstance(value, torch.Tensor) else None


def _with_statistics(emit: Emitter, node: FxNode) -> FxNode | None:
    """``x * w + b`` with ``w`` and ``b`` of each channel; None where they depend on the model's inputs."""
    source, like = node.args[0], node.meta["val"]
    given = [_known(argument(node, 1 + index, name), default, like) for index, (name, default) in enumerate(_NAMED)]
    weight, bias, mean, variance = given
    if weight is None or bias is None or mean is None or variance is None:
        return None
    weight = weight / torch.sqrt(variance + argument(node, 7, "eps"))
    return _scaled(emit, source, weight, bias - mean * weight, like)


_NAMED = (("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0))
_DEPTHWISE_FROM = 3
"""Groups of which ExecuTorch makes a depthwise convolution; fewer channels have a dense one, with zeros between."""


def _scaled(emit: Emitter, source: Any, weight: torch.Tensor, bias: torch.Tensor, like: torch.Tensor) -> FxNode:
    """Channels, dimension 1 of ``source``, times ``weight`` plus ``bias``: images stay as they are, and sequences."""
    shape, channels = list(like.shape), weight.numel()
    plain = like.dim() in (3, 4)
    inner = shape[2:] if plain else [math.prod(shape[2:])]
    dense = channels < _DEPTHWISE_FROM
    taps = (torch.diag(weight) if dense else weight.reshape(-1, 1)).reshape(channels, -1, *[1] * len(inner))
    x = source if plain else emit(aten.reshape.default, source, [*shape[:2], *inner])
    target = aten.conv2d.default if len(inner) == 2 else aten.conv1d.default
    taps_node = emit.constant("norm_weight", taps.to(like.dtype))
    added = emit.constant("norm_bias", bias.to(like.dtype))
    ones, zeros = [1] * len(inner), [0] * len(inner)
    scaled = emit(target, x, taps_node, added, ones, zeros, ones, 1 if dense else channels)
    return scaled if plain else emit(aten.reshape.default, scaled, shape)


def _batch_norm(emit: Emitter, node: FxNode) -> FxNode | None:
    """Without statistics that are kept (``track_running_stats=False``), by those of the batch: an instance norm."""
    if not argument(node, 5, "training"):
        return _with_statistics(emit, node)
    if argument(node, 3, "running_mean") is not None or argument(node, 4, "running_var") is not None:
        return None
    source, like = node.args[0], node.meta["val"]
    weight, bias, eps = argument(node, 1, "weight"), argument(node, 2, "bias"), argument(node, 7, "eps")
    if weight is None:
        weight = emit.constant("norm_weight", torch.ones(like.shape[1], dtype=like.dtype))
    batch, channels, *inner = list(like.shape)
    first = source if batch == 1 else emit(aten.transpose.int, source, 0, 1)
    image = emit(aten.reshape.default, first, [1, channels, batch, math.prod(inner)])
    normed = emit(aten.instance_norm.default, image, weight, bias, None, None, True, 0.0, eps, False)
    whole = emit(aten.reshape.default, normed, [channels, batch, *inner] if batch > 1 else [1, channels, *inner])
    return whole if batch == 1 else emit(aten.transpose.int, whole, 0, 1)


def _instance_norm(emit: Emitter, node: FxNode) -> FxNode | None:
    """With statistics of its own like a batch norm; else with a weight of its own, as one of images.

    ExecuTorch (1.5.1, ``builders/op_instance_norm.py``) makes up a missing weight and declares it like the output.
    """
    if not argument(node, 5, "use_input_stats"):
        return _with_statistics(emit, node)
    source, like = node.args[0], node.meta["val"]
    weight, bias = argument(node, 1, "weight"), argument(node, 2, "bias")
    if weight is None:
        weight = emit.constant("norm_weight", torch.ones(like.shape[1], dtype=like.dtype))
    elif like.dim() == 4:
        return None
    rest = (weight, bias, None, None, *node.args[5:])
    return _as_image(emit, source, like, lambda x: emit(aten.instance_norm.default, x, *rest))


def _group_norm(emit: Emitter, node: FxNode) -> FxNode | None:
    """As one of images.

    The accelerator's own norm over a batch of sequences, over rows or over volumes is off by up to 39 % of its range at
    16 bits, or does not compile on V68. The same norm over images is within a step (HTP emulator, QNN 2.51, V68 and
    V79).
    """
    like = node.meta["val"]
    weight, bias, eps = argument(node, 2, "weight"), argument(node, 3, "bias"), argument(node, 4, "eps", 1e-5)
    if like.dim() == 4 and bias is not None:
        return None
    if bias is None:  # V68 takes none without
        bias = emit.constant("norm_bias", torch.zeros(like.shape[1], dtype=like.dtype))
    rest = (node.args[1], weight, bias, eps)
    return _as_image(emit, node.args[0], like, lambda x: emit(node.target, x, *rest))


def _as_image(emit: Emitter, source: Any, like: torch.Tensor, norm: Callable[[FxNode], FxNode]) -> FxNode:
    """What ``norm`` makes of ``[batch, channels, ...]`` with whatever is behind as rows and columns."""
    sizes = list(like.shape)
    rows, columns = (math.prod(sizes[2:-1]), sizes[-1]) if len(sizes) > 2 else (1, 1)
    made = norm(source if len(sizes) == 4 else emit(aten.reshape.default, source, [*sizes[:2], rows, columns]))
    return made if len(sizes) == 4 else emit(aten.reshape.default, made, sizes)


CHANNEL_NORMS: Mapping[Any, Replacement] = MappingProxyType(
    {
        aten.batch_norm.default: _batch_norm,
        aten.instance_norm.default: _instance_norm,
        aten.group_norm.default: _group_norm,
    }
)
"""By aten target, what is written instead."""
