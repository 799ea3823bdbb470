"""What a solution says stands in the graph as torchao reads it: on which edge, shared with which, in which range."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.fx import GraphModule, Node
from torchao.quantization.pt2e.quantizer import (
    DerivedQuantizationSpec,
    QuantizationAnnotation,
    QuantizationSpec,
    SharedQuantizationSpec,
)
from torchao.quantization.pt2e.quantizer.quantizer import Q_ANNOTATION_KEY

from qnnsolve.annotating.annotations import mark_cpu_nodes
from qnnsolve.annotating.observers import Bounds
from qnnsolve.annotating.scales import HalvedObserver
from qnnsolve.facts.fx import target_name
from qnnsolve.lowering.marks import CPU_KEY, CPU_VALUE
from qnnsolve.quantizer import SolveQuantizer

X = torch.linspace(-1, 1, 32).reshape(4, 8)


class Net(nn.Module):
    """A linear layer, and what is done with its output."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.linear, self.function = nn.Linear(8, 8), function

    def forward(self, x: torch.Tensor) -> Any:
        return self.function(self.linear(x))


def annotated(model: nn.Module, *inputs: torch.Tensor, precision: str = "16a8w", soc: str = "SM8350") -> GraphModule:
    graph = torch.export.export(model.eval(), inputs).module()
    assert isinstance(graph, GraphModule)
    quantizer = SolveQuantizer("htp", soc, strict=False, precision=precision)
    return quantizer.annotate(quantizer.transform_for_annotation(graph))


def only(model: GraphModule, target: str) -> Node:
    calls = [node for node in model.graph.nodes if node.op == "call_function"]
    found: list[Node] = [node for node in calls if target in target_name(node.target)]
    assert len(found) == 1
    return found[0]


def annotation(node: Node) -> QuantizationAnnotation:
    found = node.meta[Q_ANNOTATION_KEY]
    assert isinstance(found, QuantizationAnnotation)
    return found


def observer(spec: Any) -> Any:
    assert isinstance(spec, QuantizationSpec)
    return spec.observer_or_fake_quant_ctr(
        dtype=spec.dtype, qscheme=spec.qscheme, quant_min=spec.quant_min, quant_max=spec.quant_max
    )


def test_a_layer_has_a_spec_for_each_edge_and_its_output() -> None:
    layer = only(annotated(Net(torch.sigmoid), X), "linear")
    x, weight, bias = layer.all_input_nodes
    found = annotation(layer)
    assert set(found.input_qspec_map) == {x, weight, bias}
    assert isinstance(found.input_qspec_map[bias], DerivedQuantizationSpec), "a bias follows from input and weight"
    wanted = {weight: (torch.int8, 0)}
    assert {weight: (found.input_qspec_map[weight].dtype, found.input_qspec_map[weight].ch_axis)} == wanted
    assert isinstance(found.output_qspec, QuantizationSpec)
    assert (found.output_qspec.quant_min, found.output_qspec.quant_max) == (0, 2**16 - 1)


def test_an_input_that_several_read_has_one_observer() -> None:
    model = annotated(Net(lambda x: x), X)
    (place,) = [node for node in model.graph.nodes if node.op == "placeholder" and "x" in node.name]
    assert isinstance(annotation(place).output_qspec, QuantizationSpec)
    assert annotation(only(model, "linear")).input_qspec_map[place] == SharedQuantizationSpec(place)


def test_moved_bits_share_the_encoding_of_their_producer() -> None:
    model = annotated(Net(lambda x: torch.sigmoid(x.transpose(0, 1))), X)
    layer, moved = only(model, "linear"), only(model, "transpose")
    assert isinstance(annotation(layer).output_qspec, QuantizationSpec), "the first that torchao meets carries it"
    shared = SharedQuantizationSpec(layer)
    assert (annotation(moved).input_qspec_map[layer], annotation(moved).output_qspec) == (shared, shared)


def test_nothing_is_shared_but_what_the_solution_says() -> None:
    model = annotated(Net(lambda x: torch.sigmoid(x.transpose(0, 1))), X)
    found = [node.meta[Q_ANNOTATION_KEY] for node in model.graph.nodes if Q_ANNOTATION_KEY in node.meta]
    assert found
    assert not any(each.allow_implicit_sharing for each in found)


@pytest.mark.parametrize(
    ("function", "low", "high"),
    [
        (torch.relu, 0.0, math.inf),
        (lambda x: nn.functional.hardtanh(x, -2.0, 3.0), -2.0, 3.0),
        (nn.functional.hardtanh, -1.0, 1.0),
        (nn.functional.relu6, 0.0, 6.0),
        (lambda x: torch.clamp(x, max=0.5), -math.inf, 0.5),
        (lambda x: torch.clamp_max(x, 0.5), -math.inf, 0.5),
        (lambda x: torch.clamp_min(x, -0.5), -0.5, math.inf),
        (lambda x: torch.clamp(x, -0.5, 0.5), -0.5, 0.5),
    ],
)
def test_a_layer_is_observed_where_the_activation_folded_into_it_lets_it_through(
    function: Callable[..., torch.Tensor], low: float, high: float
) -> None:
    found = observer(annotation(only(annotated(Net(function), X, soc="SM8750"), "linear")).output_qspec)
    assert (found.bounds.low, found.bounds.high) == (low, high)


def test_a_softmax_s_input_is_observed_as_far_as_the_softmax_looks() -> None:
    found = observer(annotation(only(annotated(Net(lambda x: torch.softmax(x, -1)), X), "linear")).output_qspec)
    assert found.bounds == Bounds(softmax_dim=found.bounds.softmax_dim)
    assert found.bounds.softmax_dim in (-1, 1)


def test_a_grid_that_an_op_fixes_may_be_halved_as_often_as_its_fact_says() -> None:
    model = annotated(Net(lambda x: torch.softmax(x, -1)), X, precision="8a8w")
    found = observer(annotation(only(model, "softmax")).output_qspec)
    assert isinstance(found, HalvedObserver)
    assert (found.fixed_scale, found.zero_point) == (1 / 256, 0)
    assert found.halvings > 0


@pytest.mark.parametrize("dim", [-1, 1])
def test_two_values_of_a_softmax_add_up_to_255_steps(dim: int) -> None:
    image = torch.rand(1, 2, 4, 2, generator=torch.Generator().manual_seed(0))
    for precision, scale in (("8a8w", 1 / 255), ("16a8w", None)):
        model = annotated(Net(lambda x: torch.softmax(x[..., :2], dim)), image.repeat(1, 1, 1, 4), precision=precision)
        spec = annotation(only(model, "softmax")).output_qspec
        assert getattr(spec, "scale", None) == scale


def test_what_stays_on_the_cpu_has_no_encoding_and_is_marked() -> None:
    model = annotated(Net(torch.special.erfcx), X)
    left = only(model, "erfcx")
    assert Q_ANNOTATION_KEY not in left.meta
    assert left.meta["custom"][CPU_KEY] == CPU_VALUE
    assert CPU_KEY not in only(model, "linear").meta.get("custom", {})


def test_a_mark_leaves_other_marks() -> None:
    model = annotated(Net(torch.relu), X)
    only(model, "relu").meta["custom"] = {"mine": 1}
    mark_cpu_nodes(model, ["relu"])
    assert only(model, "relu").meta["custom"] == {"mine": 1, CPU_KEY: CPU_VALUE}
