"""Five architectures with random weights, to try qnnsolve on: no download, the same bytes every time.

Each function returns ``(module, example_inputs, calibration_inputs)``, which is what the command line takes::

    qnnsolve export examples.models:vit -o vit.pte        # in the project's folder
    qnnsolve export models:vit -o vit.pte                 # in this folder

The configs are those of the published checkpoints, except for depth: ViT has 6 layers, BERT and Whisper's
encoder 4. Random weights show placement, legality and numerical agreement; they say nothing about accuracy.
Batch norms get their statistics from random pixels: with the initial ones the activations of an untrained
network fade to nothing, and a constant output hides every error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import nn

__all__ = ["bert", "mobilenet_v2", "resnet18", "vit", "whisper"]

Inputs: TypeAlias = tuple[torch.Tensor, ...]
Example: TypeAlias = tuple[nn.Module, Inputs, list[Inputs]]

CALIBRATION_SAMPLES = 4
SEED = 0
BATCH = 8
HEAD = 64
"""Width of an attention head."""


class ImageClassifier(nn.Module):
    """Pixels ``[batch, channel, height, width]`` to logits ``[batch, label]``."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(pixel_values=pixels).logits
        return logits


class TextEncoder(nn.Module):
    """Token ids and attention mask, both ``[batch, token]``, to hidden states ``[batch, token, hidden]``."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        hidden: torch.Tensor = self.model(input_ids=ids, attention_mask=mask).last_hidden_state
        return hidden


class AudioEncoder(nn.Module):
    """Log-mel features ``[batch, mel, frame]`` to hidden states ``[batch, frame / 2, hidden]``."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        hidden: torch.Tensor = self.model(features).last_hidden_state
        return hidden


def resnet18() -> Example:
    """ResNet-18 at 224 x 224."""
    from transformers import ResNetConfig, ResNetForImageClassification

    config = ResNetConfig(
        embedding_size=64,
        hidden_sizes=[64, 128, 256, 512],
        depths=[2, 2, 2, 2],
        layer_type="basic",
        num_labels=1000,
    )
    return _example(lambda: ImageClassifier(ResNetForImageClassification(config)), _pixels)


def mobilenet_v2() -> Example:
    """MobileNetV2 1.0 at 224 x 224."""
    from transformers import MobileNetV2Config, MobileNetV2ForImageClassification

    config = MobileNetV2Config(num_labels=1000)
    return _example(lambda: ImageClassifier(MobileNetV2ForImageClassification(config)), _pixels)


def vit(width: int = 768) -> Example:
    """ViT-Base/16 at 224 x 224, six of its twelve layers (``width`` 192: ViT-Tiny)."""
    from transformers import ViTConfig, ViTForImageClassification

    config = ViTConfig(
        num_hidden_layers=6,
        num_labels=1000,
        hidden_size=width,
        num_attention_heads=width // HEAD,
        intermediate_size=4 * width,
    )
    return _example(lambda: ImageClassifier(ViTForImageClassification(config)), _pixels)


def bert(width: int = 768) -> Example:
    """BERT-Base over 128 tokens, four of its twelve layers (``width`` 256: BERT-Mini)."""
    from transformers import BertConfig, BertModel

    config = BertConfig(
        num_hidden_layers=4,
        hidden_size=width,
        num_attention_heads=width // HEAD,
        intermediate_size=4 * width,
    )

    def inputs() -> Inputs:
        return torch.randint(0, config.vocab_size, (1, 128)), torch.ones(1, 128, dtype=torch.int64)

    return _example(lambda: TextEncoder(BertModel(config)), inputs)


def whisper(width: int = 384) -> Example:
    """The encoder of Whisper-Tiny's shape, four layers, over ten seconds (1000 frames)."""
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    config = WhisperConfig(
        encoder_layers=4,
        max_source_positions=500,
        d_model=width,
        encoder_attention_heads=width // HEAD,
        encoder_ffn_dim=4 * width,
    )
    return _example(lambda: AudioEncoder(WhisperEncoder(config)), lambda: (torch.randn(1, 80, 1000),))


def _pixels() -> Inputs:
    return (torch.randn(1, 3, 224, 224),)


def _example(build: Callable[[], nn.Module], inputs: Callable[[], Inputs]) -> Example:
    """Build under a fixed seed, and leave the caller's random state as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        module = build()
        _settle_batch_norms(module, inputs)
        return module.eval(), inputs(), [inputs() for _ in range(CALIBRATION_SAMPLES)]


def _settle_batch_norms(module: nn.Module, inputs: Callable[[], Inputs]) -> None:
    norms = [layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = None  # a plain average over the passes, from which the initial values are gone
        norm.reset_running_stats()
    with torch.no_grad():
        module.train()(torch.cat([inputs()[0] for _ in range(BATCH)]))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
