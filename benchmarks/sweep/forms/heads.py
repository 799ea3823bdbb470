"""Heads, front ends and what comes behind a network, of a few ops each."""

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


def forms() -> Iterator[Form]:
    """All of this family."""
    yield from _heads()
    yield from _audio()


class _Head(nn.Module):
    """YOLO's, with anchors and a grid as buffers, and what it returns as a dict."""

    anchors: torch.Tensor
    grid: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(16, 3 * 7, 1)
        self.register_buffer("anchors", torch.tensor([[1.0, 2.0], [2.0, 1.0], [3.0, 3.0]]).view(1, 3, 1, 1, 2))
        rows, columns = torch.meshgrid(torch.arange(14.0), torch.arange(14.0), indexing="ij")
        self.register_buffer("grid", torch.stack([columns, rows], -1).view(1, 1, 14, 14, 2))

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor | None]:
        made = self.conv(x).view(1, 3, 7, 14, 14).permute(0, 1, 3, 4, 2).sigmoid()
        center = (made[..., :2] * 2 - 0.5 + self.grid) * 8
        size = (made[..., 2:4] * 2) ** 2 * self.anchors
        return {
            "boxes": torch.cat([center, size], -1).view(1, -1, 4),
            "scores": made[..., 4:].reshape(1, -1, 3),
            "none": None,
        }


def _heads() -> Iterator[Form]:
    yield layer("block YOLO head", _Head, _IMAGE)
    yield call(
        "block distribution focal",
        lambda x: (x.view(1, 4, 16, 20).softmax(2) * torch.arange(16.0).view(1, 1, 16, 1)).sum(2),
        (1, 64, 20),
    )
    yield call(
        "block box corners",
        lambda x: torch.cat([x[..., :2] - x[..., 2:] / 2, x[..., :2] + x[..., 2:] / 2], -1).clamp(0, 1),
        Tensor((1, 20, 4), "positive"),
    )
    yield call("block best scores", lambda x: x.sigmoid().amax(-1).topk(5), (1, 20, 8))
    yield call("block median filter", lambda x: x.unfold(-1, 3, 1).median(-1).values, (4, 16))
    yield call("block quantile", lambda x: torch.quantile(x, 0.9, dim=-1), (4, 16))
    yield call("block quantiles", lambda x: torch.quantile(x, torch.tensor([0.1, 0.5, 0.9]), dim=-1), (4, 16))
    yield call("block cumulative", lambda x: x.softmax(-1).cumsum(-1), (4, 16))
    yield call("block nested outputs", lambda x: {"a": (x * 2, None), "b": [x.relu(), {"c": x.mean()}]}, _TOKENS)
    yield call("block peaks", lambda x: x * (x == F.max_pool2d(x, 3, 1, 1)), _IMAGE)
    yield call(
        "block gather by index",
        lambda x, i: x.gather(1, i[..., None].expand(-1, -1, 32)),
        _TOKENS,
        Tensor((1, 5), "index", below=16),
    )
    yield call(
        "block intersections",
        lambda a, b: (
            (torch.minimum(a[:, None, 2:], b[None, :, 2:]) - torch.maximum(a[:, None, :2], b[None, :, :2]))
            .clamp(min=0)
            .prod(-1)
        ),
        (6, 4),
        (5, 4),
    )


class _Voice(nn.Module):
    """Silero's kind: a spectrum by convolution, its magnitude, an encoder, a recurrent cell with its state."""

    basis: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        turns = torch.outer(torch.arange(17.0), torch.arange(32.0)) * (2 * math.pi / 32)
        self.register_buffer("basis", torch.cat([turns.cos(), -turns.sin()])[:, None] * torch.hann_window(32))
        self.encoder, self.cell, self.decoder = nn.Conv1d(17, 16, 3, padding=1), nn.LSTMCell(16, 16), nn.Linear(16, 1)

    def forward(self, wave: torch.Tensor, state: torch.Tensor, cell: torch.Tensor) -> tuple[torch.Tensor, ...]:
        parts = F.conv1d(F.pad(wave[:, None], (0, 16), "reflect"), self.basis, stride=16)
        loud = (parts[:, :17] ** 2 + parts[:, 17:] ** 2 + 1e-6).sqrt()
        state, cell = self.cell(self.encoder(loud).relu().mean(-1), (state, cell))
        return self.decoder(state.relu()).sigmoid(), state, cell


class _Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(20, 32)

    def forward(self, index: torch.Tensor) -> torch.Tensor:
        return F.linear(F.rms_norm(self.words(index), (32,)), self.words.weight)


def _audio() -> Iterator[Form]:
    yield layer("block voice detector", _Voice, (1, 96), (1, 16), (1, 16))
    yield layer(
        "block CREPE",
        lambda: nn.Sequential(
            nn.ZeroPad2d((0, 0, 15, 16)),
            nn.Conv2d(1, 8, (32, 1), (4, 1)),
            nn.ReLU(),
            nn.BatchNorm2d(8),
            nn.MaxPool2d((2, 1)),
        ),
        (1, 1, 64, 1),
    )
    yield layer(
        "block Conformer convolution",
        lambda: nn.Sequential(
            nn.Conv1d(32, 64, 1), nn.GLU(1), nn.Conv1d(32, 32, 15, padding=7, groups=32), nn.BatchNorm1d(32), nn.SiLU(),
            nn.Conv1d(32, 32, 1),
        ),
        (1, 32, 16),
    )  # fmt: skip
    yield layer(
        "block Whisper stem",
        lambda: nn.Sequential(nn.Conv1d(20, 32, 3, padding=1), nn.GELU(), nn.Conv1d(32, 32, 3, 2, 1), nn.GELU()),
        (1, 20, 32),
    )
    yield call("block gated dilated", lambda x: x.tanh() * x.sigmoid(), (1, 8, 16))
    yield call(
        "block log mel",
        lambda x, w: ((x.square() @ w.abs()).clamp(min=1e-4).log10() + 4) / 4,
        _TOKENS,
        constants=(Tensor((32, 8)),),
    )
    yield call("block root mean square", lambda x: x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt(), _TOKENS)
    yield layer("block tied weights", _Tied, Tensor((1, 6), "index", below=20))
    yield layer("block bidirectional GRU", lambda: nn.GRU(8, 8, bidirectional=True, batch_first=True), (1, 5, 8))
