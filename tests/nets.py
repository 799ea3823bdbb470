"""Small networks that the real compiler takes in seconds."""

from __future__ import annotations

import torch
from torch import nn

IMAGE = (1, 3, 16, 16)


class ConvNet(nn.Module):
    """Convolution, normalization, pooling, a classifier; 8-bit steps stay visible but small."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.classify = nn.Linear(8, 4)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        hidden = torch.relu(self.norm(self.conv(pixels)))
        classes: torch.Tensor = self.classify(hidden.mean((2, 3)))
        return classes


class Attention(nn.Module):
    """Softmax between two products: what needs care with 16 bits before V73."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        scores = self.query(tokens) @ self.key(tokens).transpose(1, 2)
        mixed: torch.Tensor = torch.softmax(scores * 0.25, -1) @ self.value(tokens)
        return mixed


class TwoConvs(nn.Module):
    """One op between two convolutions, to be left on the CPU."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3)
        self.classify = nn.Linear(8, 4)

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        hidden = torch.softmax(self.first(pixels), 1)
        hidden = torch.relu(self.second(hidden)).mean((2, 3))
        classes = self.classify(hidden)
        return classes, hidden


def seeded(net: type[nn.Module]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return net().eval()


def images(count: int) -> list[tuple[torch.Tensor]]:
    generator = torch.Generator().manual_seed(1)
    return [(torch.randn(IMAGE, generator=generator),) for _ in range(count)]


class Masked(nn.Module):
    """Scores with a mask that is an input, 1 where a position counts."""

    def forward(self, tokens: torch.Tensor, keep: torch.Tensor) -> torch.Tensor:
        scores = tokens @ tokens.transpose(1, 2)
        mixed: torch.Tensor = torch.softmax(scores + (1.0 - keep[:, None, :]) * -1e4, -1) @ tokens
        return mixed
