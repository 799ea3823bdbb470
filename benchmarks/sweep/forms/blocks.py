"""Building blocks of public networks, of a few ops each, with shapes as they have them."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.sweep.form import Form, Tensor, call, layer

__all__ = ["forms"]

_IMAGE = (1, 16, 14, 14)
_TOKENS = (1, 16, 32)
_QUERIES = (1, 2, 16, 8)


def forms() -> Iterator[Form]:
    """All of this family."""
    yield from _convolutional()
    yield from _attention()


def _gated(x: torch.Tensor) -> torch.Tensor:
    return x * F.hardsigmoid(x.mean((2, 3), keepdim=True))


def _response(x: torch.Tensor, gain: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """ConvNeXt V2's global response normalization, channels last."""
    length: torch.Tensor = torch.linalg.vector_norm(x, dim=(1, 2), keepdim=True)
    return x + gain * (x * (length / (length.mean(-1, keepdim=True) + 1e-6))) + bias


def _group_norm(x: torch.Tensor) -> torch.Tensor:
    grouped = x.float().reshape(x.shape[0], 4, -1)
    mean, variance = grouped.mean(-1, keepdim=True), grouped.var(-1, keepdim=True, unbiased=False)
    normed: torch.Tensor = (grouped - mean) * torch.rsqrt(variance + 1e-5)
    return normed.reshape(x.shape)


def _convolutional() -> Iterator[Form]:
    yield layer(
        "block PNet",
        lambda: nn.Sequential(
            nn.Conv2d(3, 10, 3), nn.PReLU(10), nn.MaxPool2d(2, 2, ceil_mode=True), nn.Conv2d(10, 16, 3), nn.PReLU(16),
            nn.Conv2d(16, 2, 1), nn.Softmax(1),
        ),
        (1, 3, 24, 24),
    )  # fmt: skip
    yield call("block squeeze and excite, hard", lambda x: _gated(F.hardswish(x)), _IMAGE)
    yield call("block response normalization", _response, (1, 14, 14, 16), constants=(Tensor((16,)), Tensor((16,))))
    yield call("block group norm by hand", _group_norm, _IMAGE)
    yield layer(
        "block pixel shuffle up-sampler",
        lambda: nn.Sequential(nn.Conv2d(16, 48, 3, padding=1), nn.PixelShuffle(4), nn.Sigmoid()),
        _IMAGE,
    )
    yield call(
        "block blur pool",
        lambda x: F.conv2d(F.pad(x, (1, 1, 1, 1), "reflect"), torch.ones(16, 1, 3, 3) / 9, stride=2, groups=16),
        _IMAGE,
    )
    yield call(
        "block layer scale", lambda x, g: x + g.view(1, -1, 1, 1) * F.gelu(x), _IMAGE, constants=(Tensor((16,)),)
    )
    yield call("block channel norm", lambda x: F.layer_norm(x.permute(0, 2, 3, 1), (16,)).permute(0, 3, 1, 2), _IMAGE)
    yield call(
        "block focus",
        lambda x: torch.cat([x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2]], 1),
        _IMAGE,
    )
    yield call(
        "block spatial pyramid",
        lambda x: torch.cat([x, *(F.max_pool2d(x, k, 1, k // 2) for k in (5, 9, 13))], 1),
        _IMAGE,
    )
    yield call(
        "block displaced sampling",
        lambda x, d: F.grid_sample(
            x,
            (
                torch.stack(torch.meshgrid(torch.linspace(-1, 1, 14), torch.linspace(-1, 1, 14), indexing="xy"), -1)
                + 0.1 * d.tanh()
            ),
            align_corners=True,
        ),
        _IMAGE,
        (1, 14, 14, 2),
    )
    yield call(
        "block coordinates",
        lambda x: torch.cat([x, torch.linspace(-1, 1, 14).view(1, 1, 1, 14).expand(1, 1, 14, 14)], 1),
        _IMAGE,
    )
    yield call(
        "block soft argmax",
        lambda x: ((x * 5).flatten(2).softmax(-1).view(1, 16, 14, 14).sum(2) * torch.arange(14.0)).sum(-1),
        _IMAGE,
    )
    yield layer("block spectral norm", lambda: nn.utils.parametrizations.spectral_norm(nn.Conv2d(16, 8, 3)), _IMAGE)
    yield layer(
        "block weight norm", lambda: nn.utils.parametrizations.weight_norm(nn.Conv1d(16, 24, 3, dilation=2)), _TOKENS
    )


def _linear_attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """EfficientViT's, with ReLU."""
    q, k = F.relu(q), F.relu(k)
    v = F.pad(v, (0, 1), value=1.0)
    out = q @ (k.transpose(-1, -2) @ v)
    return out[..., :-1] / (out[..., -1:] + 1e-5)


def _angles(size: int, width: int) -> torch.Tensor:
    return torch.outer(torch.arange(float(size)), 10000.0 ** -(torch.arange(0, width, 2) / width))


def _halves(x: torch.Tensor) -> torch.Tensor:
    angles = torch.cat([_angles(16, 8)] * 2, -1)
    first, second = x.chunk(2, -1)
    return x * angles.cos() + torch.cat([-second, first], -1) * angles.sin()


def _pairs(x: torch.Tensor) -> torch.Tensor:
    angles = _angles(16, 8)
    even, odd = x[..., ::2], x[..., 1::2]
    turned = (even * angles.cos() - odd * angles.sin(), even * angles.sin() + odd * angles.cos())
    return torch.stack(turned, -1).flatten(-2)


def _relative(q: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """SAM's decomposed relative positions, added to scores of 4 x 4 places."""
    places = torch.arange(4)[:, None] - torch.arange(4)[None] + 3
    split = q.reshape(2, 4, 4, 8)
    high = torch.einsum("bhwc,hkc->bhwk", split, rows[places])
    wide = torch.einsum("bhwc,wkc->bhwk", split, columns[places])
    scores = (q @ q.transpose(-1, -2)).view(2, 4, 4, 4, 4) / math.sqrt(8)
    return (scores + high[..., :, None] + wide[..., None, :]).view(2, 16, 16).softmax(-1)


class _Cached(nn.Module):
    """Keys that are written in place at a position, and read with a mask."""

    keys: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("keys", torch.zeros(1, 2, 16, 8))

    def forward(self, q: torch.Tensor, k: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
        self.keys[:, :, at] = k
        later = torch.arange(16)[None] > at[:, None]
        return ((q @ self.keys.transpose(-1, -2)) / math.sqrt(8)).masked_fill(later, float("-inf")).softmax(-1)


class _Decoder(nn.Module):
    """DETR's decoder layer, with learned queries."""

    def __init__(self) -> None:
        super().__init__()
        self.queries = nn.Embedding(5, 32)
        self.layer = nn.TransformerDecoderLayer(32, 4, 64, batch_first=True)
        self.boxes = nn.Linear(32, 4)

    def forward(self, memory: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        found = self.layer(self.queries.weight[None], memory)
        return found, self.boxes(found).sigmoid()


def _attention() -> Iterator[Form]:
    yield call("block linear attention", _linear_attention, _QUERIES, _QUERIES, _QUERIES)
    yield call("block rotary halves", _halves, _QUERIES)
    yield call("block rotary pairs", _pairs, _QUERIES)
    yield call("block relative positions", _relative, (2, 16, 8), constants=(Tensor((7, 8)), Tensor((7, 8))))
    yield layer("block cache in place", _Cached, (1, 2, 1, 8), (1, 2, 1, 8), Tensor((1,), "index", below=16))
    yield layer("block DETR decoder", _Decoder, (1, 12, 32))
    for value in (float("-inf"), -1e9, -65504.0):
        yield call(
            f"block causal mask {value:g}",
            lambda q, value=value: (q @ q.mT + torch.full((16, 16), value).triu(1)).softmax(-1) @ q, _QUERIES,
        )  # fmt: skip
    yield call(
        "block grouped queries",
        lambda q, k: F.scaled_dot_product_attention(
            q, k.repeat_interleave(2, 1), k.repeat_interleave(2, 1), is_causal=True
        ),
        (1, 4, 16, 8),
        _QUERIES,
    )
    yield call(
        "block ALiBi",
        lambda q: (q @ q.mT - 0.5 * (torch.arange(16)[:, None] - torch.arange(16)[None]).abs()).softmax(-1),
        _QUERIES,
    )
    yield call("block gated", lambda x: x[..., :16] * F.silu(x[..., 16:]), _TOKENS)
    yield call("block pooler", lambda x, w: torch.tanh(F.linear(x, w)), (16, 32), constants=(Tensor((8, 32)),))
    yield call(
        "block windows",
        lambda x: x.view(1, 2, 7, 2, 7, 16).permute(0, 1, 3, 2, 4, 5).reshape(4, 49, 16).softmax(-1),
        (1, 14, 14, 16),
    )
