"""Genuine files, and ways to change what is in them."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.export import Dim

MODEL = "models/model.json"
WEIGHTS = "data/weights/model_weights_config.json"
CONSTANTS = "data/constants/model_constants_config.json"
SAMPLES = "data/sample_inputs/model.pt"


class Net(nn.Module):
    """With a weight, a constant, a state, a size that varies, a region and outputs in a dict."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 3)
        self.register_buffer("cache", torch.zeros(1, 3))
        self.constant = torch.ones(3)
        self.cache: torch.Tensor

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        with torch.no_grad():
            y = self.linear(x) + self.constant
        self.cache.add_(1.0)
        return {"y": y * (x.shape[0] // 2), "z": torch.nn.functional.pad(y + self.cache, (0, 1))}


def archive() -> bytes:
    """The bytes of a ``.pt2``."""
    batch = Dim("batch", min=4, max=64)
    program = torch.export.export(Net().eval(), (torch.randn(6, 4),), dynamic_shapes=({0: batch},))
    stream = io.BytesIO()
    torch.export.save(program, stream)
    return stream.getvalue()


def members(archive: bytes) -> dict[str, bytes]:
    """What is in an archive, by names without its root."""
    with zipfile.ZipFile(io.BytesIO(archive)) as zipped:
        return {name.partition("/")[2]: zipped.read(name) for name in zipped.namelist()}


def zipped(content: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    """An archive of them."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as made:
        for name, data in content.items():
            made.writestr(f"m/{name}", data)
    return stream.getvalue()


def edited(archive: bytes, name: str, change: Callable[[Any], Any]) -> bytes:
    """With the JSON called ``name`` changed."""
    content = members(archive)
    parsed = json.loads(content[name])
    change(parsed)
    content[name] = json.dumps(parsed).encode()
    return zipped(content)


class Marker:
    """Unpickling one leaves a file behind: the sign that code was run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))
