"""Rows of an operator's table as a reader wants them: fewer, sorted, and their archs in short."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs

from qnnsolve.facts.table_types import CODES
from qnnsolve.sources import Source

__all__ = ["RowView", "archs_text", "folded", "in_order", "one_each"]


@attrs.frozen
class RowView:
    """Port codes that stand together (several per port where folded), the archs, and what is asked besides."""

    codes: tuple[tuple[str, ...], ...]
    archs: tuple[str, ...]
    asks: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()


def one_each(codes: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """``codes``, one per port, as :attr:`RowView.codes`."""
    return tuple((code,) for code in codes)


def archs_text(archs: Sequence[str], known: Sequence[str]) -> str:
    """Archs in short, ``known`` being all: ``V68 to V81``, ``V73 and later``, ``V69 and earlier``, ``V69 V75``."""
    held = tuple(archs)
    if held == tuple(known) and len(known) > 1:
        return f"{known[0]} to {known[-1]}"
    if len(held) > 1 and held == tuple(known[-len(held) :]):
        return f"{held[0]} and later"
    if len(held) > 1 and held == tuple(known[: len(held)]):
        return f"{held[-1]} and earlier"
    return " ".join(held)


def folded(rows: Iterable[RowView]) -> tuple[RowView, ...]:
    """The same rows, fewer: those that differ at one port only become one with several codes there."""
    current = list(rows)
    for port in reversed(range(len(current[0].codes) if current else 0)):
        groups: dict[tuple[object, ...], list[RowView]] = {}
        for row in current:
            rest = (*row.codes[:port], *row.codes[port + 1 :])
            groups.setdefault((rest, row.archs, row.asks, row.sources), []).append(row)
        current = [_joined_at(port, group) for group in groups.values()]
    return in_order(current)


def _joined_at(port: int, group: Sequence[RowView]) -> RowView:
    codes = sorted({code for row in group for code in row.codes[port]}, key=_code_order)
    first = group[0]
    return attrs.evolve(first, codes=(*first.codes[:port], tuple(codes), *first.codes[port + 1 :]))


def _code_order(code: str) -> tuple[int, str]:
    return (CODES.index(code) if code in CODES else len(CODES), code)


def in_order(rows: Iterable[RowView]) -> tuple[RowView, ...]:
    """``rows`` by their codes, in the order of :data:`~qnnsolve.facts.table_types.CODES`."""

    def key(row: RowView) -> tuple[object, ...]:
        return [[_code_order(code) for code in codes] for codes in row.codes], row.archs, row.asks

    return tuple(sorted(rows, key=key))
