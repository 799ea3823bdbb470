"""A small convolutional network with random weights, which a search goes through in seconds.

::

    qnnsolve search examples.small:cnn --soc SM8750 --candidates 8a8w,16a8w,16a4w    # in the project's folder
"""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["cnn"]


def cnn() -> tuple[nn.Module, tuple[torch.Tensor, ...], list[tuple[torch.Tensor, ...]]]:
    """Pixels ``[batch, channel, height, width]`` to ten logits; and eight samples."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(32, 32, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * 8 * 8, 10),
    )
    samples = [(torch.randn(1, 3, 32, 32),) for _ in range(8)]
    return network.eval(), samples[0], samples
