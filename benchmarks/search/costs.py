"""Bit operations of configs that lie outside a search's space: rivals' own, and such as are not legal yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qnnsolve.constraints import Site
from qnnsolve.solver import Solution

Products = Sequence[tuple[tuple[Site, Site], int]]
"""See :func:`qnnsolve.search.costs.products`."""
FLOAT_BITS = 32


def bit_operations(products: Products, solution: Solution) -> int:
    """Multiplications, each times the bits of both its operands (float: 32)."""
    return sum(count * _bits(solution, first) * _bits(solution, second) for (first, second), count in products)


def estimated(products: Products, bits: Mapping[str, int], weight: int = 8) -> int:
    """The same where each node yields a tensor of so many bits, before anything is made legal."""
    return sum(
        count * bits.get(first.node, weight) * bits.get(second.node, weight) for (first, second), count in products
    )


def _bits(solution: Solution, site: Site) -> int:
    encoding = solution.encodings[site]
    return encoding.bits if encoding.quantized else FLOAT_BITS
