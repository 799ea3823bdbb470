"""Quantization-aware training: convolutions with batch norms as one op, and fake quantization in place of observers.

``prepare_qat_pt2e`` (torchao 0.18) makes one op of a convolution and the batch norm behind it, so that the norm is
folded after training. It knows that op by where it is quantized: at the convolution's inputs and behind the norm, and
nowhere between. In the solve such a norm is a node that lowering removes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from executorch.backends.qualcomm.quantizer.conv_bn import CONV_TARGETS, _materialize_conv_bias, _sole_user
from executorch.backends.qualcomm.quantizer.observers.per_block_param_observer import (
    PerBlockParamFakeQuantize,
    PerBlockParamObserver,
)
from torch.fx import GraphModule
from torch.fx import Node as FxNode
from torchao.quantization.pt2e import (
    FakeQuantize,
    MovingAverageMinMaxObserver,
    MovingAveragePerChannelMinMaxObserver,
)
from torchao.quantization.pt2e.quantizer import QuantizationSpec, QuantizationSpecBase

from qnnsolve.annotating.named_observers import observing
from qnnsolve.annotating.observers import TensorObserver
from qnnsolve.annotating.scales import PerChannelObserver
from qnnsolve.rewriting.bn_folding import is_norm

__all__ = ["Observed", "drop_counters", "folding_norms", "observed", "training_spec"]

Observed = Mapping[Any, Any]
"""Observers by node (its output) or by edge (producer, user)."""


def folding_norms(model: GraphModule) -> Iterator[FxNode]:
    """The batch norms that are folded into the convolution before them after training; each of those gets a bias.

    A convolution without one gets a bias of zeros, since torchao would fold the norm's into one that is not quantized.
    """
    for norm in list(model.graph.nodes):
        if not is_norm(norm) or not isinstance(norm.args[0], FxNode):
            continue
        convolution = norm.args[0]
        if convolution.target in CONV_TARGETS and _sole_user(convolution) is norm:
            _materialize_conv_bias(model, convolution)
            yield norm


def drop_counters(model: GraphModule) -> None:
    """Take out, in place, what counts the batches of a norm: nothing reads it, and on the chip it would be a CPU op."""
    for node in list(model.graph.nodes):
        counts = node.target is torch.ops.aten.add_.Tensor and str(node.args[0].target).endswith("num_batches_tracked")
        if counts and not node.users:
            model.graph.erase_node(node)
    model.graph.eliminate_dead_code()


def training_spec(spec: QuantizationSpecBase) -> QuantizationSpecBase:
    """``spec`` with fake quantization around its observer, which follows what is trained in place of all extremes."""
    if not isinstance(spec, QuantizationSpec) or spec.observer_or_fake_quant_ctr is None:
        return spec
    factory = spec.observer_or_fake_quant_ctr
    kind, given = factory.p.func, factory.p.keywords
    if issubclass(kind, PerBlockParamObserver):
        blocks = {key: value for key, value in given.items() if key != "scale_bits"}
        return dataclasses.replace(spec, observer_or_fake_quant_ctr=PerBlockParamFakeQuantize.with_args(**blocks))
    moving = {
        TensorObserver: observing(MovingAverageMinMaxObserver, True),
        PerChannelObserver: observing(MovingAveragePerChannelMinMaxObserver, False),
    }
    observer = moving.get(kind, kind).with_args(**given)
    return dataclasses.replace(spec, observer_or_fake_quant_ctr=FakeQuantize.with_args(observer=observer))


def observed(observers: Observed) -> dict[Any, Any]:
    """The observers, also where they stand inside fake quantization."""
    return {place: getattr(each, "activation_post_process", each) for place, each in observers.items()}
