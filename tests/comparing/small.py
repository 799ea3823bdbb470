"""The architectures of ResNet, ViT and MiniLM in the smallest sizes, with random weights and two samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import attrs
import torch
from torch import nn

from qnnsolve.host.quiet import quiet
from qnnsolve.host.stages import Stages
from qnnsolve.models.tracing import exported
from qnnsolve.pipeline.steps import Conversion, conversion
from qnnsolve.quantizer import SolveQuantizer

__all__ = ["MODELS", "Small", "converted", "minilm", "resnet", "small", "vit"]

Samples: TypeAlias = list[tuple[Any, ...]]


class _First(nn.Module):
    """The first of what a model of transformers returns."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        first: torch.Tensor = self.model(*inputs, return_dict=False)[0]
        return first


def resnet() -> tuple[nn.Module, Samples]:
    """Two stages of basic blocks over 32 x 32 pixels."""
    from transformers import ResNetConfig, ResNetForImageClassification

    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", num_labels=10)
    model = _First(ResNetForImageClassification(config))
    with torch.no_grad():
        model.train()(torch.randn(8, 3, 32, 32))
    return model.eval(), [(torch.randn(1, 3, 32, 32),) for _ in range(2)]


def vit() -> tuple[nn.Module, Samples]:
    """Two layers of width 32 over sixteen patches."""
    from transformers import ViTConfig, ViTForImageClassification

    config = ViTConfig(
        num_hidden_layers=2,
        num_labels=10,
        hidden_size=32,
        num_attention_heads=2,
        intermediate_size=64,
        image_size=32,
        patch_size=8,
    )
    return _First(ViTForImageClassification(config)).eval(), [(torch.randn(1, 3, 32, 32),) for _ in range(2)]


def minilm() -> tuple[nn.Module, Samples]:
    """MiniLM is BERT, narrower: two layers of width 32 over sixteen tokens."""
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=100, num_hidden_layers=2, hidden_size=32, num_attention_heads=2, intermediate_size=64
    )
    ones = torch.ones(1, 16, dtype=torch.int64)
    return _First(BertModel(config)).eval(), [(torch.randint(0, 100, (1, 16)), ones) for _ in range(2)]


MODELS: dict[str, Callable[[], tuple[nn.Module, Samples]]] = {"resnet": resnet, "vit": vit, "minilm": minilm}


@attrs.frozen(eq=False)
class Small:
    """A model, its samples, and what ``qnnsolve export`` converts it to."""

    model: nn.Module
    samples: Samples
    both: Conversion


def small(name: str, precision: str = "8a8w") -> Small:
    """One of :data:`MODELS`, converted for SM8750."""
    with torch.random.fork_rng(devices=[]), quiet():
        torch.manual_seed(0)
        return converted(*MODELS[name](), precision)


def converted(model: nn.Module, samples: Samples, precision: str = "8a8w") -> Small:
    """``model``, converted for SM8750."""
    with quiet():
        quantizer = SolveQuantizer("htp", "SM8750", precision=precision)
        return Small(model, samples, conversion(exported(model, samples[0]), samples, quantizer, Stages(None)))
