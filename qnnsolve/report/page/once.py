"""A table of a page's document: each thing once, by its number."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TypeVar

__all__ = ["Once"]

T = TypeVar("T", bound=Hashable)


class Once(dict[T, int]):
    """Things by number, in the order in which they were met."""

    def of(self, thing: T) -> int:
        """Its number; a new one where it was not met before."""
        return self.setdefault(thing, len(self))
