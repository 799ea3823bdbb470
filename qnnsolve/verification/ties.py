"""Values that turn on less than one step: an index between two equals, a number at a threshold. :func:`undecided`.

What an op reads is up to one step different on the chip than in torch. An ``argmax`` over two values one step apart
then picks the other one. A ``round``, ``floor``, ``sign`` or comparison jumps where its input is one step from where it
jumps. That is no fault, however far the results are apart. Such a tie shows in the converted graph itself; values
further than a step from a tie are left to be judged (:mod:`qnnsolve.verification.judging`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import torch
from torch import Tensor
from torch.fx import GraphModule, Node

from qnnsolve.verification.tails import Tail, step_of, tail_of

__all__ = ["undecided"]

aten = torch.ops.aten
_NUDGES = (0.0, -1.01, -0.51, 0.51, 1.01)
"""Of a step: by how much the input of a jump may be off."""
_WITHIN = 1.01
"""Steps that two values may be apart, with room for the rounding of floats."""


def undecided(
    converted: GraphModule,
    leaf: object,
    samples: Sequence[tuple[Any, ...]],
    got: Sequence[Tensor],
    step: float,
) -> list[Tensor] | None:
    """Per sample, at which values of ``got`` a step decides between it and the converted model's; None for no tie.

    ``leaf`` is the node that the output comes from, ``got`` the emulator's values of it per sample, ``step`` real units
    per step of the output's own encoding (0 where it has none). The graph is run over the samples in their order, and
    its buffers are left as that leaves them.
    """
    tail = tail_of(leaf) if isinstance(leaf, Node) else None
    if tail is None:
        return None
    found = [
        _at_jumps(tail, seen, mine, step) | _at_indices(tail, seen, mine)
        for seen, mine in _seen(converted, tail, samples, got)
    ]
    return found if any(bool(each.any()) for each in found) else None


def _seen(
    converted: GraphModule, tail: Tail, samples: Sequence[tuple[Any, ...]], got: Sequence[Tensor]
) -> list[tuple[Mapping[Node, Any], Tensor]]:
    return [(_Recorder(converted, tail.read).recorded(sample), mine) for sample, mine in zip(samples, got, strict=True)]


class _Recorder(torch.fx.Interpreter):
    """Runs a graph and keeps what ``nodes`` yield."""

    def __init__(self, module: GraphModule, nodes: frozenset[Node]) -> None:
        super().__init__(module)
        self._nodes, self._kept = nodes, dict[Node, Any]()

    def recorded(self, sample: tuple[Any, ...]) -> Mapping[Node, Any]:
        """What the nodes yield for ``sample``."""
        with torch.no_grad():
            self.run(*sample)
        return self._kept

    def run_node(self, n: Node) -> Any:
        value = super().run_node(n)
        if n in self._nodes:
            self._kept[n] = value.clone() if isinstance(value, Tensor) else value
        return value


def _at_jumps(tail: Tail, seen: Mapping[Node, Any], got: Tensor, step: float) -> Tensor:
    """Where the output is another one with the input of a jump a step off, and ``got`` is between the two."""
    none = torch.zeros(got.shape, dtype=torch.bool)
    if not tail.jumps:
        return none
    low, high = torch.stack([tail.replayed(seen, nudge).double() for nudge in _NUDGES]).aminmax(dim=0)
    if low.shape != got.shape:
        return none
    slack, mine = _WITHIN * step, got.double()
    return (high > low) & (mine >= low - slack) & (mine <= high + slack)


def _at_indices(tail: Tail, seen: Mapping[Node, Any], got: Tensor) -> Tensor:
    """Where the value at the index that the emulator chose is within a step of that at the converted model's."""
    none = torch.zeros(got.shape, dtype=torch.bool)
    if len(tail.indices) != 1 or not tail.only_moves:
        return none
    (source,) = tail.indices
    choice = _choice(source)
    if choice is None:
        return none
    own = seen[source].long()
    places = tail.replayed({**seen, source: torch.arange(own.numel()).reshape(own.shape)}).long()
    if places.shape != got.shape:
        return none
    mine = own.flatten().scatter(0, places.flatten(), got.flatten().long()).reshape(own.shape)
    tied = choice.tied(seen[choice.operand], own, mine)
    undecided: Tensor = (tied & (mine != own)).flatten().gather(0, places.flatten())
    return undecided.reshape(got.shape)


@attrs.frozen(eq=False)
class _Choice:
    """A node of indices into ``operand``, along ``dim`` (None: all of it). ``kept`` where that dimension is still
    there; ``several``: each index once."""

    operand: Node
    dim: int | None
    kept: bool
    several: bool

    def tied(self, values: Tensor, own: Tensor, mine: Tensor) -> Tensor:
        """Where an index of ``mine`` picks a value within a step of the one that ``own`` picks. All of them must be
        indices."""
        values = values.flatten() if self.dim is None else values
        dim = self.dim or 0
        size = values.shape[dim] if values.dim() else 1
        if bool(((mine < 0) | (mine >= size)).any()):
            return torch.zeros_like(own, dtype=torch.bool)
        picked = [self._picked(values.double(), index, dim) for index in (mine, own)]
        near: Tensor = (picked[0] - picked[1]).abs() <= _WITHIN * step_of(self.operand)
        if self.several and mine.shape:
            ordered = mine.sort(dim=dim).values
            near &= (ordered.diff(dim=dim) != 0).all(dim=dim, keepdim=True)
        return near

    def _picked(self, values: Tensor, index: Tensor, dim: int) -> Tensor:
        if self.dim is None:
            return values[index]
        picked = values.gather(dim, index if self.kept else index.unsqueeze(dim))
        return picked if self.kept else picked.squeeze(dim)


_EXTREMES: Mapping[Any, bool] = {
    aten.argmax.default: True,
    aten.argmin.default: True,
    aten.max.dim: False,
    aten.min.dim: False,
}
"""Ops that choose one index, and whether they yield nothing else."""
_SEVERAL: Mapping[Any, int] = {aten.topk.default: 2, aten.sort.default: 1, aten.argsort.default: 1}
"""Ops that choose several, and the position of ``dim``."""


def _choice(source: Node) -> _Choice | None:
    """What the indices that ``source`` yields are; None where it yields none."""
    node, of_pair = source, source.target not in (*_EXTREMES, aten.argsort.default)
    if of_pair:
        node = source.all_input_nodes[0]
    operand: Any = node.args[0]
    if node.target in _EXTREMES:
        given = dict(zip(("dim", "keepdim"), node.args[1:], strict=False)) | node.kwargs
        return _Choice(operand, _int(given.get("dim")), bool(given.get("keepdim", False)), False)
    if node.target in _SEVERAL:
        at = _SEVERAL[node.target]
        dim = node.kwargs.get("dim", node.args[at] if len(node.args) > at else -1)
        return _Choice(operand, _int(dim), True, True)
    return None


def _int(value: object) -> int | None:
    return value if isinstance(value, int) else None
