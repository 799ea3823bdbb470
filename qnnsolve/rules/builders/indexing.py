"""Ops that read or write by index."""

from __future__ import annotations

import functools

from qnnsolve.facts.graph import Argument, Graph, Node, Ref
from qnnsolve.rules.builders.types import OUTPUT, Builder, Built, Fate, Input, no_builder, on_cpu, op, ref_at, table

__all__ = ["TABLE", "state_of"]


def _index(node: Node, graph: Graph) -> Built:
    """One index tensor, behind any number of whole dimensions (builders/op_index.py)."""
    refs = _tensors(node.argument(1, "indices"))
    if len(refs) != 1:
        return on_cpu(f"ExecuTorch has no builder for aten.index with {len(refs)} index tensors")
    if _is_mask(graph, refs):
        return on_cpu("ExecuTorch has no builder for aten.index with a mask")
    indices = node.argument(1, "indices")
    if not isinstance(indices, tuple) or indices[-1] != refs[0]:
        return on_cpu("ExecuTorch builds aten.index along the last of the dimensions that it names")
    return Built(Fate.OP, "Gather", (Input(ref_at(node, 0)), Input(refs[0])))


def _tensors(indices: Argument) -> list[Ref]:
    return [index for index in indices if isinstance(index, Ref)] if isinstance(indices, tuple) else []


def _is_mask(graph: Graph, indices: list[Ref]) -> bool:
    tensors = (graph[index].tensor for index in indices)
    return any(tensor is not None and tensor.dtype in ("bool", "uint8") for tensor in tensors)


def _index_put(node: Node, graph: Graph) -> Built:
    refs = _tensors(node.argument(1, "indices"))
    if not refs or _is_mask(graph, refs):
        return on_cpu("ExecuTorch has no builder for aten.index_put with a mask")
    indices = node.argument(1, "indices")
    named = [isinstance(index, Ref) for index in indices] if isinstance(indices, tuple) else []
    places = [place for place, is_named in enumerate(named) if is_named]
    if places[-1] - places[0] >= len(places):
        return on_cpu("ExecuTorch builds aten.index_put with its index tensors side by side only")
    adds = bool(node.argument(3, "accumulate", False))
    return _written(node, graph, ref_at(node, 2, "values"), "add" if adds else None)


def _index_copy(node: Node, graph: Graph) -> Built:
    return _written(node, graph, ref_at(node, 3, "source"))


def _written(node: Node, graph: Graph, value: Ref | None, case: str | None = None) -> Built:
    """ScatterNd; its indices are joined from constants and index tensors (builders/op_index_put.py).

    A buffer that is written to has no observer, since ``convert_pt2e`` would fold it; lowering gives it the encoding
    of what comes out. The buffer itself stays float, in the CPU's memory.
    """
    target, state = ref_at(node, 0), state_of(node, graph)
    others = () if state is None else graph.users[state]
    if any(graph[user].target not in _INTO_STATES or graph[user].args[0] != state for user in others):
        return on_cpu("ExecuTorch gives a buffer one encoding, and other ops use this one too")
    return Built(Fate.OP, "ScatterNd", (_kept(graph, target), Input(None, code="i32"), Input(value)), case)


def _kept(graph: Graph, target: Ref | None) -> Input:
    """What is written into. A constant takes the output's encoding; a buffer that is written whole has its own."""
    written = target is not None and any(graph[user].target == "aten.copy_.default" for user in graph.users[target])
    return Input(None, like=OUTPUT) if graph.is_param(target) and not written else Input(target)


def _copied(node: Node, graph: Graph) -> Built:
    """A buffer that is written whole: lowering writes what was computed, by an op of the runtime's own."""
    source, written = ref_at(node, 1), graph[ref_at(node, 1) or node.name].tensor
    if state_of(node, graph) is None or written is None or written != node.tensor:
        return on_cpu("ExecuTorch has no builder for aten.copy_")
    return Built(Fate.IDENTITY, None, (Input(source),))


_INTO_STATES = ("aten.index_put_.default", "aten.index_copy_.default")


def state_of(node: Node, graph: Graph) -> Ref | None:
    """The buffer of the model that ``node`` writes to in place, as a cache of keys and values is; else None."""
    if not _is_in_place(node.target):
        return None
    target = ref_at(node, 0)
    return target if graph.is_param(target) else None


@functools.cache
def _is_in_place(target: str) -> bool:
    name = target.partition(".")[2].partition(".")[0]
    return name.startswith("__i") if name.endswith("__") else name.endswith("_")


def _slice_scatter(node: Node, graph: Graph) -> Built:
    kept = _kept(graph, ref_at(node, 0))
    return Built(Fate.OP, "ScatterNd", (kept, Input(None, code="i32"), Input(ref_at(node, 1, "src"))))


def _scatter(case: str) -> Builder:
    """ScatterElements; a plain number becomes a constant with the encoding of what it is written into."""

    def builder(node: Node, graph: Graph) -> Built:
        source = ref_at(node, 3, "src")
        written = Input(None, like=0) if source is None else Input(source)
        return Built(Fate.OP, "ScatterElements", (Input(ref_at(node, 0)), Input(ref_at(node, 2)), written), case=case)

    return builder


def _unordered(node: Node, graph: Graph) -> Built:
    return on_cpu("HTP's sort keeps no order among equals (measured, QNN 2.51), which a stable one promises")


_REDUCTIONS = {"sum": "add", "prod": "mul"}


def _scatter_reduce(node: Node, graph: Graph) -> Built:
    reduction = str(node.argument(4, "reduce"))
    if reduction not in _REDUCTIONS or not node.argument(5, "include_self", True):
        return on_cpu(f"ExecuTorch has no builder for aten.scatter_reduce by '{reduction}' with these arguments")
    return _scatter(_REDUCTIONS[reduction])(node, graph)


TABLE = table(
    (op("Gather", 0, 1), ("embedding.default",)),
    (op("Gather", 0, 2), ("index_select.default",)),
    (op("GatherElements", 0, 2), ("gather.default",)),
    (_index, ("index.Tensor",)),
    (_index_put, ("index_put.default", "index_put_.default")),
    (_copied, ("copy_.default",)),
    (_index_copy, ("index_copy.default", "index_copy_.default")),
    (_slice_scatter, ("slice_scatter.default",)),
    (_scatter("replace"), ("scatter.src", "scatter.value")),
    (_scatter("add"), ("scatter_add.default",)),
    (_scatter_reduce, ("scatter_reduce.two",)),
    (_unordered, ("sort.stable", "argsort.stable")),
    (no_builder, ("argsort.default", "kthvalue.default", "index_add.default", "index_fill.int_Scalar")),
)
