"""The exported program on the emulator, token by token, against the float and the converted model: :func:`play`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import torch
from torch.nn.functional import cross_entropy

from benchmarks.static_llama.exporting import CONVERTED, PROGRAM
from benchmarks.static_llama.model import CONTEXT, PARAMS, PREFILL, causal, model, text, tokens_of

LAYERS, HEADS = PARAMS["n_layers"], PARAMS["n_kv_heads"]
WIDTH = PARAMS["dim"] // PARAMS["n_heads"]
ZERO, ATTENDED = 128, 65535
"""A cache starts at its zero point; a mask, in 16 bits without a sign, is at its top where something counts."""


@attrs.frozen
class Played:
    """Over all tokens: SQNR in dB, the share of tokens of which the likeliest next one is the same, nats per token."""

    prefill_db: float
    decode_db: float
    converted_db: float
    emulator_vs_converted_db: float
    same_next: float
    float_nats: float
    emulator_nats: float


@attrs.define
class _Program:
    """The two methods of a ``.pte``, and the caches between them."""

    prefill: Any
    decode: Any
    scale: float
    zero_point: int

    def logits(self, ids: torch.Tensor) -> torch.Tensor:
        """Of each token but the last: ``(tokens, vocabulary)``; the first ones prefilled, the others one by one."""
        seen = torch.zeros(1, 1, PREFILL, CONTEXT, dtype=torch.bool)
        seen[..., -PREFILL:] = torch.ones(PREFILL, PREFILL).tril().bool()
        at = torch.arange(PREFILL)[None].int()
        first, new = self._run(self.prefill, ids[None, :PREFILL], seen, at, _caches(CONTEXT - PREFILL))
        found, caches = [first], _caches(CONTEXT - 1)
        _keep(caches, new, slice(0, PREFILL))
        for position in range(PREFILL, CONTEXT - 1):
            seen = torch.zeros(1, 1, 1, CONTEXT, dtype=torch.bool)
            seen[..., :position] = seen[..., -1] = True
            token = ids[None, position : position + 1]
            logits, new = self._run(self.decode, token, seen, torch.tensor([[position]]).int(), caches)
            found.append(logits)
            _keep(caches, new, slice(position, position + 1))
        return torch.cat(found)

    def _run(self, method: Any, ids: torch.Tensor, seen: torch.Tensor, at: torch.Tensor, caches: Any) -> Any:
        mask = (seen.int() * ATTENDED).to(torch.uint16)
        logits, *new = method.execute([ids.int(), mask, at, *caches])
        steps = logits.clone().view(torch.int16).int() & ATTENDED
        return (steps - self.zero_point).mul(self.scale)[0], [each.clone() for each in new]


def _caches(length: int) -> list[torch.Tensor]:
    """Of the keys ``(1, heads, width, length)`` of each layer, then of the values ``(1, heads, length, width)``."""
    shapes = [(1, HEADS, WIDTH, length)] * LAYERS + [(1, HEADS, length, WIDTH)] * LAYERS
    return [torch.full(shape, ZERO, dtype=torch.uint8) for shape in shapes]


def _keep(caches: list[torch.Tensor], new: list[torch.Tensor], where: slice) -> None:
    for index, (cache, value) in enumerate(zip(caches, new, strict=True)):
        if index < LAYERS:
            cache[..., where] = value
        else:
            cache[:, :, where] = value


def play(folder: Path, out: Path, texts: int) -> Played:
    """Read ``texts`` pieces of the text, each as long as the context."""
    from executorch.runtime import Runtime

    program = Runtime.get().load_program(out / PROGRAM)
    scale, zero_point = (program.load_method(f"get_logits_{what}").execute([])[0] for what in ("scale", "zero_point"))
    methods = program.load_method("prefill_forward"), program.load_method("kv_forward")
    running = _Program(*methods, float(scale), int(zero_point))
    net = model().eval()
    net.load_state_dict(torch.load(folder / "model.pt"))
    converted = torch.export.load(out / CONVERTED).module()
    words, tokens = text(), tokens_of(folder)
    wanted, got, between, after = [], [], [], []
    for start in range(texts):
        at = 20000 + start * len(words) // (texts + 1)
        ids = torch.tensor([1, *tokens.encode(words[at : at + 400])][:CONTEXT])
        with torch.no_grad():
            wanted.append(net(ids[None].int(), causal())[0, :-1])
            empty = [each.float() for each in _caches(0)]
            every = torch.arange(CONTEXT)[None].int()
            between.append(converted(ids[None].int(), causal(), every, *empty)[0][0, :-1])
        got.append(running.logits(ids))
        after.append(ids[1:])
    return _judged(*map(torch.stack, (wanted, got, between, after)))


def _judged(wanted: torch.Tensor, got: torch.Tensor, between: torch.Tensor, after: torch.Tensor) -> Played:
    return Played(
        prefill_db=_sqnr(wanted[:, :PREFILL], got[:, :PREFILL]),
        decode_db=_sqnr(wanted[:, PREFILL:], got[:, PREFILL:]),
        converted_db=_sqnr(wanted, between),
        emulator_vs_converted_db=_sqnr(between, got),
        same_next=float((wanted.argmax(-1) == got.argmax(-1)).float().mean()),
        float_nats=float(cross_entropy(wanted.flatten(0, 1), after.flatten())),
        emulator_nats=float(cross_entropy(got.flatten(0, 1), after.flatten())),
    )


def _sqnr(wanted: torch.Tensor, got: torch.Tensor) -> float:
    return round(float(10 * torch.log10(wanted.square().sum() / (wanted - got).square().sum())), 2)
