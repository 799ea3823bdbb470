"""Rankings of layers by measured noise, and configs that flip the worst of them to 16-bit activations."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import torch
from torch.fx import GraphModule, Interpreter, Node

from benchmarks.search.configs import NARROW, Bench, Config, Proposal, wide
from benchmarks.search.metrics import decibels
from benchmarks.search.networks import answers
from benchmarks.static_llama.absent import stand_in
from qnnsolve.host.quiet import quiet

SHARE = 0.1
"""Of the ops, that are flipped where a share is asked for."""


def by_executorch(bench: Bench) -> Proposal:
    """Flip modules in the order of ExecuTorch's ``PerLayerSqnrAnalyzer``: the noise at each one's output when all are
    narrow. Upstream looks at convolutions alone, which is what its decoders are made of; here at linear layers, too."""
    stand_in()
    with quiet():
        from executorch.examples.qualcomm.oss_scripts.llama.mix_precision_analyzer import PerLayerSqnrAnalyzer

    start, samples = time.process_time(), bench.network.calibration
    converted, _ = bench.converted(Config("analysis"))
    analyzer = PerLayerSqnrAnalyzer(bench.network.name, _NOT_BUCKETED, bench.transformed, converted)
    analyzer.targets = {torch.ops.aten.conv2d.default, torch.ops.aten.linear.default}
    with quiet():
        batches = [{"input_ids": sample, "attention_mask": None} for sample in samples]
        report = analyzer.analyze(_Inputs(), batches, num_sharding=_NOT_BUCKETED)
    paths = [each.group_name for each in report._group_stats()]
    seconds = time.process_time() - start
    ranked = [[name for name in bench.ops if bench.graph[name].module_path == path] for path in paths]
    return Proposal(
        "ExecuTorch PerLayerSqnrAnalyzer",
        tuple(_flipped("analyzer", [each for each in ranked if each])),
        3 * len(samples),
        seconds,
        f"{len(ranked)} modules",
    )


_NOT_BUCKETED = 1000
"""Layers that are reported apart."""


class _Inputs:
    """What the analyzer asks for the inputs of a batch."""

    @staticmethod
    def get_inputs(sample: Any, _: None) -> Any:
        return sample


@functools.cache
def by_layer(bench: Bench) -> Proposal:
    """Flip ops in the order of the noise at the network's output when each alone is narrow, and all else is float: a
    run per op. The usual sensitivity analysis, whose worst tenth is what is usually flipped."""
    start, samples = time.process_time(), bench.network.calibration
    converted, _ = bench.converted(Config("analysis"), fold=False)
    expected = answers(bench.network.module, samples)
    noise = {}
    for name, nodes in quantizers_by_op(converted, bench.ops).items():
        found = answers(Partly(converted, nodes), samples)
        noise[name] = decibels(expected, found)
    ranked = sorted(noise, key=lambda name: (noise[name], name))
    seconds, passes = time.process_time() - start, (len(noise) + 2) * len(samples)
    configs = tuple(_flipped("worst ops", [[name] for name in ranked]))
    return Proposal("worst ops first", configs, passes, seconds, f"{len(ranked)} ops")


def worst_share(ranked: Proposal) -> Proposal:
    """The config of ``ranked`` that flips the worst tenth."""
    count = math.ceil(SHARE * (len(ranked.configs) - 1))
    return Proposal("worst 10 %", (ranked.configs[count],), ranked.passes, ranked.seconds)


def _flipped(name: str, ranked: Sequence[Sequence[str]]) -> Iterator[Config]:
    """Nothing flipped, the first one, the first two ..., everything."""
    for count in range(len(ranked) + 1):
        nodes = [node for each in ranked[:count] for node in each]
        yield Config(f"{name} {count}", NARROW, wide(nodes), merit=count)


def quantizers_by_op(model: GraphModule, ops: Collection[str]) -> dict[str, frozenset[Node]]:
    """The quantizing nodes at the inputs and the outputs of each op of a converted model."""
    found: dict[str, frozenset[Node]] = {}
    for node in model.graph.nodes:
        if node.name in ops:
            before = {each for source in node.all_input_nodes for each in _chain(source)}
            behind = {user for user in node.users if _quantizes(user)}
            if before | behind:
                found[node.name] = frozenset(before | behind)
    return found


def _chain(node: Node) -> Iterator[Node]:
    """The quantizing node that ``node`` takes back."""
    if "dequantize" in str(node.target):
        source = node.args[0]
        if isinstance(source, Node) and _quantizes(source):
            yield source


def _quantizes(node: Node) -> bool:
    return ".quantize_" in str(node.target)


class Partly(Interpreter):
    """Runs a converted model with some of its quantizing nodes; the others let floats pass."""

    def __init__(self, model: GraphModule, active: Collection[Node]) -> None:
        super().__init__(model)
        self._active = frozenset(active)

    def __call__(self, *sample: Any) -> Any:
        """What the model answers."""
        return torch.utils._pytree.tree_leaves(self.run(*sample))[0]

    def run_node(self, n: Node) -> Any:
        """The value of ``n``."""
        if _quantizes(n) and n not in self._active:
            return self.env[n.args[0]]
        if "dequantize" in str(n.target):
            source = n.args[0]
            if isinstance(source, Node) and _quantizes(source) and source not in self._active:
                return self.env[source]
        return super().run_node(n)
