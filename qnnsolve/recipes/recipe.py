"""What a recipe says: :class:`Recipe`."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from qnnsolve.rules.wishes import Wish

__all__ = ["NO_RECIPE", "Recipe"]


@attrs.frozen
class Recipe:
    """Wishes, and the preset of which they are exceptions; None where a recipe names none.

    ``about`` says what it was saved from, and means nothing to a solve. ``paths`` are the files that it was read from.
    """

    wishes: tuple[Wish, ...] = ()
    precision: str | None = None
    block_size: int | None = None
    about: Mapping[str, str] = attrs.field(factory=dict)
    paths: tuple[str, ...] = ()

    def over(self, earlier: Recipe) -> Recipe:
        """Both; what this one says counts over ``earlier``."""
        return Recipe(
            (*earlier.wishes, *self.wishes),
            self.precision or earlier.precision,
            self.block_size or earlier.block_size,
            {**earlier.about, **self.about},
            (*earlier.paths, *self.paths),
        )


NO_RECIPE = Recipe()
