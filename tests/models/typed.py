"""What is typed for a model, and for its samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from qnnsolve.errors import UsageError
from qnnsolve.models.files import LoadedModel, load_model
from qnnsolve.models.locating import locate
from qnnsolve.models.samples import calibration_samples


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 3)

    def forward(self, pixels: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.linear(pixels) + ids
        return out


EXAMPLES = (torch.zeros(1, 4), torch.zeros(1, 3, dtype=torch.int64))


class Marker:
    """Unpickling one leaves a file behind: the sign that code was run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def net() -> LoadedModel:
    return LoadedModel("net.pt2", Net(), EXAMPLES, ("pixels", "ids"))


def load(text: str) -> LoadedModel:
    return load_model(locate(text, "model", (".pt2",)))


def samples(text: str, model: LoadedModel | None = None) -> tuple[tuple[Any, ...], ...]:
    return calibration_samples(model or net(), locate(text, "calibration", (".npz", ".pt")))


def one_line(error: pytest.ExceptionInfo[UsageError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text
