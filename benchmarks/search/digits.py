"""A small CNN and a small ViT for the 8x8 digits that scikit-learn brings, trained here in 20 s each."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

SEED = 0
EPOCHS = 20
TRAIN, CALIBRATION = 1200, 32
"""Images to train and to calibrate with, the first ones of a shuffle; what is left evaluates."""


class CNN(nn.Module):
    """Images ``[batch, 1, 8, 8]`` to logits ``[batch, 10]``: a separable step, a residual block, two layers behind."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU())
        self.depthwise = nn.Conv2d(16, 16, 3, padding=1, groups=16)
        self.pointwise = nn.Sequential(nn.Conv2d(16, 32, 1), nn.BatchNorm2d(32), nn.ReLU())
        self.inner = nn.Sequential(nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 32, 3, padding=1))
        self.act = nn.ReLU()
        self.pool = nn.AvgPool2d(2)
        self.head = nn.Sequential(nn.Linear(32 * 16, 64), nn.ReLU(), nn.Linear(64, 10))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """See the class."""
        x = self.pointwise(self.depthwise(self.stem(x)))
        x = x + self.act(self.inner(x))
        logits: torch.Tensor = self.head(self.pool(x).flatten(1))
        return logits


class Block(nn.Module):
    """Self-attention and two layers behind a norm each, over ``[batch, token, width]``."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.behind = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.feed = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def _split(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(x.shape[0], x.shape[1], self.heads, -1).transpose(1, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """See the class."""
        y = self.before(x)
        query, key, value = (self._split(each(y)) for each in (self.query, self.key, self.value))
        scores = torch.matmul(query, key.transpose(2, 3)) * (query.shape[-1] ** -0.5)
        mixed = torch.matmul(torch.softmax(scores, -1), value).transpose(1, 2).reshape(x.shape)
        x = x + self.out(mixed)
        made: torch.Tensor = x + self.feed(self.behind(x))
        return made


class ViT(nn.Module):
    """Images ``[batch, 1, 8, 8]`` to logits ``[batch, 10]``: 16 patches, three blocks of width 48."""

    def __init__(self, width: int = 48, depth: int = 3, heads: int = 4) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, width, 2, 2)
        self.position = nn.Parameter(torch.randn(1, 16, width) * 0.02)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """See the class."""
        x = self.patches(x).flatten(2).transpose(1, 2) + self.position
        for block in self.blocks:
            x = block(x)
        logits: torch.Tensor = self.head(self.norm(x).mean(1))
        return logits


def images() -> tuple[torch.Tensor, torch.Tensor]:
    """All 1,797 images ``[image, 1, 8, 8]`` from 0 to 1, and their labels, in an order of their own."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    order = torch.randperm(len(digits.target), generator=torch.Generator().manual_seed(SEED))
    pixels = torch.tensor(digits.images, dtype=torch.float32)[:, None] / 16
    return pixels[order], torch.tensor(digits.target)[order]


def trained(kind: type[nn.Module], folder: Path) -> nn.Module:
    """``kind``, trained, in evaluation mode; its weights are kept in ``folder``."""
    torch.manual_seed(SEED)
    model, path = kind(), folder / f"{kind.__name__}-{torch.__version__}.pt"
    if path.exists():
        model.load_state_dict(torch.load(path, weights_only=True))
        return model.eval()
    pixels, labels = (each[:TRAIN] for each in images())
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    steps = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, EPOCHS * -(-TRAIN // 64))
    for _ in range(EPOCHS):
        for batch in torch.split(torch.randperm(TRAIN), 64):
            loss = nn.functional.cross_entropy(model(pixels[batch]), labels[batch])
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            steps.step()
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), path)
    return model.eval()
