"""Blocks of real networks in two precisions: attention of many kinds, branches that meet, recurrent cells, experts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.boundaries.case import ROWS, Boundary, Named, case
from benchmarks.sweep.form import Tensor

__all__ = ["blocks"]

Layers = dict[str, Any]
"""What makes each layer, by name."""
_SEQUENCE, _IMAGE = (1, 6, 8), (1, 3, 8, 8)


class Block(nn.Module):
    """Layers by name, and a function of them (``block.name``) and of the inputs."""

    def __init__(self, function: Callable[..., Any], layers: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.function = function
        for name, each in layers.items():
            self.add_module(name, each)

    def forward(self, *inputs: torch.Tensor) -> Any:
        """The function."""
        return self.function(self, *inputs)


def blocks() -> Iterator[Boundary]:
    """All of them."""
    yield from _attentions()
    yield from _branches()
    yield from _images()
    yield from _cells()


def _case(
    family: str,
    name: str,
    pins: str,
    function: Callable[..., Any],
    *inputs: tuple[int, ...] | Tensor,
    precision: str = "8a8w",
    **layers: Callable[[], nn.Module],
) -> Boundary:
    def build() -> nn.Module:
        return Block(function, {key: make() for key, make in layers.items()})

    return case(family, name, build, pins, *inputs, precision=precision)


def _rows() -> nn.Module:
    return nn.Linear(8, 8)


def _heads(y: torch.Tensor, heads: int = 2) -> torch.Tensor:
    return y.view(1, -1, heads, y.shape[-1] // heads).transpose(1, 2)


def _many_heads(m: Any, x: torch.Tensor) -> torch.Tensor:
    query, key, value = _heads(m.query(x)), _heads(m.key(x)), _heads(m.value(x))
    mixed = m.soft(m.scores(query, key)) @ value
    out: torch.Tensor = m.out(mixed.transpose(1, 2).reshape(1, 6, 8))
    return out


def _grouped(m: Any, x: torch.Tensor) -> torch.Tensor:
    query, key = _heads(m.query(x), 4), _heads(m.key(x)).repeat_interleave(2, 1)
    out: torch.Tensor = m.soft(m.scores(query, key))
    return out


def _turned(y: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    low, high = y.chunk(2, -1)
    return y * cos + torch.cat((-high, low), -1) * sin


def _rotary(m: Any, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    out: torch.Tensor = m.scores(m.turn(m.query(x), cos, sin), m.turn_keys(m.key(x), cos, sin))
    return out


def _biased(m: Any, x: torch.Tensor) -> torch.Tensor:
    scores = m.add(m.scores(m.query(x), m.key(x)), m.bias.weight)
    out: torch.Tensor = m.soft(scores) @ m.value(x)
    return out


def _causal(m: Any, x: torch.Tensor) -> torch.Tensor:
    out: torch.Tensor = m.soft(m.hide(m.query(x) @ m.key(x).transpose(1, 2))) @ m.value(x)
    return out


def _hidden(scores: torch.Tensor) -> torch.Tensor:
    return scores.masked_fill(torch.ones(6, 6).triu(1) > 0, -20.0)


def _fused(m: Any, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    query, key, value = m.all(x).chunk(3, -1)
    return m.wide(query), m.narrow(key), value


def _attentions() -> Iterator[Boundary]:
    family = "attention"
    scores = lambda: Named(lambda q, k: q @ k.transpose(-1, -2) * 0.35)  # noqa: E731
    projected: Layers = {"query": _rows, "key": _rows, "value": _rows}
    soft: Layers = {"scores": scores, "soft": lambda: nn.Softmax(-1)}
    pins = "module:scores=16a8w module:soft=16a"
    yield _case(family, "heads, scores at 16", pins, _many_heads, _SEQUENCE, **projected, **soft, out=_rows)
    pins = "module:query=16a8w module:scores=16a8w module:soft=8a"
    keys: Layers = {"query": _rows, "key": lambda: nn.Linear(8, 4)}
    yield _case(family, "grouped queries at 16, keys at 8", pins, _grouped, _SEQUENCE, **keys, **soft)
    turns: Layers = {"turn": lambda: Named(_turned), "turn_keys": lambda: Named(_turned), "scores": scores}
    turned = (_SEQUENCE, Tensor((6, 8), "unit"), Tensor((6, 8), "unit"))
    pins = "module:turn=16a8w module:turn_keys=16a8w"
    yield _case(family, "rotary at 16 between 8", pins, _rotary, *turned, query=_rows, key=_rows, **turns)
    pins = "module:query=8a8w module:key=8a8w"
    yield _case(
        family, "rotary at 16 of one at 8", pins, _rotary, *turned, precision="16a8w", query=_rows, key=_rows, **turns
    )
    bias: Layers = {"bias": lambda: nn.Embedding(6, 6), "add": lambda: Named(torch.add)}
    yield _case(family, "bias at 16", "module:add=16a", _biased, _SEQUENCE, **projected, **soft, **bias)
    hide: Layers = {"hide": lambda: Named(_hidden), "soft": lambda: nn.Softmax(-1)}
    pins = "module:hide=16a module:soft=16a"
    yield _case(family, "causal mask at 16", pins, _causal, _SEQUENCE, **projected, **hide)
    pins = "module:soft=8a module:value=8a8w"
    yield _case(family, "causal, 8 behind 16", pins, _causal, _SEQUENCE, precision="16a8w", **projected, **hide)
    made: Layers = {"all": lambda: nn.Linear(8, 24), "wide": _rows, "narrow": _rows}
    yield _case(family, "one layer in three parts, two widths", "module:wide=16a8w", _fused, _SEQUENCE, **made)
    pins = "module:all=16a8w module:narrow=8a8w module:wide=16a8w"
    yield _case(family, "one layer at 16 in three parts, two widths", pins, _fused, _SEQUENCE, **made)


def _residual(m: Any, x: torch.Tensor) -> torch.Tensor:
    x = m.add(x, m.attend(x))
    x = m.add_more(x, m.down(m.act(m.up(m.norm(x)))))
    out: torch.Tensor = m.head(x)
    return out


def _experts(m: Any, x: torch.Tensor) -> torch.Tensor:
    shares = m.soft(m.router(x))
    made = torch.stack((m.first(x), m.second(x)), -1)
    out: torch.Tensor = m.mix(made, shares)
    return out


def _twice(m: Any, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return m.narrow(x, m.kernel.weight), m.wide(y, m.kernel.weight)


def _read_again(m: Any, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, ...]:
    left, right = m.left(x), m.right(y)
    return m.join(left, right), m.other(left), m.more(right), torch.relu(left)


def _picked(m: Any, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    out: torch.Tensor = m.last(m.pick(m.first(x), mask))
    return out


def _gathered(m: Any, x: torch.Tensor, at: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    table = m.first(x)
    return m.last(m.pick(table, at)), table


def _branches() -> Iterator[Boundary]:
    family = "branches"
    add, conv = (lambda: Named(torch.add)), (lambda: Named(lambda x, w: F.conv2d(x, w, padding=1)))
    stream: Layers = {"attend": _rows, "add": add, "norm": lambda: nn.LayerNorm(8), "up": lambda: nn.Linear(8, 16)}
    stream |= {"act": nn.GELU, "down": lambda: nn.Linear(16, 8), "add_more": add, "head": _rows}
    pins = "module:add=16a module:add_more=16a module:norm=16a8w"
    yield _case(family, "stream at 16, layers at 8", pins, _residual, _SEQUENCE, **stream)
    pins = "module:attend=8a8w module:up=16a4w module:down=16a4w module:head=8a8w"
    yield _case(family, "three widths of layers", pins, _residual, _SEQUENCE, precision="16a8w", **stream)
    experts: Layers = {
        "router": lambda: nn.Linear(8, 2),
        "soft": lambda: nn.Softmax(-1),
        "first": _rows,
        "second": _rows,
    }
    experts["mix"] = lambda: Named(lambda made, shares: (made * shares.unsqueeze(-2)).sum(-1))
    pins = "module:router=16a8w module:soft=16a module:second=16a4w"
    yield _case(family, "experts of two widths", pins, _experts, **experts)
    pins = "module:mix=16a module:soft=16a"
    yield _case(family, "experts mixed at 16", pins, _experts, **experts)
    kernel: Layers = {"kernel": lambda: nn.Conv2d(3, 4, 3), "narrow": conv, "wide": conv}
    pins = "module:narrow=8a8w module:wide=16a8w"
    yield _case(family, "one kernel, two widths", pins, _twice, _IMAGE, _IMAGE, **kernel)
    pins = "module:narrow=8a8w module:wide=16a4w"
    yield _case(family, "one kernel, two widths of weights", pins, _twice, _IMAGE, _IMAGE, **kernel)
    read: Layers = {"left": _rows, "right": _rows, "other": _rows, "more": _rows}
    read["join"] = lambda: Named(lambda a, b: torch.cat((a, b, a), 0))
    pins = "module:join=16a module:more=16a8w"
    yield _case(family, "cat at 16 of what three others read", pins, _read_again, ROWS, ROWS, **read)
    pins = "module:left=16a8w module:join=8a module:more=16a8w"
    yield _case(family, "cat at 8 of what three others read", pins, _read_again, ROWS, ROWS, **read)
    picked: Layers = {"first": _rows, "pick": lambda: Named(lambda y, m: torch.where(m, y, 0.25)), "last": _rows}
    pins = "module:first=8a8w module:pick=16a module:last=8a8w"
    yield _case(family, "where with a number at 16", pins, _picked, ROWS, Tensor(ROWS, "mask"), **picked)
    clipped = {**picked, "pick": lambda: Named(lambda y, m: torch.where(m, torch.full((4, 8), -3.0), y))}
    pins = "module:first=16a8w module:pick=8a module:last=16a8w"
    yield _case(family, "where with a constant at 8", pins, _picked, ROWS, Tensor(ROWS, "mask"), **clipped)
    gathered: Layers = {"first": _rows, "pick": lambda: Named(lambda y, at: y.gather(0, at)), "last": _rows}
    at = Tensor(ROWS, "index", below=4)
    pins = "module:pick=16a module:last=16a8w"
    yield _case(family, "gather at 16, its table returned", pins, _gathered, ROWS, at, **gathered)


def _gate(m: Any, x: torch.Tensor) -> torch.Tensor:
    made = m.conv(x)
    gate = torch.sigmoid(m.up(torch.relu(m.down(made.mean((2, 3), keepdim=True)))))
    out: torch.Tensor = m.scale(made, gate)
    return out


def _skips(m: Any, x: torch.Tensor) -> torch.Tensor:
    first = torch.relu(m.first(x))
    deep = torch.relu(m.deep(F.max_pool2d(first, 2)))
    out: torch.Tensor = m.last(torch.cat((first, F.interpolate(deep, scale_factor=2.0)), 1))
    return out


def _shuffled(m: Any, x: torch.Tensor) -> torch.Tensor:
    kept, changed = m.stem(x).chunk(2, 1)
    joined = torch.cat((kept, m.branch(changed)), 1)
    out: torch.Tensor = m.head(joined.view(1, 2, 4, 8, 8).transpose(1, 2).reshape(1, 8, 8, 8))
    return out


def _detected(m: Any, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    near = m.near(x)
    far = F.avg_pool2d(near, 2)
    boxes = [head(y).permute(0, 2, 3, 1).reshape(1, -1, 4) for head, y in ((m.box, near), (m.far_box, far))]
    kinds = [head(y).permute(0, 2, 3, 1).reshape(1, -1, 2) for head, y in ((m.kind, near), (m.far_kind, far))]
    return torch.cat(boxes, 1), torch.softmax(torch.cat(kinds, 1), -1)


def _images() -> Iterator[Boundary]:
    family = "image networks"
    stem, point = (lambda: nn.Conv2d(3, 8, 3, padding=1)), (lambda: nn.Conv2d(8, 8, 1))
    gate: Layers = {"conv": stem, "down": lambda: nn.Conv2d(8, 4, 1), "up": lambda: nn.Conv2d(4, 8, 1)}
    gate["scale"] = lambda: Named(torch.mul)
    pins = "module:down=16a8w module:up=16a8w"
    yield _case(family, "gate at 16 of channels at 8", pins, _gate, _IMAGE, **gate)
    yield _case(family, "scaled at 16", "module:scale=16a", _gate, _IMAGE, **gate)
    skips: Layers = {"first": stem, "deep": lambda: nn.Conv2d(8, 8, 3, padding=1), "last": lambda: nn.Conv2d(16, 4, 1)}
    yield _case(family, "encoder at 8, decoder at 16", "module:last=16a8w", _skips, _IMAGE, **skips)
    yield _case(family, "bottleneck at 16", "module:deep=16a8w", _skips, _IMAGE, **skips)
    half = lambda: nn.Sequential(nn.Conv2d(4, 4, 3, padding=1, groups=4), nn.BatchNorm2d(4), nn.ReLU())  # noqa: E731
    shuffled: Layers = {"stem": stem, "branch": half, "head": point}
    yield _case(family, "shuffled, a branch at 16", "module:branch=16a8w", _shuffled, _IMAGE, **shuffled)
    heads: Layers = {"near": stem, "box": lambda: nn.Conv2d(8, 8, 1), "far_box": lambda: nn.Conv2d(8, 8, 1)}
    heads |= {"kind": lambda: nn.Conv2d(8, 4, 1), "far_kind": lambda: nn.Conv2d(8, 4, 1)}
    pins = "module:box=16a8w module:far_box=16a8w"
    yield _case(family, "boxes at 16, kinds at 8", pins, _detected, _IMAGE, **heads)
    yield _case(family, "near boxes at 16, far at 8", "module:box=16a8w", _detected, _IMAGE, **heads)


def _cell(m: Any, x: torch.Tensor, h: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    now = m.cell(x, h)
    return m.head(now), now


def _layer(m: Any, x: torch.Tensor) -> torch.Tensor:
    out: torch.Tensor = m.head(m.layer(m.first(x))[0])
    return out


def _forgetting(m: Any, x: torch.Tensor, h: torch.Tensor, c: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    take, forget, give, new = (m.read(x) + m.keep(h)).chunk(4, -1)
    c = m.state(c, torch.sigmoid(forget), torch.sigmoid(take) * torch.tanh(new))
    return torch.sigmoid(give) * torch.tanh(c), c


def _cells() -> Iterator[Boundary]:
    family, head = "cells", (lambda: nn.Linear(8, 4))
    gru: Layers = {"cell": lambda: nn.GRUCell(8, 8), "head": head}
    yield _case(family, "GRU cell at 16, head at 8", "module:cell=16a8w", _cell, ROWS, ROWS, **gru)
    yield _case(family, "GRU cell at 8, head at 16", "module:head=16a8w", _cell, ROWS, ROWS, **gru)
    layer: Layers = {"first": _rows, "layer": lambda: nn.GRU(8, 8, batch_first=True), "head": head}
    yield _case(family, "GRU at 16 between 8", "module:layer=16a8w", _layer, (1, 3, 8), **layer)
    layer["layer"] = lambda: nn.LSTM(8, 8, batch_first=True)
    yield _case(family, "LSTM at 16 between 8", "module:layer=16a8w", _layer, (1, 3, 8), **layer)
    kept: Layers = {"read": lambda: nn.Linear(8, 32), "keep": lambda: nn.Linear(8, 32)}
    kept["state"] = lambda: Named(lambda c, forget, new: c * forget + new)
    yield _case(family, "memory at 16, gates at 8", "module:state=16a", _forgetting, ROWS, ROWS, ROWS, **kept)
