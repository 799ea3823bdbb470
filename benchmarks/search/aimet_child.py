"""AIMET's automatic mixed precision on one network, in its own environment: ``python -m ...aimet_child NETWORK FILE``.

The graph that qnnsolve annotates becomes one of modules, each named as its node, so that AIMET's quantizers name our
nodes. What it finds goes to ``FILE`` as JSON: its quantizer groups, its front, its forward passes and seconds.
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import fx, nn

from benchmarks.search.installed import without_torchvision

without_torchvision()

from aimet_torch.amp.mixed_precision_algo import EvalCallbackFactory  # noqa: E402
from aimet_torch.common.amp.utils import AMPSearchAlgo  # noqa: E402
from aimet_torch.common.defs import CallbackFunc, QuantizationDataType  # noqa: E402
from aimet_torch.mixed_precision import choose_mixed_precision  # noqa: E402
from aimet_torch.nn.modules import custom  # noqa: E402
from aimet_torch.quantsim import QuantizationSimModel  # noqa: E402

from benchmarks.search.configs import Bench  # noqa: E402
from benchmarks.search.networks import NETWORKS, Sample  # noqa: E402

CONFIG = "htp_v79"
"""AIMET's own description of the accelerator in :data:`benchmarks.search.configs.SOC`."""


def _conv(node: fx.Node, value: Callable[[Any], Any]) -> nn.Module:
    weight, bias = value(node.args[1]), value(node.args[2]) if len(node.args) > 2 else None
    stride, padding, dilation, groups = (*node.args[3:], *((1, 1), (0, 0), (1, 1), 1)[len(node.args[3:]) :])
    size = (weight.shape[1] * groups, weight.shape[0], tuple(weight.shape[2:]))
    made = nn.Conv2d(*size, tuple(stride), tuple(padding), tuple(dilation), groups, bias is not None)
    return _with(made, weight, bias)


def _linear(node: fx.Node, value: Callable[[Any], Any]) -> nn.Module:
    weight, bias = value(node.args[1]), value(node.args[2]) if len(node.args) > 2 else None
    return _with(nn.Linear(weight.shape[1], weight.shape[0], bias is not None), weight, bias)


def _norm(node: fx.Node, value: Callable[[Any], Any]) -> nn.Module:
    eps = node.args[4] if len(node.args) > 4 else 1e-5
    return _with(nn.LayerNorm(node.args[1], eps), value(node.args[2]), value(node.args[3]))


def _embedding(node: fx.Node, value: Callable[[Any], Any]) -> nn.Module:
    weight = value(node.args[0])
    return _with(nn.Embedding(*weight.shape), weight, None)


def _with(made: Any, weight: torch.Tensor, bias: torch.Tensor | None) -> nn.Module:
    made.weight = nn.Parameter(weight.detach().clone())
    if bias is not None:
        made.bias = nn.Parameter(bias.detach().clone())
    return made  # type: ignore[no-any-return]


_WEIGHTED = MappingProxyType(
    {
        "aten.conv2d.default": (_conv, (0,)),
        "aten.linear.default": (_linear, (0,)),
        "aten.layer_norm.default": (_norm, (0,)),
        "aten.embedding.default": (_embedding, (1,)),
    }
)
"""Ops with parameters: what makes the module, and the arguments that it is called with."""
_PLAIN: Mapping[str, tuple[Callable[[fx.Node], nn.Module], int]] = MappingProxyType(
    {
        "aten.relu.default": (lambda _: nn.ReLU(), 1),
        "aten.gelu.default": (lambda node: nn.GELU(**node.kwargs), 1),
        "aten.sigmoid.default": (lambda _: nn.Sigmoid(), 1),
        "aten.softmax.int": (lambda node: nn.Softmax(node.args[1]), 1),
        "aten.avg_pool2d.default": (lambda node: nn.AvgPool2d(*map(tuple, node.args[1:3])), 1),
        "aten.max_pool2d.default": (lambda node: nn.MaxPool2d(*map(tuple, node.args[1:3])), 1),
        "aten.add.Tensor": (lambda _: custom.Add(), 2),
        "aten.mul.Tensor": (lambda _: custom.Multiply(), 2),
        "aten.div.Tensor": (lambda _: custom.Divide(), 2),
        "aten.matmul.default": (lambda _: custom.MatMul(), 2),
    }
)
"""Ops without: what makes the module, and how many arguments it is called with."""


def of_modules(graph: fx.GraphModule) -> fx.GraphModule:
    """``graph`` with a module for each op that AIMET knows as one, named as the node."""
    made: dict[str, Any] = {}
    new = fx.Graph()
    known: dict[fx.Node, fx.Node] = {}

    def value(node: fx.Node) -> torch.Tensor:
        found: Any = graph
        for part in str(node.target).split("."):
            found = getattr(found, part)
        return found  # type: ignore[no-any-return]

    for node in graph.graph.nodes:
        name = str(node.target)
        if name in _WEIGHTED:
            make, arguments = _WEIGHTED[name]
            made[node.name] = make(node, value)
            read = tuple(node.args[index] for index in arguments)
        elif name in _PLAIN:
            module, count = _PLAIN[name]
            made[node.name], read = module(node), node.args[:count]
        elif node.op == "output":
            new.output(known[node.args[0][0]])
            continue
        else:
            if node.op == "get_attr":
                made[str(node.target)] = value(node)
            known[node] = new.node_copy(node, known.__getitem__)
            continue
        known[node] = new.call_module(node.name, fx.map_arg(read, known.__getitem__))
    model = fx.GraphModule(made, new)
    model.graph.eliminate_dead_code()
    model.recompile()
    return model.eval()


def searched(name: str) -> dict[str, Any]:
    """What AIMET finds for the network ``name``."""
    bench = Bench(NETWORKS[name]())
    samples = bench.network.calibration
    model = of_modules(bench.transformed)
    with torch.no_grad():
        difference = (model(*samples[0]) - bench.network.module(*samples[0])).abs().max()
    assert difference < 1e-4, f"the modules compute something else by {difference}"
    start = time.process_time()
    sim = QuantizationSimModel(model, samples[0], config_file=CONFIG, default_output_bw=16, default_param_bw=8)
    passes = recalibrations = 0

    def count(*_: Any) -> None:
        nonlocal passes
        passes += 1

    sim.model.register_forward_pre_hook(count)

    def calibrate(model: nn.Module, _: Any) -> None:
        nonlocal recalibrations
        recalibrations += 1
        with torch.no_grad():
            for sample in samples:
                model(*sample)

    sim.compute_encodings(calibrate, None)
    sqnr = EvalCallbackFactory(_Samples(samples)).sqnr(len(samples))
    candidates = [((bits, QuantizationDataType.int), (8, QuantizationDataType.int)) for bits in (16, 8)]
    with tempfile.TemporaryDirectory() as folder:
        front = choose_mixed_precision(
            sim,
            samples[0],
            candidates,
            sqnr,
            sqnr,
            None,
            folder,
            clean_start=True,
            forward_pass_callback=CallbackFunc(calibrate, None),
            amp_search_algo=AMPSearchAlgo.BruteForce,
        )
    return {
        "seconds": time.process_time() - start,
        "passes": passes,
        "recalibrations": recalibrations,
        "front": [
            {"relative_bit_operations": cost, "score": float(score), "bits": candidate[0][0], "group": group.to_list()}
            for cost, score, group, candidate in front
        ],
    }


class _Samples(list[Sample]):
    """What AIMET takes for a data loader."""

    batch_size = 1


if __name__ == "__main__":
    logging.disable(logging.INFO)
    Path(sys.argv[2]).write_text(json.dumps(searched(sys.argv[1]), indent=1), encoding="utf-8")
