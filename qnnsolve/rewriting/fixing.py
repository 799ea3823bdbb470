"""One size for every dimension, and one dtype for every float, before anything else is decided: :func:`fix`.

The accelerator computes with sizes that are known when it is compiled for, and reads float32 (which it quantizes, or
computes with in half precision). A graph with sizes that vary, or in half, bfloat16 or double, is taken to what it is
compiled as, and every such step leaves a note.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch._subclasses import FakeTensorMode
from torch.fx import GraphModule, Node
from torch.fx.experimental.symbolic_shapes import ShapeEnv

from qnnsolve.errors import UnsupportedGraphError, UsageError
from qnnsolve.rewriting.floats import OTHER_FLOATS, as_float32, dtype_of, dtyped, is_cast, is_other_float, with_float32
from qnnsolve.rewriting.in_place import note_written_inputs
from qnnsolve.rewriting.notes import add_notes
from qnnsolve.rewriting.sizes import exported_size, range_text, refuse_unbounded, sizes_vary

__all__ = ["fix"]

aten = torch.ops.aten


def fix(model: GraphModule, inputs: Sequence[Any] | None = None) -> GraphModule:
    """``model`` itself, with sizes that are numbers and floats of 32 bits. Each change leaves a note in it.

    Args:
        model: without guards and regions (:func:`~qnnsolve.rewriting.opening.opened`).
        inputs: flat; they name the sizes. None takes those that the model was exported with.

    What buffers and constants alone decide is computed in its own dtype, then cast.

    Raises:
        UsageError: an input is larger than the model takes.
        UnsupportedGraphError: a node reads a number's bits as another dtype, cannot be computed with these sizes, or
            has a size that values decide and nothing bounds.
    """
    refuse_unbounded(model)
    note_written_inputs(model)
    places = [node for node in model.graph.nodes if node.op == "placeholder"]
    wanted = dict(zip(places, inputs, strict=False)) if inputs is not None else {}
    if sizes_vary(model) or any(is_other_float(value) for node in model.graph.nodes for value in dtyped(node)):
        _Fixing(model, wanted).run()
        model.graph.lint()
        model.recompile()
    return model


class _Fixing:
    """Walks the graph once, giving each node the value that it has from now on."""

    def __init__(self, model: GraphModule, wanted: dict[Node, Any]) -> None:
        self.model, self.graph, self.wanted = model, model.graph, wanted
        self.mode = FakeTensorMode(shape_env=ShapeEnv())
        self.constant = _constants(model)
        self.notes: list[str] = []
        self.dtypes: dict[str, list[str]] = {}
        """By the name of a dtype, the nodes that had it."""
        self.writes = any(_mutates(node) for node in self.graph.nodes)

    def run(self) -> None:
        """Walk the graph, and say what was done."""
        for node in self.graph.nodes:
            bits = node.target is aten.view.dtype and node not in self.constant
            if bits and {dtype_of(node), dtype_of(node.all_input_nodes[0])} & OTHER_FLOATS:
                raise UnsupportedGraphError(node.name, "it reads the bits of a number as another dtype")
        for node in list(self.graph.nodes):
            if node.op != "output":
                for value in dtyped(node):
                    if is_other_float(value):
                        dtype = value if isinstance(value, torch.dtype) else value.dtype  # type: ignore[attr-defined]
                        self.dtypes.setdefault(str(dtype).removeprefix("torch."), []).append(node.name)
                self._take(node)
        for dtype, names in self.dtypes.items():
            names = list(dict.fromkeys(names))
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            self.notes.append(f"{dtype} is taken to float32: {', '.join(names[:3])}{more}")
        add_notes(self.model, *self.notes)

    def _take(self, node: Node) -> None:
        if node.op == "placeholder":
            self._take_input(node)
        elif node.op == "get_attr":
            self._take_attribute(node)
        elif node.op == "call_function":
            self._take_call(node)

    def _take_input(self, node: Node) -> None:
        value, wanted = node.meta.get("val"), self.wanted.get(node)
        if isinstance(value, torch.SymInt):
            number = wanted if isinstance(wanted, int) else exported_size(node, value)
            self.notes.append(f"input {node.name}: {range_text(value)}, is fixed at {number}")
            node.meta["val"] = number
            node.replace_all_uses_with(number)  # type: ignore[arg-type]  # a number stands where the node stood
        if not isinstance(value, torch.Tensor):
            return
        sizes = list(value.shape)
        for place, size in enumerate(sizes):
            if isinstance(size, torch.SymInt):
                sizes[place] = wanted.shape[place] if isinstance(wanted, torch.Tensor) else exported_size(node, size)
                if sizes[place] > (bound := size.node.shape_env.bound_sympy(size.node.expr).upper):
                    raise UsageError(
                        f"input {node.name}: size {place} is {sizes[place]}, the model takes {bound} at most"
                    )
                if size.node.maybe_as_int() is None:  # one number, where another input is a view of this one
                    said = f"size {place} ({range_text(size)}) is fixed at {sizes[place]}"
                    self.notes.append(f"input {node.name}: {said}")
        with self.mode:
            node.meta["val"] = torch.empty(sizes, dtype=as_float32(value.dtype), device=value.device)
        if value.dtype in OTHER_FLOATS:  # samples may still come in that dtype
            self._cast_after(node, list(node.users))

    def _cast_after(self, node: Node, users: list[Node]) -> None:
        with self.graph.inserting_after(node):
            cast = self.graph.call_function(aten.to.dtype, (node, torch.float32))
        cast.meta["val"] = self._value(cast)
        for user in users:
            user.replace_input_with(node, cast)

    def _take_attribute(self, node: Node) -> None:
        path, _, name = str(node.target).rpartition(".")
        owner = self.model.get_submodule(path)
        value = getattr(owner, name)
        if not isinstance(value, torch.Tensor):
            return
        node.meta["val"] = self.mode.from_tensor(value, static_shapes=True)
        readers = [user for user in node.users if user not in self.constant]
        if value.dtype not in OTHER_FLOATS or not readers:
            return
        if len(readers) < len(node.users):
            self._cast_after(node, readers)
            return
        single = value.detach().to(torch.float32)
        if isinstance(value, torch.nn.Parameter):
            setattr(owner, name, torch.nn.Parameter(single, requires_grad=False))
        elif name in owner._buffers:
            owner._buffers[name] = single
        else:
            setattr(owner, name, single)
        node.meta["val"] = self.mode.from_tensor(getattr(owner, name), static_shapes=True)

    def _take_call(self, node: Node) -> None:
        before = node.meta.get("val")
        if not isinstance(before, torch.Tensor) and not node.users and not node.all_input_nodes:
            self.graph.erase_node(node)  # an assertion about sizes, which are numbers by now
            return
        kept = node in self.constant
        if not kept:
            node.args, node.kwargs = with_float32(node.args), with_float32(node.kwargs)
        value = self._value(node)
        if isinstance(value, (int, float, bool)):
            for user in [*node.users]:  # torch's own way asks the number for its name where somebody watches
                user.args, user.kwargs = torch.fx.map_arg(
                    (user.args, user.kwargs), lambda each: value if each is node else each
                )
            self.graph.erase_node(node)
            return
        node.meta["val"] = value
        readers = [user for user in node.users if user not in self.constant]
        if kept and is_other_float(value) and readers:
            self._cast_after(node, readers)
        elif not kept and is_cast(node) and dtype_of(node.args[0]) == value.dtype != _before(before, value):
            if self.writes:
                node.target, node.args, node.kwargs = aten.clone.default, (node.args[0],), {}
            else:
                node.replace_all_uses_with(node.args[0])  # type: ignore[arg-type]  # a node, as dtype_of saw
                self.graph.erase_node(node)

    def _value(self, node: Node) -> Any:
        args, kwargs = torch.fx.map_arg((node.args, node.kwargs), lambda each: each.meta["val"])
        try:
            with self.mode, torch.no_grad():
                return node.target(*args, **kwargs)  # type: ignore[operator]  # what a call_function calls
        except (RuntimeError, TypeError, ValueError, AttributeError, LookupError, AssertionError) as error:
            what = " ".join(str(error).split())[:200]
            raise UnsupportedGraphError(
                node.name, f"{node.target} cannot be computed with these sizes: {what}"
            ) from error


def _constants(model: GraphModule) -> set[Node]:
    """What depends on no input, no parameter, no random number and nothing that the model writes to."""
    found: set[Node] = set()
    for node in model.graph.nodes:
        if node.op == "get_attr":
            value = operator.attrgetter(str(node.target))(model)
            if not isinstance(value, torch.nn.Parameter) and not any(map(_mutates, node.users)):
                found.add(node)
        elif node.op == "call_function" and found.issuperset(node.all_input_nodes):
            target = node.target
            random = isinstance(target, torch._ops.OpOverload) and torch.Tag.nondeterministic_seeded in target.tags
            if not random and not _mutates(node) and not any(map(_mutates, node.users)):
                found.add(node)
    return found


def _mutates(node: Node) -> bool:
    return isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable


def _before(before: Any, value: torch.Tensor) -> object:
    """The dtype that a cast yielded; another one than any where it changes for what stood before the cast alone."""
    return None if isinstance(before, torch.Tensor) and before.dtype == value.dtype else getattr(before, "dtype", None)
