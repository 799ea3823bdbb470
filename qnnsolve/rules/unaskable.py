"""Wishes that no config could keep, whatever the chip: refused before anything is solved."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from qnnsolve.errors import UsageError
from qnnsolve.facts.graph import Graph, NodeKind

if TYPE_CHECKING:
    from qnnsolve.rules.asked import Asked
    from qnnsolve.rules.wishes import Wish

__all__ = ["refuse_blocks_of_another_rank", "refuse_mixed_precision"]


def refuse_mixed_precision(asked: Asked, graph: Graph) -> None:
    """Refuse half precision beside quantized activations.

    Raises:
        UsageError: a wish asks for one where the rest of the model has the other.
    """
    for name, wishes in asked.by_node.items():
        if asked.request(name).fp16 != asked.default.fp16 and graph[name].kind is NodeKind.CALL:
            words = next(wish.words for wish in reversed(wishes) if wish.what.activation is not None)
            raise UsageError(
                f"{words}: half precision and quantized activations do not stand in one program (ExecuTorch); "
                f"the rest of the model is {asked.default.name}"
            )


def refuse_blocks_of_another_rank(asked: Asked, graph: Graph) -> None:
    """Refuse a block with more or fewer sizes than any weight has dimensions where it is asked for.

    Raises:
        UsageError: there is such a wish; shows a block that would do.
    """
    found: dict[Wish, set[int]] = {}
    for name, wishes in asked.by_node.items():
        for wish in wishes:
            if len(wish.what.block_size or ()) > 1:
                found.setdefault(wish, set()).update(_ranks(graph, name))
    for wish, ranks in found.items():
        sizes = wish.what.block_size or ()
        if ranks and len(sizes) not in ranks:
            told, rank = "x".join(map(str, sizes)), max(ranks)
            like = "x".join(["1", "16", *["1"] * (rank - 2)])
            raise UsageError(f"{wish.words}: a block of {told} is none of a weight with {rank} dimensions, like {like}")


def _ranks(graph: Graph, name: str) -> Iterator[int]:
    """Of the parameters of two dimensions or more that a node reads."""
    for ref in graph.reads[name]:
        tensor = graph[ref].tensor
        if tensor is not None and graph.is_param(ref) and len(tensor.shape) > 1:
            yield len(tensor.shape)
