"""A relation as the solver uses it: rows of encoding indices, filtered by bitmasks, each outcome remembered.

One :class:`Joint` serves every constraint of its signature, so a filter that was once computed for a table of
one layer is a dictionary look-up for all the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["Joint", "Row", "bits_of"]

Row = tuple[int, ...]
Masks = tuple[int, ...]

_UNSEEN: Masks = (-1,)


def bits_of(mask: int) -> list[int]:
    """Indices of the set bits, ascending."""
    found = []
    while mask:
        low = mask & -mask
        found.append(low.bit_length() - 1)
        mask ^= low
    return found


class Joint:
    """Rows that may stand together over ``arity`` distinct variables, at the cheapest price each."""

    __slots__ = ("_columns", "_filters", "_support", "arity", "dearest", "prices", "rows")

    def __init__(self, priced: Iterable[tuple[Row, int]], arity: int) -> None:
        cheapest: dict[Row, int] = {}
        for row, price in priced:
            cheapest[row] = min(price, cheapest.get(row, price))
        self.arity = arity
        self.rows = tuple(sorted(cheapest))
        self.prices = tuple(cheapest[row] for row in self.rows)
        self.dearest = max(self.prices, default=0)
        self._support: list[dict[int, int]] = [{} for _ in range(arity)]
        for index, row in enumerate(self.rows):
            for column, value in enumerate(row):
                support = self._support[column]
                support[1 << value] = support.get(1 << value, 0) | 1 << index
        self._columns: list[dict[int, int]] = [{} for _ in range(arity)]
        self._filters: dict[Masks, Masks | None] = {}

    def _alive(self, masks: Masks) -> int:
        alive = (1 << len(self.rows)) - 1
        for known, support, mask in zip(self._columns, self._support, masks, strict=True):
            rows = known.get(mask)
            if rows is None:
                rows = 0
                for bit, having in support.items():
                    if bit & mask:
                        rows |= having
                known[mask] = rows
            alive &= rows
        return alive

    def filter(self, masks: Masks) -> Masks | None:
        """The values that some row still supports, per variable; ``None`` when that removes nothing."""
        known = self._filters.get(masks, _UNSEEN)
        if known is not _UNSEEN:
            return known
        alive = self._alive(masks)
        kept = []
        for support, mask in zip(self._support, masks, strict=True):
            keep = 0
            for bit, having in support.items():
                if bit & mask and having & alive:
                    keep |= bit
            kept.append(keep)
        outcome = tuple(kept)
        self._filters[masks] = None if outcome == masks else outcome
        return self._filters[masks]

    def left(self, masks: Masks, axes: Sequence[int]) -> tuple[list[Row], list[int]]:
        """The rows that ``masks`` leave, as places in the masks of ``axes``, and prices; other masks have one value."""
        places = [{value: place for place, value in enumerate(bits_of(masks[axis]))} for axis in axes]
        alive = bits_of(self._alive(masks))
        rows = [tuple([at[self.rows[i][axis]] for at, axis in zip(places, axes, strict=True)]) for i in alive]
        return rows, [self.prices[index] for index in alive]
