"""What is said of one place, as a cost over what other places see of it: :class:`Template`, made once for each kind.

The variables that only this place names are eliminated in the template, so that what is left to solve has a factor or
two for each call of a network, and the work of a layer is done once for all layers like it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import attrs

from qnnsolve.constraints import Allow, Convertible, Prefer, Same
from qnnsolve.solver.clock import Clock
from qnnsolve.solver.joint import bits_of
from qnnsolve.solver.model import Kind, Model
from qnnsolve.solver.optimum.elimination import Elimination, Instance
from qnnsolve.solver.optimum.factors import Factors, Overflow
from qnnsolve.solver.optimum.ordering import inner_order
from qnnsolve.solver.optimum.parts import Compiled, Compiler

__all__ = ["Filled", "LocalKind", "Template", "Templates"]

_ENTRIES = 4096
"""A variable whose elimination needs a larger table is left to the whole."""

LocalKind = tuple[Kind, tuple[int, ...]]
"""What is said, and of which variables of the place, in the order of its sites."""


@attrs.frozen
class Filled:
    """A place whose every variable has a value: what is paid there, which variables take one encoding across an edge,
    and which edges (by their place among what is said) convert."""

    values: tuple[tuple[int, int], ...]
    """Of each variable that the template eliminated its place in its domain."""
    paid: tuple[tuple[tuple[str, str], int], ...]
    joined: tuple[tuple[int, int], ...]
    converts: tuple[tuple[int, int, int], ...]
    """Of each convert which of what is said allows it, and from which encoding to which."""
    only: bool
    """Whether nothing else would have been as cheap."""


@attrs.frozen(eq=False)
class Template:
    """A kind of place. ``factors`` are over its variables that have a choice, and over one more for each of ``stars``
    (its number of values), which stand after them; ``base`` is what it costs at least."""

    said: tuple[LocalKind, ...]
    masks: tuple[int, ...]
    base: int
    factors: tuple[Instance, ...]
    stars: tuple[int, ...]
    open: tuple[int, ...]
    """Its variables that are left to the whole."""
    _elimination: Elimination
    _moved: tuple[tuple[int, int], ...]
    """Stars that stay: what the elimination calls them, and where they stand here."""
    steps: int

    def filled(self, places: Sequence[int], model: Model) -> Filled:
        """With values for ``open``, then for the stars."""
        known = dict(zip((*self.open, *(inside for inside, _ in self._moved)), places, strict=True))
        values = dict(known)
        only = self._elimination.extend(values)
        chosen = [bits_of(mask)[values.get(v, 0)] for v, mask in enumerate(self.masks)]
        paid: dict[tuple[str, str], int] = {}
        joined, converts = [], []
        for number, (kind, at) in enumerate(self.said):
            price = 0
            ends = [chosen[v] for v in at]
            if kind.type is Convertible and ends[0] == ends[1]:
                if model.encodings[ends[0]].quantized:
                    joined.append((at[0], at[1]))
            elif kind.type is Convertible:
                price = kind.price
                converts.append((number, ends[0], ends[1]))
            elif kind.content is not None:
                price = kind.content.price_of[tuple(ends)] // model.unit
            elif kind.costs:
                price = kind.costs.get(ends[0], 0) // model.unit
            if price:
                key = (kind.type.__name__, kind.reason.rule)
                paid[key] = paid.get(key, 0) + price
        inner = tuple((v, place) for v, place in values.items() if v not in known and v < len(self.masks))
        return Filled(inner, tuple(paid.items()), tuple(joined), tuple(converts), only)


class Templates:
    """Makes templates whose factors are numbered together."""

    def __init__(self, model: Model, factors: Factors, clock: Clock) -> None:
        self._model, self._factors, self._clock = model, factors, clock
        self._compiler = Compiler(factors, free=False)

    def make(self, said: Iterable[LocalKind], masks: tuple[int, ...], inner: Collection[int]) -> Template | None:
        """Of a place with variables over ``masks``, of which no other place names ``inner``; None: nothing is possible.

        Raises:
            LimitReached: the time is over, or the tables take more memory than they may.
            Overflow: a cost is too large for int64.
        """
        said = tuple(said)
        sizes = dict(enumerate(mask.bit_count() for mask in masks))
        base, instances = 0, []
        for kind, at in said:
            if kind.type is Same or (kind.type is Convertible and at[0] == at[1]):
                continue
            distinct = tuple(dict.fromkeys(at))
            compiled = self._compiled(kind, at, distinct, masks)
            if compiled is None:
                return None
            scope = distinct
            if compiled.rows:
                scope = (*scope, len(sizes))
                sizes[len(sizes)] = len(compiled.rows)
            base += compiled.base
            instances += [(factor, tuple([scope[axis] for axis in axes])) for factor, axes in compiled.factors]
        named = {v: sizes[v] for _, scope in instances for v in scope}
        among = {v for v in named if v in inner or v >= len(masks)}
        order = inner_order([scope for _, scope in instances], named, among, _ENTRIES)
        elimination = Elimination(self._factors, instances, named, order)
        elimination.run(self._clock)
        if not elimination.feasible:
            return None
        left, gone = elimination.left(), set(order)
        opened = sorted({v for _, scope in left for v in scope})
        stars = [v for v in opened if v >= len(masks)]
        moved = {star: len(masks) + place for place, star in enumerate(stars)}
        return Template(
            said,
            masks,
            base + elimination.base,
            tuple([(factor, tuple([moved.get(v, v) for v in scope])) for factor, scope in left]),
            tuple([sizes[star] for star in stars]),
            # A variable that was named, and is neither eliminated nor in a factor any more, others may still decide.
            tuple([v for v in named if v < len(masks) and v not in gone]),
            elimination,
            tuple(moved.items()),
            len(order),
        )

    def _compiled(
        self, kind: Kind, at: tuple[int, ...], distinct: tuple[int, ...], masks: tuple[int, ...]
    ) -> Compiled | None:
        forbidden = self._factors.arithmetic.forbidden
        if kind.content is not None:
            joint = self._model.joint(kind.content, tuple(map(distinct.index, at)))
            if joint.dearest >= forbidden:
                raise Overflow
            return self._compiler.link(joint, tuple([masks[v] for v in distinct]))
        if kind.type is Prefer:
            if max(kind.costs.values(), default=0) >= forbidden:
                raise Overflow
            found = self._compiler.preference(kind.costs, masks[at[0]]) if kind.costs else (0, -1)
        else:
            allowed = self._compiler.only(kind.mask if kind.type is Allow else ~kind.mask, masks[at[0]])
            if allowed is None:
                return None
            found = allowed
        return Compiled(found[0], () if found[1] < 0 else ((found[1], (0,)),))
