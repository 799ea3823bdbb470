"""A graph that runs node by node, and shows what passes its sites: :class:`Seeing`."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import torch
from torch.fx import GraphModule, Interpreter, Node
from torch.fx.node import map_arg

from qnnsolve.constraints import Site

__all__ = ["Seeing", "States", "float_leaves"]

See = Callable[[Site, torch.Tensor], torch.Tensor]


class Seeing(Interpreter):
    """Runs ``model`` and calls ``see`` with each of ``sites`` and the tensor there, which it may answer with another.

    What a site's tensor is: of a node's output the output, of an edge what its user reads. Nothing is written in place
    but the model's states, and those get values without a gradient.
    """

    def __init__(self, model: GraphModule, sites: Collection[Site], see: See) -> None:
        super().__init__(model)
        self._sites, self._see = frozenset(sites), see
        self._written: dict[str, torch.Tensor] = {}

    def outputs(self, sample: tuple[Any, ...]) -> dict[str, torch.Tensor]:
        """What the model returns for ``sample``, and what it writes to its states, by a name: ``0``, ``1`` ...,
        ``cache.keys``. Floats alone."""
        self._written = {}
        leaves = torch.utils._pytree.tree_leaves(self.run(*torch.utils._pytree.tree_leaves(sample)))
        return {**float_leaves(leaves), **self._written}

    def run_node(self, n: Node) -> Any:
        """The value of ``n``, as its users read it."""
        if n.op == "get_attr":
            value = super().run_node(n)
            return value.detach() if isinstance(value, torch.Tensor) else value
        if n.op != "call_function":
            return self._shown(Site(n.name), super().run_node(n))
        read: dict[Node, Any] = {}

        def load(m: Node) -> Any:
            if m not in read:
                read[m] = self._shown(Site(m.name, n.name), self.env[m])
            return read[m]

        args, kwargs = map_arg(n.args, load), map_arg(n.kwargs, load)
        assert callable(n.target)
        if isinstance(n.target, torch._ops.OpOverload) and n.target._schema.is_mutable:
            return self._shown(Site(n.name), self._written_in_place(n, args, kwargs))
        return self._shown(Site(n.name), n.target(*args, **kwargs))

    def _written_in_place(self, n: Node, args: Any, kwargs: Any) -> Any:
        """The op on a copy of what it writes to, which then gets the values, but no gradient."""
        arguments = n.target._schema.arguments  # type: ignore[union-attr]  # an OpOverload
        writes = [
            index
            for index, each in enumerate(arguments[: len(args)])
            if each.alias_info is not None and each.alias_info.is_write
        ]
        copies = [arg.clone() if index in writes else arg for index, arg in enumerate(args)]
        result = n.target(*copies, **kwargs)  # type: ignore[operator]
        for index in writes:
            args[index].data.copy_(copies[index].detach())
            source = n.args[index]
            if isinstance(source, Node) and source.op == "get_attr" and copies[index].is_floating_point():
                self._written[str(source.target)] = copies[index]
        return result

    def _shown(self, site: Site, value: Any) -> Any:
        if site not in self._sites or not isinstance(value, torch.Tensor) or not value.is_floating_point():
            return value
        return self._see(site, value)


def float_leaves(leaves: list[Any]) -> dict[str, torch.Tensor]:
    """Those that are float tensors, by their place."""
    return {
        str(index): leaf
        for index, leaf in enumerate(leaves)
        if isinstance(leaf, torch.Tensor) and leaf.is_floating_point()
    }


class States:
    """The states of a model (caches, counters), which each run over the samples begins with as they were."""

    def __init__(self, model: torch.nn.Module) -> None:
        self._buffers = tuple(model.buffers())
        self._before = [buffer.clone() for buffer in self._buffers]

    def restore(self) -> None:
        """Make them what they were."""
        for buffer, value in zip(self._buffers, self._before, strict=True):
            buffer.copy_(value)
