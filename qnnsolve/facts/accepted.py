"""What one operator accepts on one arch, after every source has had its say: :class:`Accepted`, row by row.

Positions count the ports of the operator's table: its inputs in QNN's order, then its outputs.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TypeVar

import attrs

from qnnsolve.encodings import Encoding
from qnnsolve.sources import Source, joined

__all__ = ["Accepted", "AcceptedRow", "FixedAt"]

Codes = tuple[str, ...]
T = TypeVar("T")
_NONE: Mapping[int, Encoding] = MappingProxyType({})


@attrs.frozen(cache_hash=True, order=True)
class FixedAt:
    """At ``position`` the tensor has this scale (real units per step) and zero point (torch's sign)."""

    position: int
    scale: float
    zero_point: int


@attrs.frozen(cache_hash=True)
class AcceptedRow:
    """What an operator demands of its ports' encodings beyond their port codes, for one tuple of codes, and every
    source.

    ``symmetric``: positions whose zero point is the middle of the range. ``same``: positions that carry one encoding.
    ``axis``: positions with the channel axes (torch's, from 0) that a per-channel or per-block tensor may have there.
    """

    symmetric: frozenset[int] = frozenset()
    same: frozenset[int] = frozenset()
    fixed: tuple[FixedAt, ...] = ()
    axis: tuple[tuple[int, frozenset[int]], ...] = ()
    sources: tuple[Source, ...] = ()

    def holds(self, encodings: Mapping[int, Encoding]) -> bool:
        """Whether ports with these encodings, by position, meet what the row asks of each of them alone."""
        return (
            all(position in encodings and _is_centred(encodings[position]) for position in self.symmetric)
            and all(_is_fixed(encodings.get(port.position), port) for port in self.fixed)
            and all(_along(encodings.get(position), axes) for position, axes in self.axis)
        )

    def narrowed(self, other: AcceptedRow) -> AcceptedRow | None:
        """A row with the demands and the sources of both; None where they contradict each other."""
        fixed = {port.position: port for port in self.fixed}
        for port in other.fixed:
            if _differs(fixed.setdefault(port.position, port), port):
                return None
        axis = dict(self.axis)
        for position, axes in other.axis:
            axis[position] = axis.get(position, axes) & axes
        return AcceptedRow(
            self.symmetric | other.symmetric,
            self.same | other.same,
            tuple(fixed[position] for position in sorted(fixed)),
            tuple(sorted(axis.items(), key=lambda entry: entry[0])),
            joined((*self.sources, *other.sources)),
        )

    def moved(self, places: Callable[[int], range]) -> AcceptedRow:
        """The row with each position replaced by those of ``places``."""
        return AcceptedRow(
            frozenset(to for at in self.symmetric for to in places(at)),
            frozenset(to for at in self.same for to in places(at)),
            tuple(FixedAt(to, fixed.scale, fixed.zero_point) for fixed in self.fixed for to in places(fixed.position)),
            tuple((to, axes) for at, axes in self.axis for to in places(at)),
            self.sources,
        )


def _is_centred(encoding: Encoding) -> bool:
    if encoding.qscheme.is_symmetric or encoding.quant_min is None or encoding.quant_max is None:
        return encoding.qscheme.is_symmetric
    return encoding.zero_point == (encoding.quant_min + encoding.quant_max + 1) // 2


def _is_fixed(encoding: Encoding | None, port: FixedAt) -> bool:
    return encoding is not None and (encoding.scale, encoding.zero_point) == (port.scale, port.zero_point)


def _along(encoding: Encoding | None, axes: frozenset[int]) -> bool:
    return encoding is None or encoding.ch_axis is None or encoding.ch_axis in axes


def _differs(one: FixedAt, other: FixedAt) -> bool:
    """Whether two scales differ. Sources write 1/256 with more or fewer digits: scales are equal if they are in
    float32."""
    return one.zero_point != other.zero_point or abs(one.scale - other.scale) > 1e-6 * abs(one.scale)


@attrs.frozen(eq=False)
class Accepted:
    """The code tuples (inputs, then all outputs) that an operator accepts, each with its row.

    ``repeats`` is the position of a port that may stand several times: it and all after it on its side are alike (the
    inputs of Concat, the outputs of Split). ``refused`` holds the tuples that one source accepts and another refuses,
    with those who refuse.
    """

    rows: Mapping[Codes, AcceptedRow]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    repeats: int | None = None
    refused: Mapping[Codes, tuple[Source, ...]] = attrs.field(factory=dict)
    known_from: tuple[Source, ...] = ()
    """Every source that was asked about the operator, whether or not a row came of it."""

    def admits(self, codes: Codes, encodings: Mapping[int, Encoding] = _NONE) -> bool:
        """Whether ports of these codes are accepted, with these encodings where they are known (by position).

        Each instance of a repeated port is looked up by itself.
        """
        return self.citing(codes, encodings) is not None

    def citing(self, codes: Codes, encodings: Mapping[int, Encoding] = _NONE) -> tuple[Source, ...] | None:
        """The sources that accept these codes and encodings; None where they are not accepted."""
        found: list[Source] = []
        for spelled, placed in self._instances(codes, encodings):
            row = self.rows.get(spelled)
            if row is None or not row.holds(placed):
                return None
            found += row.sources
        return joined(found) if found else None

    def refusing(self, codes: Codes) -> tuple[Source, ...]:
        """The sources that refuse these codes where another one accepts them."""
        return joined(s for spelled, _ in self._instances(codes, _NONE) for s in self.refused.get(spelled, ()))

    def places(self, position: int, inputs: int, outputs: int) -> range:
        """The positions of a node with so many inputs and outputs for which ``position`` of the table stands."""
        arity = len(self.inputs)
        output = position >= arity
        base, mine = (inputs, outputs) if output else (0, inputs)
        offset = position - arity if output else position
        if self.repeats is not None and self.repeats <= position and (self.repeats >= arity) == output:
            first = self.repeats - arity if output else self.repeats
            return range(base + first, base + mine)
        return range(base + offset, base + min(offset + 1, mine))

    @functools.cached_property
    def same(self) -> tuple[frozenset[int], tuple[Source, ...]]:
        """Positions that carry one encoding in some row, and the sources. Tied in one row, they are tied in all."""
        asking = [row for row in self.rows.values() if row.same]
        positions: frozenset[int] = frozenset().union(*(row.same for row in asking))
        return positions, joined(source for row in asking for source in row.sources)

    def fixed_at(self, position: int) -> Iterator[tuple[str, FixedAt]]:
        """Each port code with a fixed encoding at ``position``, and that encoding, once."""
        pairs = ((codes[position], port) for codes, row in self.rows.items() for port in row.fixed)
        return iter(dict.fromkeys(pair for pair in pairs if pair[1].position == position))

    def free_at(self, position: int) -> frozenset[str]:
        """The port codes at ``position`` that some row accepts with any scale."""
        return frozenset(
            codes[position] for codes, row in self.rows.items() if all(port.position != position for port in row.fixed)
        )

    def _instances(
        self, codes: Codes, encodings: Mapping[int, Encoding]
    ) -> Iterator[tuple[Codes, Mapping[int, Encoding]]]:
        """The codes as rows spell them, with what is known of the ports by position."""
        for ports in self.instances([(code, encodings.get(at)) for at, code in enumerate(codes)]):
            yield tuple(code for code, _ in ports), {at: e for at, (_, e) in enumerate(ports) if e is not None}

    def instances(self, ports: Sequence[T]) -> Iterator[tuple[T, ...]]:
        """The ports of a node as one row has them: once per different instance of the repeated port."""
        if self.repeats is None:
            yield tuple(ports)
            return
        on_input = self.repeats < len(self.inputs)
        start = self.repeats
        end = len(ports) - len(self.outputs) if on_input else len(ports)
        width = len(self.inputs) + (0 if on_input else len(self.outputs)) - start
        for port in dict.fromkeys(ports[start:end]):
            yield (*ports[:start], *(port,) * width, *ports[end:])
