"""Writes in place, as what they compute: ``y[:, 2:4] = 0`` becomes a ``slice_scatter`` that is read from then on.

``torch.export`` leaves them as they are. Once every tensor has an encoding of its own, a view is a tensor of its own,
too. What is written to it then reaches nobody else: not those who read the tensor behind it, and not the next run,
where that tensor is a buffer.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch.fx import GraphModule, Node

from qnnsolve.errors import UnsupportedGraphError
from qnnsolve.rewriting.emitting import Emitter
from qnnsolve.rewriting.in_place import apart, computed, written
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
    apart(model)
    if any(written(node) is not None for node in model.graph.nodes):
        _Writes(model).rewrite()
        model.recompile()
    return model


class _Writes:
    """Which nodes stand for which tensor, and what that tensor is by now, while the graph is walked once.

    What is read by nobody later on is forgotten on the way: with many writes to one tensor, the work grows with them.
    """

    def __init__(self, model: GraphModule) -> None:
        self.graph = model.graph
        self.tensor: dict[Node, Node] = {}
        """Of a node that stands for the tensor of another one, that other: results of writes, and what is made here."""
        self.names: dict[Node, list[Node]] = {}
        """Of a tensor, the nodes that stand for it, besides itself."""
        self.whole: dict[Node, Node] = {}
        """Of a view, what it is a view of."""
        self.views: dict[Node, list[Node]] = {}
        self.now: dict[Node, Node] = {}
        self.passed: set[Node] = set()
        self.kept = self._kept_buffers()

    def _kept_buffers(self) -> set[Node]:
        kept: set[Node] = set()
        rewritten: set[Node] = set()
        memory: dict[Node, Node] = {}
        for node in self.graph.nodes:
            source, target = viewed(node), written(node)
            above = source or target
            memory[node] = node if above is None else memory[above]
            if target is not None and memory[node].op == "get_attr":
                counts = not target.meta["val"].is_floating_point()
                stays = target.op == "get_attr" and (node.target in _BY_INDEX or counts)
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
                self._views(node, self._of(source))
            elif (target := written(node)) is not None:
                tensor = self._of(target)
                memory = self._memory(tensor)
                if memory not in self.kept:
                    buffers += [memory] if memory.op == "get_attr" else []
                    self._spell_out(node, tensor, memory)
        for node in reversed(list(self.whole)):
            if not node.users:
                self.graph.erase_node(node)

    def _of(self, node: Node) -> Node:
        return self.tensor.get(node, node)

    def _value(self, tensor: Node) -> Node:
        return self.now.get(tensor, tensor)

    def _views(self, view: Node, whole: Node) -> None:
        self.whole[view] = whole
        self.views.setdefault(whole, []).append(view)

    def _becomes(self, tensor: Node, value: Node) -> None:
        self.now[tensor] = value
        self.tensor[value] = tensor
        self.names.setdefault(tensor, []).append(value)

    def _memory(self, tensor: Node) -> Node:
        while tensor in self.whole:
            tensor = self.whole[tensor]
        return tensor

    def _is_read(self, tensor: Node) -> bool:
        """Whether a node that comes later reads it, by whatever name."""
        names = self.names.get(tensor, [])
        names[:] = [name for name in names if not self.passed.issuperset(name.users)]
        return bool(names) or not self.passed.issuperset(tensor.users)

    def _read_views(self, whole: Node) -> list[Node]:
        """The views of ``whole`` that are read later, or of which such views are."""
        views = self.views.get(whole, [])
        views[:] = [view for view in views if self._is_read(view) or self._read_views(view)]
        return views

    def _is_read_elsewhere(self, tensor: Node) -> bool:
        """Whether anything that comes later reads the same memory by another name, and not by a view of ``tensor``."""
        while tensor in self.whole:
            whole = self.whole[tensor]
            beside = [view for view in self._read_views(whole) if view is not tensor and not _beside(view, tensor)]
            if beside or self._is_read(whole):
                return True
            tensor = whole
        return False

    def _spell_out(self, write: Node, tensor: Node, memory: Node) -> None:
        """``tensor`` is what ``write`` computes, and so are in their parts those that share its memory."""
        emit = _Known(write, self.passed)
        value = computed(emit, write)
        self._becomes(tensor, value or write)
        if value is not None:
            write.replace_all_uses_with(value)
        seen = memory.op == "get_attr" or self._is_read_elsewhere(tensor)
        if value is None:
            if seen:
                raise UnsupportedGraphError(write.name, f"{write.target} is not known otherwise than in place")
            return
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
        self.graph.erase_node(write)

    def _view_again(self, emit: Emitter, whole: Node, but: Node | None = None) -> None:
        """The views of ``whole`` that are read later, of what it is now."""
        for view in list(self._read_views(whole)):
            if view is not but and (but is None or not _beside(view, but)):
                self._becomes(view, _again(emit, view, self.now[whole]))
                self._view_again(emit, view)


class _Known(Emitter):
    """Counts what it puts into the graph among the nodes that the walk has passed: none of them reads it later."""

    def __init__(self, node: Node, passed: set[Node]) -> None:
        super().__init__(node)
        self.passed = passed

    def __call__(self, target: Any, *args: Any, **kwargs: Any) -> Node:
        made = super().__call__(target, *args, **kwargs)
        self.passed.add(made)
        return made


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
