"""Softmaxes, attention and recurrent cells: dimensions, masks, scales, layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.sweep.form import Form, Tensor, call, layer, named

__all__ = ["forms"]


def _softmaxes() -> Iterator[Form]:
    for shape in ((8,), (3, 8), (2, 3, 8), (1, 2, 3, 8), (1, 2, 2, 3, 8)):
        for dim in range(len(shape)):
            yield call(f"softmax rank{len(shape)} dim{dim}", lambda x, dim=dim: x.softmax(dim), shape)
    for shape in ((3, 8), (2, 3, 8), (1, 2, 3, 8)):
        yield call(f"log_softmax rank{len(shape)}", lambda x: x.log_softmax(-1), shape)
    yield call("softmax of two", lambda x: x.softmax(-1), (1, 40, 2))
    yield call("softmax of two channels", lambda x: x.softmax(1), (1, 2, 6, 7))
    yield call("log_softmax channels", lambda x: x.log_softmax(1), (1, 4, 3, 8))
    yield call("softmin", lambda x: F.softmin(x, -1), (2, 3, 8))
    yield call("softmax scaled", lambda x: (x * 4).softmax(-1), (2, 3, 8))
    yield call("softmax of distances", lambda x, y: (-torch.cdist(x, y).square()).softmax(-1), (1, 5, 6), (1, 4, 6))
    yield call("softmax far below", lambda x: (x.square() * -100 - 200).softmax(-1), (2, 3, 8))


def _attention() -> Iterator[Form]:
    heads = (1, 2, 5, 8)
    yield call("attention", F.scaled_dot_product_attention, heads, heads, heads)
    yield call("attention cross", F.scaled_dot_product_attention, heads, (1, 2, 7, 8), (1, 2, 7, 8))
    yield call("attention rank3", F.scaled_dot_product_attention, (2, 5, 8), (2, 5, 8), (2, 5, 8))
    yield call(
        "attention scale", lambda q, k, v: F.scaled_dot_product_attention(q, k, v, scale=0.1), heads, heads, heads
    )
    yield call(
        "attention causal", lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True), heads, heads, heads
    )
    yield call(
        "attention grouped",
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, enable_gqa=True),
        (1, 4, 5, 8),
        heads,
        heads,
    )
    # Every row may look at itself, since a row without anything to look at is NaN.
    yield call(
        "attention mask",
        lambda q, k, v, m: F.scaled_dot_product_attention(q, k, v, attn_mask=m | torch.eye(5, dtype=torch.bool)),
        heads,
        heads,
        heads,
        Tensor((5, 5), "mask"),
    )
    yield call(
        "attention bias",
        lambda q, k, v, b: F.scaled_dot_product_attention(q, k, v, attn_mask=b),
        heads,
        heads,
        heads,
        (1, 2, 5, 5),
    )
    yield call(
        "attention constant mask",
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, attn_mask=torch.ones(5, 5).tril().log()),
        heads,
        heads,
        heads,
    )
    yield call(
        "attention masked_fill",
        lambda q, k, v: (q @ k.mT * 0.3).masked_fill(torch.ones(5, 5).triu(1).bool(), float("-inf")).softmax(-1) @ v,
        heads,
        heads,
        heads,
    )
    yield call(
        "attention masked -1e9",
        lambda q, k, v, m: ((q @ k.mT) * 0.3 + (1 - m.float()) * -1e9).softmax(-1) @ v,
        heads,
        heads,
        heads,
        Tensor((1, 1, 1, 5), "positive"),
    )

    class Heads(nn.Module):
        def __init__(self, weights: bool, batch_first: bool = True) -> None:
            super().__init__()
            self.weights = weights
            self.attention = nn.MultiheadAttention(16, 2, batch_first=batch_first)

        def forward(self, q: torch.Tensor, m: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, ...]:
            mixed, seen = self.attention(q, m, m, need_weights=self.weights)
            return (mixed, seen) if self.weights else mixed

    yield layer("multihead", lambda: Heads(False), (1, 5, 16), (1, 7, 16))
    yield layer("multihead weights", lambda: Heads(True), (1, 5, 16), (1, 7, 16))
    yield layer("multihead sequence first", lambda: Heads(False, False), (5, 1, 16), (7, 1, 16))
    for first in (True, False):
        yield layer(
            f"transformer encoder norm_first{first}",
            lambda first=first: nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, norm_first=first),
            (1, 5, 16),
        )
    yield layer(
        "transformer decoder", lambda: nn.TransformerDecoderLayer(16, 2, 32, batch_first=True), (1, 5, 16), (1, 7, 16)
    )


def _cells() -> Iterator[Form]:
    kinds: dict[str, Callable[..., nn.Module]] = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}
    for name, made in kinds.items():
        for arguments in ({}, {"bidirectional": True}, {"num_layers": 2}, {"bias": False}):
            yield layer(
                f"{name} {named(**arguments)}".strip(),
                lambda made=made, arguments=arguments: _Sequence(made(6, 5, batch_first=True, **arguments)),
                (1, 4, 6),
            )
    yield layer("rnn relu", lambda: _Sequence(nn.RNN(6, 5, nonlinearity="relu", batch_first=True)), (1, 4, 6))
    yield layer("lstm time first", lambda: _Sequence(nn.LSTM(6, 5)), (4, 2, 6))
    yield layer("lstm unbatched", lambda: _Sequence(nn.LSTM(6, 5)), (4, 6))
    yield layer("lstm projected", lambda: _Sequence(nn.LSTM(6, 5, proj_size=3, batch_first=True)), (1, 4, 6))
    yield layer("lstm_cell", lambda: nn.LSTMCell(6, 5), (2, 6))
    yield layer("gru_cell", lambda: nn.GRUCell(6, 5), (2, 6), (2, 5))
    yield layer("rnn_cell", lambda: nn.RNNCell(6, 5), (2, 6), (2, 5))


class _Sequence(nn.Module):
    """All outputs of a recurrent layer, and its last state, as plain tensors."""

    def __init__(self, cells: nn.Module) -> None:
        super().__init__()
        self.cells = cells

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        out, state = self.cells(x)
        return out, state[0] if isinstance(state, tuple) else state


def forms() -> Iterator[Form]:
    """Every form of softmaxes, attention and recurrent cells."""
    yield from _softmaxes()
    yield from _attention()
    yield from _cells()
