"""The converted against the float model, node by node, in torch: :class:`Nodewise`.

A node's **own** error is that of its weights, of the converts on its edges and of its output's encoding: it reads what
the float model's nodes yield. Its **accumulated** error is what it yields in the converted model as it runs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import torch
from torch.fx import GraphModule, Interpreter, Node
from torch.utils import _pytree as pytree

from qnnsolve.verification.explained import Explained, Grid, constants_off
from qnnsolve.verification.noise import Power, power
from qnnsolve.verification.quantized_nodes import QuantizedNodes

__all__ = ["Nodewise", "Sample", "Usage", "run", "stateful", "watched"]

Sample = tuple[Any, ...]
Values = dict[str, torch.Tensor]
See = Callable[[str, torch.Tensor], "torch.Tensor | None"]


@attrs.define
class Usage:
    """How an encoding is used: values beyond it, all values, and the least and largest of those within it.

    ``low`` and ``high`` are what the encoding reaches to, in the tensor's own units.
    """

    low: float
    high: float
    beyond: int = 0
    count: int = 0
    least: float = math.inf
    largest: float = -math.inf

    @property
    def saturated(self) -> float:
        """The share of values that lie more than half a step beyond the range."""
        return self.beyond / max(self.count, 1)

    @property
    def unused(self) -> float:
        """The share of the range in which no value lies: below the least and above the largest."""
        if self.high <= self.low or self.largest < self.least:
            return 0.0
        return max(0.0, 1 - (self.largest - self.least) / (self.high - self.low))

    def add(self, x: torch.Tensor, step: float) -> None:
        """Count the values of a tensor."""
        self.beyond += int(((x < self.low - step / 2) | (x > self.high + step / 2)).sum())
        self.count += x.numel()
        within = x.clamp(self.low, self.high)
        if within.numel():
            self.least = min(self.least, float(within.min()))
            self.largest = max(self.largest, float(within.max()))


class Nodewise:
    """Both models over samples, one after the other; after each, ``own`` and ``accumulated`` have one figure more.

    The states of a model (caches) go on from sample to sample: the float model's own, and the converted model's own.
    """

    def __init__(self, converted: GraphModule, original: GraphModule, grids: Mapping[str, Grid]) -> None:
        self.converted, self.original = converted, original
        self.nodes = QuantizedNodes.of(converted, original)
        constants = constants_off(converted, original)
        self.explained = {
            name: Explained(grids[last], constants.get(name, 1.0))
            for name in self.nodes.quantize
            if (last := self.nodes.until.get(name, name)) in grids
        }
        """Of nodes whose output is quantized: how much of their own noise their encodings explain."""
        self.own: dict[str, list[Power]] = {}
        self.accumulated: dict[str, list[Power]] = {}
        self.usage: dict[str, Usage] = {}
        self._copies = stateful(converted) or stateful(original)
        self._states = {id(each): _states(each) for each in (converted, original)}

    def add(self, sample: Sample) -> None:
        """Run both models on ``sample``, which is kept in memory with all that the float model computes from it."""
        before = self._states[id(self.original)]
        reference: Values = {}
        wanted = {self.nodes.until.get(name, name): name for name in self.nodes.names}

        def keep(name: str, x: torch.Tensor) -> None:
            if name in wanted:
                reference[wanted[name]] = x.clone() if self._copies else x

        before_it: Values = {}

        def own(name: str, x: torch.Tensor) -> torch.Tensor | None:
            if name in before_it and name in reference:
                self.explained[name].add(x, before_it.pop(name), reference[name])
            return self._count(self.own, reference, name, x)

        def quantized(name: str, quantize: Node, x: torch.Tensor) -> None:
            if name in self.explained:
                before_it[name] = x

        def accumulated(name: str, x: torch.Tensor) -> None:
            self._count(self.accumulated, reference, name, x)

        self._states[id(self.original)] = self._run(self.original, sample, before, lambda m: watched(m, keep))
        states = {name: value for name, value in before.items() if name in self._states[id(self.converted)]}
        self._run(self.converted, sample, states, lambda m: _Encoded(m, self.nodes, own, quantized))
        after = self._run(
            self.converted,
            sample,
            self._states[id(self.converted)],
            lambda m: _Encoded(m, self.nodes, accumulated, self._range),
        )
        self._states[id(self.converted)] = after

    def _count(
        self, powers: dict[str, list[Power]], reference: Values, name: str, x: torch.Tensor
    ) -> torch.Tensor | None:
        if name not in reference:
            return None
        want = reference[name]
        powers.setdefault(name, []).append(power(x, want))
        return want.clone() if self._copies else want

    def _range(self, name: str, quantize: Node, x: torch.Tensor) -> None:
        match quantize.args[1:5]:
            case (float(scale), int(zero), int(low), int(high)):
                usage = self.usage.setdefault(name, Usage((low - zero) * scale, (high - zero) * scale))
                usage.add(x.detach(), scale)

    def _run(
        self, model: GraphModule, sample: Sample, states: Values, runner: Callable[[GraphModule], Interpreter]
    ) -> Values:
        """Run, beginning with ``states``; the states afterwards. The model's own are left as they were."""
        before = _states(model)
        try:
            _restore(model, states)
            run(runner(model), sample)
            return _states(model)
        finally:
            _restore(model, before)


def run(runner: Interpreter, sample: Sample) -> Any:
    """What ``runner`` yields for ``sample``; ops that draw random numbers draw the same each time."""
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return runner.run(*pytree.tree_leaves(sample), enable_io_processing=False)


def stateful(model: GraphModule) -> bool:
    """Whether an op of the graph writes to what it reads."""
    targets = (node.target for node in model.graph.nodes if node.op == "call_function")
    return any(isinstance(each, torch._ops.OpOverload) and each._schema.is_mutable for each in targets)


def watched(model: GraphModule, see: See) -> Interpreter:
    """Runs ``model`` and shows each float tensor that a node or an input yields, which ``see`` may answer with
    another."""
    return _Watched(model, see)


class _Watched(Interpreter):
    def __init__(self, model: GraphModule, see: See) -> None:
        super().__init__(model)
        self._see = see

    def run_node(self, n: Node) -> Any:
        value = super().run_node(n)
        if n.op in ("placeholder", "call_function") and _is_float(value):
            answer = self._see(n.name, value)
            return value if answer is None else answer
        return value


class _Encoded(Interpreter):
    """Runs a converted model and shows of each node what its readers read, once; ``ranges`` sees what is quantized."""

    def __init__(
        self,
        model: GraphModule,
        nodes: QuantizedNodes,
        see: See,
        ranges: Callable[[str, Node, torch.Tensor], None] | None = None,
    ) -> None:
        super().__init__(model)
        self._nodes, self._see, self._ranges = nodes, see, ranges
        self._plain = frozenset(nodes.names) - frozenset(nodes.quantize)
        self._first = {quantize: name for name, quantize in nodes.quantize.items()}
        self._answers: dict[str, torch.Tensor | None] = {}

    def run_node(self, n: Node) -> Any:
        if self._ranges is not None and n in self._first and _is_float(read := self.env[n.all_input_nodes[0]]):
            self._ranges(self._first[n], n, read)
        value = super().run_node(n)
        if not _is_float(value):
            return value
        if n in self._nodes.dequantize:
            name = self._nodes.dequantize[n]
            if name not in self._answers:
                self._answers[name] = self._see(name, value)
            answer = self._answers[name]
            return value if answer is None else answer.clone()
        if n.name in self._plain:
            answer = self._see(n.name, value)
            return value if answer is None else answer
        return value


def _is_float(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.is_floating_point()


def _states(model: GraphModule) -> Values:
    if not stateful(model):
        return {}
    return {name: buffer.clone() for name, buffer in model.named_buffers()}


def _restore(model: GraphModule, states: Mapping[str, torch.Tensor]) -> None:
    if states:
        buffers = dict(model.named_buffers())
        for name, value in states.items():
            if name in buffers:
                buffers[name].copy_(value)
