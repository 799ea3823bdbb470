"""Tensors that a backward pass needs again, in bounded memory: :class:`Shelf`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import torch

from qnnsolve.host.leftovers import check_space, scratch_folder

__all__ = ["MEMORY", "Packed", "Shelf"]

MEMORY = 4 * 2**30
"""Bytes of activations that are held in memory; those beyond wait in files."""
_SMALL = 2**16
"""A tensor of fewer bytes is not worth a file."""

Packed: TypeAlias = "torch.Tensor | tuple[Path, torch.device]"


class Shelf:
    """Holds what autograd saves of one sample, the first ``memory`` bytes in memory and the rest in files.

    The weights are in memory anyway: they are held as they are, and do not count.
    """

    def __init__(self, model: torch.nn.Module, folder: Path, memory: int = MEMORY) -> None:
        values = (*model.parameters(), *model.buffers())
        self._weights = frozenset(value.untyped_storage().data_ptr() for value in values)
        self._folder, self._memory = folder, memory
        self._held = self._files = 0

    @classmethod
    @contextlib.contextmanager
    def open(cls, model: torch.nn.Module, memory: int = MEMORY) -> Iterator[Shelf]:
        """A shelf whose files go when it is closed."""
        with scratch_folder() as folder:
            yield cls(model, folder, memory)

    @contextlib.contextmanager
    def saving(self) -> Iterator[None]:
        """Inside, what autograd saves is put here; what an earlier sample put here is gone."""
        for file in self._folder.iterdir():
            file.unlink()
        self._held = 0
        with torch.autograd.graph.saved_tensors_hooks(self.put, self.take):
            yield

    def put(self, tensor: torch.Tensor) -> Packed:
        """Hold ``tensor``; :meth:`take` gives it back."""
        size = tensor.numel() * tensor.element_size()
        if tensor.untyped_storage().data_ptr() in self._weights or size < _SMALL:
            return tensor
        if self._held + size <= self._memory:
            self._held += size
            return tensor
        self._files += 1
        file = self._folder / f"{self._files}.pt"
        check_space(self._folder, size)
        torch.save(tensor.detach().clone(), file)
        return file, tensor.device

    def take(self, packed: Packed) -> torch.Tensor:
        """What :meth:`put` was given."""
        if isinstance(packed, torch.Tensor):
            return packed
        file, device = packed
        found: torch.Tensor = torch.load(file, map_location=device, weights_only=True)
        return found
