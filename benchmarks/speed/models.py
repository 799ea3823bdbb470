"""The large graphs that are measured, with random weights: each function returns a module and its example inputs."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

__all__ = ["BIG", "decoder"]

Example = tuple[nn.Module, tuple[torch.Tensor, ...]]
VOCABULARY = 2000


class _Norm(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.rms_norm(x, self.weight.shape, self.weight, 1e-6)


def _rotated(x: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
    """``x`` of shape ``[batch, head, token, width]``, each half turned against the other."""
    first, second = x.chunk(2, -1)
    return x * cosine + torch.cat([-second, first], -1) * sine


class _Layer(nn.Module):
    """Attention with fewer keys than queries, and a gated perceptron, each after a norm and beside a residual."""

    def __init__(self, width: int, heads: int, keys: int, hidden: int) -> None:
        super().__init__()
        self.heads, self.keys, self.each = heads, keys, width // heads

        def linear(wide: int, out: int) -> nn.Linear:
            return nn.Linear(wide, out, bias=False)

        self.query, self.out = linear(width, width), linear(width, width)
        self.key, self.value = linear(width, keys * self.each), linear(width, keys * self.each)
        self.gate, self.up, self.down = linear(width, hidden), linear(width, hidden), linear(hidden, width)
        self.before, self.between = _Norm(width), _Norm(width)

    def _split(self, x: torch.Tensor, heads: int) -> torch.Tensor:
        return x.view(1, x.shape[1], heads, self.each).transpose(1, 2)

    def forward(self, x: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        y = self.before(x)
        query = _rotated(self._split(self.query(y), self.heads), cosine, sine)
        key = _rotated(self._split(self.key(y), self.keys), cosine, sine)
        key = key.repeat_interleave(self.heads // self.keys, 1)
        value = self._split(self.value(y), self.keys).repeat_interleave(self.heads // self.keys, 1)
        scores = torch.softmax(query @ key.transpose(2, 3) * self.each**-0.5 + mask, -1)
        x = x + self.out((scores @ value).transpose(1, 2).reshape(x.shape))
        y = self.between(x)
        return x + self.down(nn.functional.silu(self.gate(y)) * self.up(y))


class _Decoder(nn.Module):
    def __init__(self, layers: int, width: int, heads: int, keys: int, hidden: int, vocabulary: int, tokens: int):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.layers = nn.ModuleList(_Layer(width, heads, keys, hidden) for _ in range(layers))
        self.norm, self.head = _Norm(width), nn.Linear(width, vocabulary, bias=False)
        each = width // heads
        turns = torch.outer(torch.arange(tokens).float(), 1e4 ** (-torch.arange(0, each, 2).float() / each))
        turns = torch.cat([turns, turns], -1)
        self.register_buffer("cosine", turns.cos())
        self.register_buffer("sine", turns.sin())
        later = torch.ones(tokens, tokens).triu(1).bool()
        self.register_buffer("mask", torch.zeros(tokens, tokens).masked_fill(later, -100.0))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.embed(ids)
        for layer in self.layers:
            x = layer(x, self.cosine, self.sine, self.mask)
        logits: torch.Tensor = self.head(self.norm(x))
        return logits


def decoder(
    layers: int,
    width: int = 128,
    *,
    heads: int = 8,
    keys: int = 4,
    hidden: int = 344,
    vocabulary: int = VOCABULARY,
    tokens: int = 64,
) -> Example:
    """A Llama-style decoder (RMS norms, rotary positions, grouped keys, SiLU gates) with a causal mask as a buffer."""
    torch.manual_seed(0)
    model = _Decoder(layers, width, heads, keys, hidden, vocabulary, tokens).eval()
    return model, (torch.zeros(1, tokens, dtype=torch.int64),)


def decoder48() -> Example:
    """48 layers: about 2,100 calls."""
    return decoder(48)


class _Classifier(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(pixels).logits
        return logits


def swin() -> Example:
    """24 blocks over windows of 7 by 7: about 1,900 calls."""
    from transformers import SwinConfig, SwinForImageClassification

    torch.manual_seed(0)
    config = SwinConfig(embed_dim=48, depths=[2, 2, 18, 2], num_heads=[3, 6, 12, 24], num_labels=100)
    return _Classifier(SwinForImageClassification(config)).eval(), (torch.zeros(1, 3, 224, 224),)


BIG: dict[str, Callable[[], Example]] = {"decoder48": decoder48, "swin": swin}
"""Those that are measured beside ExecuTorch's quantizer."""
