"""The tiny Llama: its text, its tokens, its training, and what ``llama.py`` takes of it (files in one folder)."""

from __future__ import annotations

import json
import math
import pydoc_data.topics
from pathlib import Path
from typing import Any

import sentencepiece
import torch

PARAMS = {
    "dim": 64,
    "n_layers": 3,
    "n_heads": 4,
    "n_kv_heads": 2,
    "vocab_size": 512,
    "hidden_dim": 192,
    "norm_eps": 1e-5,
}
CONTEXT, PREFILL = 64, 16
"""Tokens that the model remembers, and those that one prefill takes."""
BATCH, RATE = 16, 3e-3


def text() -> str:
    """465,000 characters of English about Python: what ``help()`` prints for each topic."""
    return "\n".join(pydoc_data.topics.topics.values())


def tokens_of(folder: Path) -> Any:
    """The tokenizer that :func:`train` has left in ``folder``."""
    return sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokens.model"))


def model(cached: bool = False) -> Any:
    """ExecuTorch's static Llama, untrained, over a whole context at once."""
    from executorch.examples.qualcomm.oss_scripts.llama.model.static_llama import LlamaModel, ModelArgs

    arguments = ModelArgs(**PARAMS)
    arguments.max_seq_len = arguments.max_context_len = CONTEXT
    arguments.use_kv_cache, arguments.kv_io_bit_width = cached, 32
    return LlamaModel(arguments, ar_len=CONTEXT, output_cache=False)


def causal() -> torch.Tensor:
    """The mask of a whole context: ``(1, 1, to, from)``."""
    return torch.full((CONTEXT, CONTEXT), -255.0).triu(1)[None, None]


def train(folder: Path, steps: int) -> float:
    """Train, and write checkpoint, parameters, tokenizer and calibration samples; the last loss (nats per token)."""
    words = text()
    (folder / "text.txt").write_text(words)
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "text.txt"),
        model_prefix=str(folder / "tokens"),
        vocab_size=PARAMS["vocab_size"],
        model_type="bpe",
        byte_fallback=True,
        minloglevel=2,
        num_threads=1,
    )
    ids = torch.tensor(tokens_of(folder).encode(words))
    torch.manual_seed(0)
    net = model()
    optimizer = torch.optim.AdamW(net.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, step / 50) * (0.5 + 0.5 * math.cos(math.pi * step / steps))
    )
    for _ in range(steps):
        starts = torch.randint(len(ids) - CONTEXT - 1, (BATCH,)).tolist()
        batch = torch.stack([ids[start : start + CONTEXT + 1] for start in starts])
        logits = net(batch[:, :-1].int(), causal())
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    torch.save(net.state_dict(), folder / "model.pt")
    (folder / "params.json").write_text(json.dumps(PARAMS))
    samples = [
        {"messages": [{"role": "user", "content": words[at : at + 400]}]}
        for at in range(0, len(words), len(words) // 8)
    ]
    (folder / "calibration.json").write_text(json.dumps(samples))
    return float(loss)
