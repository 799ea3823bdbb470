"""Which samples the emulator runs: different ones, the example first, then spread over the calibration samples."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeAlias

__all__ = ["VERIFIED_SAMPLES", "chosen"]

VERIFIED_SAMPLES = 2
"""The example inputs and one calibration sample: the emulator takes up to a minute for a transformer."""

Sample: TypeAlias = "tuple[object, ...]"


def chosen(examples: Sample, calibration: Sequence[Sample], number: int = VERIFIED_SAMPLES) -> list[Sample]:
    """At most ``number`` samples that differ in their values, in the order in which they are given.

    The example inputs are the first. The others are spread evenly over the calibration samples, the last included; one
    that equals an earlier one counts once.
    """
    by_value: dict[bytes, Sample] = {}
    for sample in (examples, *calibration):
        by_value.setdefault(_digest(sample), sample)
    different = list(by_value.values())
    if number >= len(different):
        return different
    if number == 1:
        return different[:1]
    gap = (len(different) - 1) / (number - 1)
    return [different[round(index * gap)] for index in range(number)]


def _digest(sample: Sample) -> bytes:
    """Of the values, their types and shapes: equal for samples that are equal bit by bit."""
    import torch
    from torch.utils import _pytree as pytree

    leaves, structure = pytree.tree_flatten(sample)
    digest = hashlib.sha256(str(structure).encode())
    for leaf in leaves:
        if isinstance(leaf, torch.Tensor):
            digest.update(f"{leaf.dtype} {tuple(leaf.shape)}".encode())
            digest.update(leaf.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
        else:
            digest.update(f"{type(leaf)} {leaf!r}".encode())
    return digest.digest()
