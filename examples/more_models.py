"""Five more architectures with random weights, harder for the quantizer than those of :mod:`examples.models`.

    qnnsolve export examples.more_models:swin -o swin.pte        # in the project's folder

Swin shifts windows (roll, window partitions, masks), the Llama-style decoder has rotary embeddings, RMS norms and
grouped-query attention, ConvNext has depthwise 7 x 7 convolutions and layer norms over channels, SegFormer resizes and
concatenates, MobileViT unfolds patches. Configs are the published ones of the smallest variant, made shallower.
"""

from __future__ import annotations

import torch
from torch import nn

from examples.models import Example, ImageClassifier, Inputs, _example, _pixels

__all__ = ["convnext", "llama", "mobilevit", "segformer", "swin"]

TOKENS = 64


class Decoder(nn.Module):
    """Token ids ``[batch, token]`` to the logits of each next token ``[batch, token, vocabulary]``; no cache."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(input_ids=ids, use_cache=False).logits
        return logits


def swin() -> Example:
    """Swin-Tiny at 224 x 224, two blocks in each of its four stages."""
    from transformers import SwinConfig, SwinForImageClassification

    config = SwinConfig(depths=[2, 2, 2, 2], num_labels=1000)
    return _example(lambda: ImageClassifier(SwinForImageClassification(config)), _pixels)


def llama() -> Example:
    """A Llama-style decoder over 64 tokens: three layers of width 512, eight heads over four key-value heads."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        hidden_size=512,
        intermediate_size=1376,
        num_hidden_layers=3,
        num_attention_heads=8,
        num_key_value_heads=4,
        head_dim=64,
        vocab_size=2048,
        max_position_embeddings=TOKENS,
    )

    def inputs() -> Inputs:
        return (torch.randint(0, config.vocab_size, (1, TOKENS)),)

    return _example(lambda: Decoder(LlamaForCausalLM(config)), inputs)


def convnext() -> Example:
    """ConvNext-Tiny at 224 x 224, one block in each of its four stages."""
    from transformers import ConvNextConfig, ConvNextForImageClassification

    config = ConvNextConfig(depths=[1, 1, 1, 1], layer_scale_init_value=1.0, num_labels=1000)
    return _example(lambda: ImageClassifier(ConvNextForImageClassification(config)), _pixels)


def segformer() -> Example:
    """SegFormer-B0 at 128 x 128, one block in each of its four stages, with the segmentation head."""
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    config = SegformerConfig(depths=[1, 1, 1, 1], num_labels=150)

    def inputs() -> Inputs:
        return (torch.randn(1, 3, 128, 128),)

    return _example(lambda: ImageClassifier(SegformerForSemanticSegmentation(config)), inputs)


def mobilevit() -> Example:
    """MobileViT-S at 128 x 128."""
    from transformers import MobileViTConfig, MobileViTForImageClassification

    config = MobileViTConfig(image_size=128, num_labels=1000)

    def inputs() -> Inputs:
        return (torch.randn(1, 3, 128, 128),)

    return _example(lambda: ImageClassifier(MobileViTForImageClassification(config)), inputs)
