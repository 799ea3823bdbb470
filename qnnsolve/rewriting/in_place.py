"""What an op that works in place writes to, and what it computes: :func:`written`, :func:`computed`, :func:`apart`.

What it writes to an input of the model is for the model's own readers alone: :func:`note_written_inputs`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.fx import GraphModule, Node

from qnnsolve.errors import UnsupportedGraphError
from qnnsolve.rewriting.emitting import Emitter
from qnnsolve.rewriting.notes import add_notes
from qnnsolve.rewriting.views import viewed

__all__ = ["apart", "computed", "note_written_inputs", "written"]

aten = torch.ops.aten
_EMPTY = ("aten::empty", "aten::new_empty")


def written(node: Node) -> Node | None:
    """The tensor that ``node`` writes to in place."""
    if not isinstance(node.target, torch._ops.OpOverload) or not node.target._schema.arguments:
        return None
    alias = node.target._schema.arguments[0].alias_info
    found = node.args[0] if alias is not None and alias.is_write and node.args else None
    return found if isinstance(found, Node) else None


def note_written_inputs(model: GraphModule) -> None:
    """Note each input that is written to, by itself or by a view: who runs the program keeps a tensor as it was."""
    memory: dict[Node, Node] = {}
    for node in model.graph.nodes:
        targets = list(_written_by(node))
        above = viewed(node) or written(node)
        memory[node] = node if above is None else memory[above]
        for target in targets:
            if memory[target].op == "placeholder":
                name = memory[target].name
                said = "its own is changed, and the caller's stays as it was; return it where that is needed"
                add_notes(model, f"the model writes to its input '{name}': {said}")


def _written_by(node: Node) -> Iterator[Node]:
    """Every tensor that ``node`` writes to."""
    if isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable:
        given = dict(zip((each.name for each in node.target._schema.arguments), node.args, strict=False)) | node.kwargs
        for argument in node.target._schema.arguments:
            value = given.get(argument.name)
            if argument.alias_info is not None and argument.alias_info.is_write and isinstance(value, Node):
                yield value


def apart(model: GraphModule) -> None:
    """Write what an op does that is no plain write into its first argument as such a write, or as a view.

    Shapes that change in place (``squeeze_``, ``transpose_``) become views, and all later readers of the tensor read
    the view. A result for a given tensor (``out=``) is computed first, and then copied there.

    Raises:
        UnsupportedGraphError: an op that changes a tensor otherwise.
    """
    order = {node: place for place, node in enumerate(model.graph.nodes)}
    for node in order:
        if not isinstance(node.target, torch._ops.OpOverload):
            continue
        if node.target._schema.name.startswith(_EMPTY):
            _fill(node)
        elif node.target._schema.is_mutable:
            _take_apart(node, order)


def _take_apart(node: Node, order: dict[Node, int]) -> None:
    """One op that writes; ``order`` is where each node stands that was there before."""
    outs = [each.name for each in node.target._schema.arguments if each.is_out]  # type: ignore[union-attr]  # an OpOverload
    before = written(node)
    if outs:
        _copy_out(node, outs)
    elif before is None:
        raise UnsupportedGraphError(node.name, f"{node.target} writes to more than its first argument")
    elif (view := _shown(node)) is not None:
        if before.op == "get_attr" and _layout(node) != _layout(before):
            raise UnsupportedGraphError(node.name, f"{node.target} changes the shape of the state {before.target}")
        node.target = view
        for user in list(before.users):
            if order.get(user, -1) > order[node]:
                user.replace_input_with(before, node)
    elif _layout(node)[0] != _layout(before)[0] or _plain(node.target) is aten.set.source_Tensor:  # type: ignore[arg-type]
        raise UnsupportedGraphError(
            node.name, f"{node.target} changes what a tensor is in place; compute a new tensor instead"
        )


def _layout(node: Node) -> tuple[Any, Any]:
    value = node.meta["val"]
    return value.shape, value.stride()


def _fill(node: Node) -> None:
    """Zeros for what is allocated only: its values are anything, NaN too, which would count as seen."""
    value = node.meta["val"]
    made = Emitter(node)(aten.full.default, list(value.shape), 0, dtype=value.dtype, device=value.device)
    node.replace_all_uses_with(made)
    node.graph.erase_node(node)


def _plain(target: torch._ops.OpOverload) -> Any:
    """The same op, with a new tensor for a result; None where torch has none."""
    name = target._schema.name.removeprefix("aten::")
    plain = f"__{name[3:]}" if name.startswith("__i") else name.removesuffix("_")
    packet = getattr(aten, plain, None)
    overloads = [] if packet is None else [getattr(packet, each) for each in packet.overloads()]
    wanted = _arguments(target)
    same = [each for each in overloads if _arguments(each) == wanted and not each._schema.is_mutable]
    return same[0] if same else None


def _arguments(target: torch._ops.OpOverload) -> list[tuple[str, str]]:
    """The names and types of what ``target`` reads."""
    return [(each.name, str(each.type)) for each in target._schema.arguments if not each.is_out]


def _shown(node: Node) -> Any:
    """The view that an op makes of its tensor in place; None for an op that computes."""
    plain = _plain(node.target)  # type: ignore[arg-type]  # an OpOverload, as apart() saw
    returned = plain._schema.returns if plain is not None else ()
    alias = returned[0].alias_info if returned else None
    return plain if alias is not None and not alias.is_write else None


def _copy_out(node: Node, outs: list[str]) -> None:
    """Spell ``out=`` out, for one result."""
    target = node.target
    assert isinstance(target, torch._ops.OpOverload)
    plain = _plain(target)
    if plain is None or len(outs) > 1 or not isinstance(node.kwargs.get(outs[0]), Node):
        raise UnsupportedGraphError(node.name, f"{target} writes into tensors that are given; compute new ones instead")
    kwargs = {key: value for key, value in node.kwargs.items() if key not in outs}
    result = Emitter(node)(plain, *node.args, **kwargs)
    node.args, node.kwargs, node.target = (node.kwargs[outs[0]], result), {}, aten.copy_.default


def computed(emit: Emitter, write: Node) -> Node | None:
    """What the tensor is after ``write``, as a node of its own; None for an op that torch has in place alone."""
    assert isinstance(write.target, torch._ops.OpOverload)
    before, *rest = write.args
    assert isinstance(before, Node)
    wanted = before.meta["val"]
    name = write.target._schema.name.removeprefix("aten::")
    made: Any
    if name == "zero_" or (name == "fill_" and not isinstance(rest[0], Node)):
        made = emit(aten.full_like.default, before, rest[0] if rest else 0)
    elif name in ("copy_", "fill_"):
        made = rest[0]
    elif name == "fill_diagonal_":
        mask = torch.zeros(wanted.shape, dtype=torch.bool).fill_diagonal_(True, *rest[1:])  # type: ignore[arg-type]
        made = emit(aten.masked_fill.Scalar, before, emit.constant("diagonal", mask), rest[0])
    else:
        target = _plain(write.target)
        if target is None:
            return None
        made = emit(target, *write.args, **write.kwargs)
    source = made
    if made.meta["val"].dtype != wanted.dtype:
        made = emit(aten.to.dtype, made, wanted.dtype)
    if made.meta["val"].shape != wanted.shape:
        made = emit(aten.expand.default, made, list(wanted.shape))
    return emit(aten.clone.default, made) if made is source and name in ("copy_", "fill_") and rest else made
