"""Problems of the shape that rules make from real graphs, for any number of ops.

Chains of conv / linear / elementwise / matmul blocks with residual adds and reshape runs: every op ties its edges
and output by a shared relation, every producer-to-user edge may convert, and one row per op means the CPU.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

from qnnsolve.constraints import Constraint, Convertible, Derived, Forbid, Prefer, Problem, Relation, Same, Site, Table
from qnnsolve.encodings import FLOAT, FP16, INT32, DType, Encoding
from qnnsolve.reasons import Reason

__all__ = ["synthetic"]

U8, U16 = Encoding.affine(DType.UINT8), Encoding.affine(DType.UINT16)
S8, S16 = Encoding.symmetric(DType.INT8, 8), Encoding.symmetric(DType.INT16, 16)
S4 = Encoding.symmetric(DType.INT8, 4)
W8, W4 = Encoding.symmetric(DType.INT8, 8, 0), Encoding.symmetric(DType.INT8, 4, 0)
BLOCK = Encoding.symmetric(DType.INT8, 4, 0, (1, 32))
BIAS = Encoding.symmetric(DType.INT32, 32)

ACTIVATION = (U8, U16, S8, S16, FP16, FLOAT)
NARROW = (U8, U16, FLOAT)
WEIGHT = (W8, W4, S8, S4, BLOCK, U8, FP16, FLOAT)
BIASES = (BIAS, INT32, FP16, FLOAT)
QUANTIZED = (U8, U16, S8, S16)
CPU = 2**30
CONVERT = 100
PAIRS = frozenset(itertools.permutations(QUANTIZED, 2))


def _relation(rows: Sequence[tuple[Encoding, ...]], width: int) -> Relation:
    """These rows for nothing, all fp16 at a price, all float at a huge one."""
    every: list[tuple[tuple[Encoding, ...], int]] = [(row, 0) for row in dict.fromkeys(rows)]
    every += [((FP16,) * width, 5000), ((FLOAT,) * width, CPU)]
    return Relation(tuple(row for row, _ in every), tuple(price for _, price in every))


WEIGHTED = _relation([(a, w, o) for a in (U8, U16) for w in (W8, W4, S8, S4, BLOCK) for o in (U8, U16)], 3)
MATMUL = _relation([(a, b, o) for a in QUANTIZED for b in (U8, S8, S16) for o in (U8, U16) if (a, b) != (U8, S16)], 3)
MATMUL_V68 = _relation([(U8, b, o) for b in (U8, S8) for o in (U8, U16)] + [(U16, U8, U16), (U16, S8, U16)], 3)
BINARY = _relation([(a, a, a) for a in QUANTIZED], 3)
UNARY = _relation([(a, a) for a in QUANTIZED] + [(U16, U8), (U8, U16)], 2)
BIAS_OF = Relation(
    (*((a, w, BIAS) for a in (U8, U16) for w in (W8, W4, S8, S4, BLOCK)), (FP16,) * 3, (FLOAT,) * 3), (0,) * 12
)
OP, CONVERSION, RESHAPE, REQUEST, BIAS_RULE, GATE = (
    Reason.in_words(f"QB00{number}", text)
    for number, text in enumerate(
        (
            "the operator takes these rows",
            "an edge may requantize",
            "a reshape keeps its encoding",
            "the recipe asks for it",
            "a bias has the scale of its product",
            "not on this chip",
        ),
        1,
    )
)


class _Builder:
    def __init__(self, seed: int) -> None:
        self.domains: dict[Site, tuple[Encoding, ...]] = {}
        self.constraints: list[Constraint] = []
        self.draw = random.Random(seed)
        self.ops = 0

    def node(self, kind: str, domain: tuple[Encoding, ...], wanted: Encoding | None) -> Site:
        site = Site(f"{kind}_{self.ops:06d}")
        self.ops += 1
        self.domains[site] = domain
        if wanted is not None:
            self.constraints.append(
                Prefer(site, tuple((e, 10 * abs(e.bits - wanted.bits) + 7) for e in domain if e != wanted), REQUEST)
            )
        return site

    def edge(self, source: Site, user: Site) -> Site:
        site = Site(source.node, user.node)
        if site not in self.domains:
            self.domains[site] = self.domains[source]
            self.constraints.append(Convertible(source, site, PAIRS, CONVERT, CONVERSION))
        return site

    def op(self, kind: str, relation: Relation, inputs: list[Site], wanted: Encoding | None = None) -> Site:
        output = self.node(kind, ACTIVATION, wanted)
        edges = [self.edge(source, output) for source in inputs]
        self.constraints.append(Table((*edges, output), relation, OP))
        return output

    def weighted(self, kind: str, source: Site) -> Site:
        """A conv or linear with weight and bias."""
        wide = self.draw.random() < 0.1
        wanted = U16 if wide else U8
        weight = self.node(f"{kind}_weight", WEIGHT, self.draw.choice((W8, W8, W8, W4, BLOCK)))
        bias = self.node(f"{kind}_bias", BIASES, None)
        self.ops -= 2  # parameters are no ops
        weight, bias = self._renamed(weight, kind, "w"), self._renamed(bias, kind, "b")
        output = self.op(kind, WEIGHTED, [source, weight], wanted)
        edges = (self.edge(source, output), self.edge(weight, output))
        self.constraints.append(Derived(self.edge(bias, output), edges, BIAS_OF, BIAS_RULE))
        return output

    def _renamed(self, site: Site, kind: str, suffix: str) -> Site:
        """The parameter under a name of its own: it shares the number of its op."""
        fresh = Site(f"{kind}_{self.ops:06d}_{suffix}")
        self.domains[fresh] = self.domains.pop(site)
        for at in range(len(self.constraints) - 1, max(-1, len(self.constraints) - 3), -1):
            constraint = self.constraints[at]
            if isinstance(constraint, Prefer) and constraint.site == site:
                self.constraints[at] = Prefer(fresh, constraint.costs, constraint.reason)
        return fresh

    def reshapes(self, source: Site, count: int) -> Site:
        for _ in range(count):
            output = self.node("reshape", ACTIVATION, None)
            self.constraints.append(Same((self.edge(source, output), output), RESHAPE))
            source = output
        return source

    def attention(self, source: Site) -> Site:
        """Two matmuls between linears; on one in ten the chip lacks the row that the request leads to."""
        query, key, value = (self.weighted("linear", source) for _ in range(3))
        old = self.draw.random() < 0.1
        if old:
            self.constraints.append(Prefer(key, tuple((e, 10**6) for e in ACTIVATION if e != U16), REQUEST))
        scores = self.op("matmul", MATMUL_V68 if old else MATMUL, [self.reshapes(query, 2), key], U16)
        weights = self.op("softmax", UNARY, [scores], U16)
        if self.draw.random() < 0.05:
            self.constraints.append(Forbid(weights, frozenset((U8, S8)), GATE))
        return self.reshapes(self.op("matmul", MATMUL, [weights, value], U8), 2)


def synthetic(ops: int, seed: int = 0) -> Problem:
    """A satisfiable problem of at least ``ops`` ops (weights and biases not counted); same arguments, same problem."""
    build = _Builder(seed)
    stream = build.node("input", NARROW, U8)
    while build.ops < ops:
        before = stream
        if build.draw.random() < 0.4:
            stream = build.attention(stream)
        for _ in range(build.draw.randint(1, 3)):
            stream = build.weighted(build.draw.choice(("conv", "linear")), stream)
            stream = build.op("relu", UNARY, [stream])
        if build.draw.random() < 0.5:
            stream = build.reshapes(stream, build.draw.randint(1, 3))
        stream = build.op("add", BINARY, [stream, before])
    return Problem(build.domains, tuple(build.constraints))
