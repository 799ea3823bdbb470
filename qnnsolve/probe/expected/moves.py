"""What operators compute that move, pick and join values."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor

from qnnsolve.probe.expected.tensors import (
    Computation,
    Inputs,
    channels_first,
    channels_last,
    given,
    of_first,
    padded_with,
)
from qnnsolve.probe.questions import CaseSpec

__all__ = ["MOVES"]


def _reshaped(inputs: Inputs, case: CaseSpec) -> tuple[Tensor, ...]:
    return (given(inputs, 0).reshape(case.outputs[0].shape),)


def _slice(x: Tensor, params: Mapping[str, Any]) -> Tensor:
    shrink, index = params.get("shrink_axes", 0), []
    for axis, (begin, end, stride) in enumerate(params["ranges"]):
        index.append(begin if shrink >> axis & 1 else slice(begin, end, stride))
    return x[tuple(index)]


_SCHEMES = {1: "reflect", 2: "reflect", 3: "replicate"}


def _pad(x: Tensor, params: Mapping[str, Any]) -> Tensor:
    pads = params["pad_amount"]
    if params["scheme"] == 0:
        return padded_with(x, pads, params.get("pad_constant_value", 0.0))
    for axis, (before, after) in enumerate(pads):
        size = x.shape[axis]
        places = torch.arange(-before, size + after)
        if params["scheme"] == 1:  # mirror with the edge repeated
            places = torch.where(places < 0, -1 - places, places)
            places = torch.where(places >= size, 2 * size - 1 - places, places)
        elif params["scheme"] == 2:
            places = torch.where(places < 0, -places, places)
            places = torch.where(places >= size, 2 * size - 2 - places, places)
        x = x.index_select(axis, places.clamp(0, size - 1))
    return x


def _gather(inputs: Inputs, case: CaseSpec) -> tuple[Tensor, ...]:
    x, index = given(inputs, 0), given(inputs, 1).long()
    axis = case.values["axis"]
    found = x.index_select(axis, index.reshape(-1))
    return (found.reshape(*x.shape[:axis], *index.shape, *x.shape[axis + 1 :]),)


def _gather_nd(inputs: Inputs, case: CaseSpec) -> tuple[Tensor, ...]:
    x, index = given(inputs, 0), given(inputs, 1).long()
    if case.values.get("batch_dims", 0):
        return (torch.stack([x[b][tuple(index[b].movedim(-1, 0))] for b in range(x.shape[0])]),)
    return (x[tuple(index.movedim(-1, 0))],)


def _gather_elements(inputs: Inputs, case: CaseSpec) -> tuple[Tensor, ...]:
    return (given(inputs, 0).gather(case.values["axis"], given(inputs, 1).long()),)


_REDUCTIONS = {1: "sum", 2: "prod"}


def _scatter_elements(inputs: Inputs, case: CaseSpec) -> tuple[Tensor, ...]:
    x, index, update = given(inputs, 0), given(inputs, 1).long(), given(inputs, 2)
    axis, reduction = case.values["axis"], _REDUCTIONS.get(case.values.get("reduction", 0))
    if reduction is None:
        return (x.scatter(axis, index, update),)
    return (x.scatter_reduce(axis, index, update, reduction),)


def _scatter_nd(inputs: Inputs, case: CaseSpec) -> tuple[Tensor, ...]:
    x, index, update = given(inputs, 0), given(inputs, 1).long(), given(inputs, 2)
    places, adds = tuple(index.movedim(-1, 0)), case.values.get("reduction", 0) == 1
    return (x.index_put(places, update, accumulate=adds),)


def _concat(inputs: Inputs, case: CaseSpec) -> tuple[Tensor, ...]:
    return (torch.cat([given(inputs, index) for index in range(len(inputs))], case.values["axis"]),)


def _pack(inputs: Inputs, case: CaseSpec) -> tuple[Tensor, ...]:
    return (torch.stack([given(inputs, index) for index in range(len(inputs))], case.values["axis"]),)


def _unpack(inputs: Inputs, case: CaseSpec) -> tuple[Tensor, ...]:
    return given(inputs, 0).unbind(case.values["axis"])


def _split(inputs: Inputs, case: CaseSpec) -> tuple[Tensor, ...]:
    return given(inputs, 0).tensor_split([int(at) for at in case.values["split_index"]], case.values["axis"])


def _depth_to_space(x: Tensor, params: Mapping[str, Any]) -> Tensor:
    b, h, w, c = x.shape
    r = params["block_size"][0]
    if params.get("mode", 0) == 1:  # CRD, as PyTorch
        return channels_last(functional.pixel_shuffle(channels_first(x), r))
    return x.reshape(b, h, w, r, r, c // r // r).permute(0, 1, 3, 2, 4, 5).reshape(b, h * r, w * r, c // r // r)


def _space_to_depth(x: Tensor, params: Mapping[str, Any]) -> Tensor:
    b, h, w, c = x.shape
    r = params["block_size"][0]
    if params.get("mode", 0) == 1:
        return channels_last(functional.pixel_unshuffle(channels_first(x), r))
    return x.reshape(b, h // r, r, w // r, r, c).permute(0, 1, 3, 2, 4, 5).reshape(b, h // r, w // r, c * r * r)


def _shuffle(x: Tensor, params: Mapping[str, Any]) -> Tensor:
    assert params["axis"] == x.dim() - 1
    return channels_last(functional.channel_shuffle(channels_first(x).contiguous(), params["num_groups"]))


MOVES: Mapping[str, Computation] = MappingProxyType(
    {
        "ChannelShuffle": of_first(_shuffle),
        "Concat": _concat,
        "DepthToSpace": of_first(_depth_to_space),
        "ExpandDims": _reshaped,
        "Gather": _gather,
        "GatherElements": _gather_elements,
        "GatherNd": _gather_nd,
        "Pack": _pack,
        "Pad": of_first(_pad),
        "Reshape": _reshaped,
        "ScatterElements": _scatter_elements,
        "ScatterNd": _scatter_nd,
        "SpaceToDepth": of_first(_space_to_depth),
        "Split": _split,
        "Squeeze": _reshaped,
        "StridedSlice": of_first(_slice),
        "UnPack": _unpack,
    }
)
"""By the name of the operator's table."""
