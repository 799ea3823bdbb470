"""Writes in place, as what they compute: ``y[:, 2:4] = 0`` becomes a ``slice_scatter`` that is read from then on.

``torch.export`` leaves them as they are. Once every tensor has an encoding of its own, a view is a tensor of its own as
well, and what is written to it reaches nobody else: neither those who read the tensor behind it, nor the next run where
that is a buffer.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any

import torch
from torch.fx import GraphModule, Node

from qnnsolve.errors import UnsupportedGraphError
from qnnsolve.rewriting.emitting import Emitter
from qnnsolve.rewriting.views import put_back, viewed

__all__ = ["spell_out_writes"]

aten = torch.ops.aten
_BY_INDEX = frozenset({aten.index_put_.default, aten.index_copy_.default})
"""Writes that the accelerator does itself, into a buffer as a whole."""


def spell_out_writes(model: GraphModule) -> GraphModule:
    """Replace each write by a new tensor, for all that read the same memory later on. Returns ``model``.

    A buffer is then written to once, at the end, by ``copy_``. One that is written to as a whole stays as it is where
    that is by index alone, or where it holds no floating-point numbers (a counter).

    Raises:
        UnsupportedGraphError: a write through a view, or by an op, that is not followed.
    """
    nodes = list(model.graph.nodes)
    known = all("val" in node.meta for node in nodes if node.op != "output")
    if known and any(_written(node) is not None for node in nodes):
        _Writes(model).rewrite()
        model.recompile()
    return model


def _written(node: Node) -> Node | None:
    """The tensor that ``node`` writes to in place."""
    if not isinstance(node.target, torch._ops.OpOverload) or not node.target._schema.arguments:
        return None
    alias = node.target._schema.arguments[0].alias_info
    found = node.args[0] if alias is not None and alias.is_write and node.args else None
    return found if isinstance(found, Node) else None


class _Writes:
    """Which nodes stand for which tensor, and what that tensor is by now, while the graph is walked once."""

    def __init__(self, model: GraphModule) -> None:
        self.graph = model.graph
        self.tensor: dict[Node, Node] = {}
        """Of a node that stands for the tensor of another one, that other: results of writes, and what is made here."""
        self.whole: dict[Node, Node] = {}
        """Of a view, what it is a view of."""
        self.now: dict[Node, Node] = {}
        self.passed: set[Node] = set()
        self.kept = self._kept_buffers()

    def _kept_buffers(self) -> set[Node]:
        kept: set[Node] = set()
        rewritten: set[Node] = set()
        memory: dict[Node, Node] = {}
        for node in self.graph.nodes:
            source, written = viewed(node), _written(node)
            above = source or written
            memory[node] = node if above is None else memory[above]
            if written is not None and memory[node].op == "get_attr":
                counts = not written.meta["val"].is_floating_point()
                stays = written.op == "get_attr" and (node.target in _BY_INDEX or counts)
                (kept if stays else rewritten).add(memory[node])
        return kept - rewritten

    def rewrite(self) -> None:
        """Walk the graph."""
        buffers: list[Node] = []
        for node in list(self.graph.nodes):
            for source in node.all_input_nodes:
                value = self._value(self._of(source))
                if value is not source:
                    node.replace_input_with(source, value)
            self.passed.add(node)
            if node.op == "output":
                for buffer in dict.fromkeys(buffers):
                    Emitter(node)(aten.copy_.default, buffer, self.now[buffer])
            elif (source := viewed(node)) is not None:
                self.whole[node] = self._of(source)
            elif (written := _written(node)) is not None:
                target = self._of(written)
                memory = self._memory(target)
                if memory not in self.kept:
                    buffers += [memory] if memory.op == "get_attr" else []
                    self._spell_out(node, target, memory)
        for node in reversed(list(self.whole)):
            if not node.users:
                self.graph.erase_node(node)

    def _of(self, node: Node) -> Node:
        return self.tensor.get(node, node)

    def _value(self, tensor: Node) -> Node:
        return self.now.get(tensor, tensor)

    def _becomes(self, tensor: Node, value: Node) -> None:
        self.now[tensor] = value
        self.tensor[value] = tensor

    def _memory(self, tensor: Node) -> Node:
        while tensor in self.whole:
            tensor = self.whole[tensor]
        return tensor

    def _is_read_elsewhere(self, tensor: Node) -> bool:
        """Whether anything that comes later reads the same memory by another name, and not by a view of ``tensor``."""
        memory = self._memory(tensor)
        others = (each for each in (memory, *self.whole) if self._memory(each) is memory)
        return any(
            self._is_read(each) for each in others if not self._is_within(each, tensor) and not _beside(each, tensor)
        )

    def _is_within(self, tensor: Node, whole: Node) -> bool:
        while tensor is not whole and tensor in self.whole:
            tensor = self.whole[tensor]
        return tensor is whole

    def _is_read(self, tensor: Node) -> bool:
        names = (tensor, *(node for node, of in self.tensor.items() if of is tensor))
        return any(user not in self.passed for name in names for user in name.users)

    def _spell_out(self, write: Node, tensor: Node, memory: Node) -> None:
        """``tensor`` is what ``write`` computes, and so are in their parts those that share its memory."""
        emit = Emitter(write)
        value, seen = _computed(emit, write), memory.op == "get_attr" or self._is_read_elsewhere(tensor)
        if value is None:
            if seen:
                raise UnsupportedGraphError(write.name, f"{write.target} is not known otherwise than in place")
            self._becomes(tensor, write)
            return
        self._becomes(tensor, value)
        self._view_again(emit, tensor)
        part = tensor
        while seen and part in self.whole:
            whole = self.whole[part]
            put = put_back(emit, part, self._value(whole), self.now[part])
            if put is None:
                raise UnsupportedGraphError(
                    write.name, f"{write.target} writes through a view ({part.target}); compute a new tensor instead"
                )
            self._becomes(whole, put)
            self._view_again(emit, whole, but=part)
            part = whole
        write.replace_all_uses_with(value)
        self.graph.erase_node(write)

    def _view_again(self, emit: Emitter, whole: Node, but: Node | None = None) -> None:
        """The views of ``whole`` that are read later, of what it is now."""
        for view in [each for each, of in self.whole.items() if of is whole]:
            if (
                view is not but
                and (but is None or not _beside(view, but))
                and any(map(self._is_read, self._under(view)))
            ):
                self._becomes(view, _again(emit, view, self.now[whole]))
                self._view_again(emit, view)

    def _under(self, tensor: Node) -> Iterator[Node]:
        yield tensor
        for view in [each for each, of in self.whole.items() if of is tensor]:
            yield from self._under(view)


def _beside(view: Node, other: Node) -> bool:
    """Whether both are parts of one tensor that was cut into pieces, which share nothing; or the cutting itself."""
    if other.target is not operator.getitem:
        return False
    cut = other.args[0]
    return view is cut or (view.target is operator.getitem and view.args[0] is cut and view.args[1] != other.args[1])


def _again(emit: Emitter, view: Node, whole: Node) -> Node:
    if view.target is operator.getitem:
        cut = view.args[0]
        assert isinstance(cut, Node)
        return emit(operator.getitem, emit(cut.target, whole, *cut.args[1:], **cut.kwargs), view.args[1])
    return emit(view.target, whole, *view.args[1:], **view.kwargs)


def _computed(emit: Emitter, write: Node) -> Node | None:
    """What the tensor is after ``write``, as a node of its own; None for an op that torch has in place alone."""
    assert isinstance(write.target, torch._ops.OpOverload)
    before, *rest = write.args
    assert isinstance(before, Node)
    wanted = before.meta["val"]
    name, overload = write.target._schema.name.removeprefix("aten::"), write.target._overloadname
    made: Any
    if name == "zero_" or (name == "fill_" and not isinstance(rest[0], Node)):
        made = emit(aten.full_like.default, before, rest[0] if rest else 0)
    elif name in ("copy_", "fill_"):
        made = rest[0]
    else:
        plain = f"__{name[3:]}" if name.startswith("__i") else name.removesuffix("_")
        target = getattr(getattr(aten, plain, None), overload, None)
        if target is None:
            return None
        made = emit(target, *write.args, **write.kwargs)
    source = made
    if made.meta["val"].dtype != wanted.dtype:
        made = emit(aten.to.dtype, made, wanted.dtype)
    if made.meta["val"].shape != wanted.shape:
        made = emit(aten.expand.default, made, list(wanted.shape))
    return emit(aten.clone.default, made) if made is source and name in ("copy_", "fill_") and rest else made
