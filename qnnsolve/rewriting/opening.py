"""Take off a graph what ``torch.export`` wraps it in: :func:`opened`, :func:`take_guards`.

``torch.export.export(model, inputs).module()`` (torch 2.13) calls a check of the inputs, keeps what was computed under
``torch.no_grad()`` or autocast as a graph of its own, and asserts dtypes. Each would stand in the way of every step
that asks who reads a tensor, or what a node computes.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch._subclasses import FakeTensor, FakeTensorMode
from torch.fx import GraphModule, Node

from qnnsolve.errors import UnsupportedGraphError
from qnnsolve.rewriting.notes import add_notes

__all__ = ["complete_values", "opened", "put_guards", "take_guards"]

_GUARDS = "_guards_fn"
"""How ``torch.export`` names the check of the inputs."""
_CHECKS = frozenset(
    (
        torch.ops.aten._assert_tensor_metadata.default,
        torch.ops.aten._assert_async.default,
        torch.ops.aten._assert_async.msg,
        torch.ops.aten._assert_scalar.default,
    )
)
_HIGHER = torch.ops.higher_order
_REGIONS: dict[Any, int] = {_HIGHER.wrap_with_set_grad_enabled: 1, _HIGHER.wrap_with_autocast: 4}
"""Which argument of a region is its graph; those after it are what the graph reads."""


def take_guards(model: GraphModule) -> torch.nn.Module | None:
    """Take the call out that checks the inputs' shapes. Returns what it calls, None where there is none."""
    guards = None
    for node in list(model.graph.nodes):
        if node.op == "call_module" and node.target == _GUARDS:
            guards = getattr(model, _GUARDS)
            model.graph.erase_node(node)
    return guards


def put_guards(model: GraphModule, guards: torch.nn.Module) -> None:
    """Call ``guards`` with every input again, before anything is computed."""
    inputs = [node for node in model.graph.nodes if node.op == "placeholder"]
    model.add_module(_GUARDS, guards)
    with model.graph.inserting_after(inputs[-1]):
        model.graph.call_module(_GUARDS, tuple(inputs))


def opened(model: GraphModule) -> GraphModule:
    """``model`` itself, without the guards, regions and assertions, and with the fake value of every node.

    Raises:
        UnsupportedGraphError: what a node computes is not known.
    """
    take_guards(model)
    graph = model.graph
    while regions := [node for node in graph.nodes if node.target in _REGIONS]:
        for region in regions:
            _inline(model, region)
    _drop_checks(model)
    complete_values(model)
    _read_inner(model)
    _keep_returned(model)
    model.recompile()
    return model


def _drop_checks(model: GraphModule) -> None:
    """Erase what checks values as the model runs, and what is computed for that alone; ExecuTorch 1.5.1 fails on it."""
    checks = [node for node in model.graph.nodes if node.target in _CHECKS]
    for check in checks:
        if check.target is not torch.ops.aten._assert_tensor_metadata.default:
            said = next((f": {each}" for each in check.args if isinstance(each, str)), "")
            add_notes(model, f"the check {check.name} is left out{said}")
    while checks:
        node = checks.pop()
        read = node.all_input_nodes
        model.graph.erase_node(node)
        checks += [each for each in read if each.op == "call_function" and not each.users and not _mutates(each)]


def _mutates(node: Node) -> bool:
    return isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable


def _inline(model: GraphModule, region: Node) -> None:
    """Write the nodes of ``region`` where it is called: the mode that it sets decides nothing that is computed here."""
    place = _REGIONS[region.target]
    body: Any = region.args[place]
    inner = operator.attrgetter(body.target)(model)
    inputs = (node for node in inner.graph.nodes if node.op == "placeholder")
    copies: dict[Node, Node] = dict(zip(inputs, region.args[place + 1 :], strict=True))  # type: ignore[arg-type]  # nodes
    with model.graph.inserting_before(region):
        for node in inner.graph.nodes:
            if node.op not in ("placeholder", "output"):
                copies[node] = model.graph.node_copy(node, lambda each: copies[each])
                if node.op == "get_attr":
                    copies[node].target = f"{body.target}.{node.target}"
    (results,) = (node.args[0] for node in inner.graph.nodes if node.op == "output")
    for item in list(region.users):
        item.replace_all_uses_with(copies[results[item.args[1]]])
        model.graph.erase_node(item)
    model.graph.erase_node(region)
    if not body.users:
        model.graph.erase_node(body)


def _read_inner(model: GraphModule) -> None:
    """Make buffers of the tensors within a tensor of a class of its own, as ``torchao.quantize_`` makes of weights."""
    for node in list(model.graph.nodes):
        if node.target is not torch.ops.export.access_subclass_inner_tensor.default:
            continue
        outer: Any = node.args[0]
        value = getattr(operator.attrgetter(outer.target)(model), str(node.args[1]))
        name = f"inner_{node.name}"
        if isinstance(value, torch.Tensor):
            model.register_buffer(name, value.detach())
        else:
            setattr(model, name, value)
        with model.graph.inserting_before(node):
            inner = model.graph.get_attr(name)
        inner.meta = dict(node.meta)
        node.replace_all_uses_with(inner)
        model.graph.erase_node(node)
        if not outer.users:
            model.graph.erase_node(outer)
            path, _, name = str(outer.target).rpartition(".")
            delattr(model.get_submodule(path), name)


def _keep_returned(model: GraphModule) -> None:
    """Make a buffer of what an op makes from nothing for the output alone: ExecuTorch 1.5.1 fails on it."""
    for node in list(model.graph.nodes):
        target = node.target
        if not isinstance(target, torch._ops.OpOverload) or node.all_input_nodes or {"output"} != _readers(node):
            continue
        if torch.Tag.nondeterministic_seeded in target.tags:
            continue
        name = f"returned_{node.name}"
        model.register_buffer(name, target(*node.args, **node.kwargs))
        with model.graph.inserting_before(node):
            kept = model.graph.get_attr(name)
        kept.meta["val"] = node.meta["val"]
        node.replace_all_uses_with(kept)
        model.graph.erase_node(node)


def _readers(node: Node) -> set[str]:
    return {user.op for user in node.users}


def complete_values(model: GraphModule) -> None:
    """Give each node its fake value that a pass has made without, as torchao's folding of norms does.

    Raises:
        UnsupportedGraphError: what a node computes is not known.
    """
    values = (node.meta.get("val") for node in model.graph.nodes)
    mode = next((value.fake_mode for value in values if isinstance(value, FakeTensor)), None) or FakeTensorMode()
    for node in model.graph.nodes:
        if "val" in node.meta or node.op not in ("get_attr", "call_function"):
            continue
        if node.op == "get_attr":
            value = operator.attrgetter(node.target)(model)
            if isinstance(value, torch.Tensor):
                node.meta["val"] = mode.from_tensor(value, static_shapes=True)
            continue
        try:
            args, kwargs = torch.fx.map_arg((node.args, node.kwargs), lambda each: each.meta["val"])
            with mode:
                node.meta["val"] = node.target(*args, **kwargs)
        except (RuntimeError, TypeError, ValueError, AttributeError, LookupError, AssertionError) as error:
            raise UnsupportedGraphError(
                node.name, f"what {node.target} computes is not known: no meta['val']"
            ) from error
