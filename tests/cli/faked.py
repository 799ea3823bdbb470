"""A command line whose pipeline is replaced, and the model that it names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

MODEL = """
import torch

def tiny():
    print("chatter of a model")
    return torch.nn.Linear(4, 2), (torch.zeros(1, 4),)

def tuple_of_one():
    return (torch.nn.Linear(4, 2),)

def raises():
    raise ValueError("no such checkpoint\\nmore")
"""
Fake = Callable[..., Any]


def never(*args: object, **kwargs: object) -> object:
    """A pipeline that must not be reached."""
    raise AssertionError("the pipeline must not be reached")


def raising(error: BaseException) -> Fake:
    """A pipeline that raises ``error``."""

    def answer(*args: object, **kwargs: object) -> object:
        raise error

    return answer


SOLVE = ("solve", "MODEL:tiny", "--soc", "sm8350", "--precision", "16a8w")
EXPORT = ("export", "MODEL:tiny", "--soc", "SM8350", "--precision", "16a8w", "--out", "vit.pte")
