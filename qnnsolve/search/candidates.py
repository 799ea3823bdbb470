"""What a search may choose from, as people type it: ``8a8w,16a8w``, and ``lm_head=16a8w`` for a place of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs

from qnnsolve.errors import UsageError
from qnnsolve.pipeline.arguments import CANDIDATES
from qnnsolve.rules.request import Granularity, Request, precision
from qnnsolve.rules.target import BLOCK_SIZE
from qnnsolve.rules.wish_text import parse_where
from qnnsolve.rules.wishes import What, Where, Wish

__all__ = ["Candidates"]


@attrs.frozen
class Candidates:
    """Presets that any node may have, and those of places that have their own.

    ``places`` are asked in turn, as wishes are: of two that find a node the later counts.
    """

    everywhere: tuple[str, ...]
    places: tuple[tuple[Where, tuple[str, ...], str], ...] = ()
    """Where, the presets there, and the user's words."""
    block_size: int = BLOCK_SIZE

    @classmethod
    def of(
        cls, texts: str | Sequence[str] = CANDIDATES, fixed: str | Sequence[str] = (), block_size: int | None = None
    ) -> Candidates:
        """Read ``8a8w,16a8w`` and ``WHERE=16a8w``, in any number and order; ``fixed`` are ``WHERE`` or
        ``WHERE=PRESET`` with one preset, which is the first candidate where none is named.

        Raises:
            UnknownNameError: a preset that does not exist; names the nearest.
            UsageError: no preset is left, one stands twice, or one computes in half precision, which cannot be mixed.
        """
        everywhere: list[str] = []
        places: list[tuple[Where, tuple[str, ...], str]] = []
        for text in _each(texts):
            where, equals, names = text.rpartition("=")
            words = f"candidates {text}"
            if equals:
                places.append((parse_where(where.strip(), words), _presets(names, words), words))
            else:
                everywhere += _presets(text, words)
        _refuse_twice(everywhere, f"candidates {','.join(everywhere)}")
        everywhere = everywhere or list(CANDIDATES)
        for text in _each(fixed):
            where, equals, name = text.rpartition("=")
            words = f"fixed {text}"
            here = _presets(name, words) if equals else (everywhere[0],)
            if len(here) > 1:
                raise UsageError(f"{words}: what is fixed has one preset, not {len(here)}")
            places.append((parse_where((where if equals else text).strip(), words), here, words))
        return cls(tuple(everywhere), tuple(places), BLOCK_SIZE if block_size is None else block_size)

    @property
    def names(self) -> tuple[str, ...]:
        """Every preset that some node may have, in the order in which they were given."""
        return tuple(dict.fromkeys((*self.everywhere, *(name for _, names, _ in self.places for name in names))))

    def request(self, name: str) -> Request:
        """What the preset ``name`` asks for."""
        return Request.of(precision(name), self.block_size)

    @property
    def requests(self) -> tuple[Request, ...]:
        """Of all presets."""
        return tuple(map(self.request, self.names))

    def uniform(self, name: str) -> tuple[Request, tuple[Wish, ...]]:
        """The config that is as near to ``name`` everywhere as the candidates allow: its request and its wishes.

        A node that may not have ``name`` has the first preset that it may have.
        """
        return self.request(name if name in self.everywhere else self.everywhere[0]), tuple(self._wishes(name))

    def _wishes(self, name: str) -> Iterator[Wish]:
        for where, names, words in self.places:
            request = self.request(name if name in names else names[0])
            blocks = request.granularity is Granularity.BLOCK
            what = What(
                activation=request.activation_bits,
                weight=request.weight_bits,
                granularity=request.granularity,
                block_size=request.block_size if blocks else None,
            )
            yield Wish(where, what, words)


def _presets(text: str, words: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise UsageError(f"{words}: names no preset; candidates are like 8a8w,16a8w or lm_head=16a8w")
    for name in names:
        if precision(name).fp16:
            raise UsageError(
                f"{words}: {name} computes in half precision, and an ExecuTorch program cannot mix it with "
                "quantized activations; leave it out"
            )
    _refuse_twice(names, words)
    return names


def _refuse_twice(names: Sequence[str], words: str) -> None:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"{words}: {twice} stands there twice")


def _each(texts: str | Sequence[str]) -> Sequence[str]:
    return (texts,) if isinstance(texts, str) else texts
