"""Each node of a converted model against the float model, in torch."""

from __future__ import annotations

import math

import pytest
import torch

from benchmarks.planted_faults import coarse_output, wrong_weight_scale
from qnnsolve.pipeline.comparing import nodes_of
from qnnsolve.results import NodeComparison
from qnnsolve.results.comparing import EXCESS_DB
from qnnsolve.verification.nodewise import Nodewise, Usage
from qnnsolve.verification.noise import sqnr_db
from tests.comparing.small import MODELS, Small, converted, small
from tests.nets import Masked

FAULTS = {
    "resnet": ("conv2d_1", "add_tensor"),
    "vit": ("linear_4", "layer_norm_2"),
    "minilm": ("linear_4", "bmm_3"),
}
"""Of each model a node with a weight, and a later one to compute in another encoding."""


def outlying() -> Small:
    class Outlying(torch.nn.Module):
        factor: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            self.linear = torch.nn.Linear(64, 8)
            self.register_buffer("factor", torch.ones(32, 64))
            self.factor[0, 3] = 100.0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y: torch.Tensor = self.linear(x * self.factor)
            return y

    torch.manual_seed(0)
    return converted(Outlying().eval(), [(torch.randn(1, 32, 64),) for _ in range(2)])


def compared(model: Small) -> tuple[NodeComparison, ...]:
    """The records of all nodes, without a solve beside them."""
    nodewise = Nodewise(model.both.converted, model.both.original, model.both.grids)
    for sample in model.samples:
        nodewise.add(sample)
    return nodes_of({}, model.both, nodewise)


def unexplained(nodes: tuple[NodeComparison, ...]) -> list[str]:
    """Those whose own error their encodings do not explain."""
    return [node.name for node in nodes if node.excess is not None and not node.excess <= EXCESS_DB]


@pytest.mark.parametrize("precision", ["8a8w", "16a8w", "16a4w"])
@pytest.mark.parametrize("name", MODELS)
def test_a_planted_fault_is_the_first_node_named(name: str, precision: str) -> None:
    model = small(name, precision)
    nodes = compared(model)
    assert unexplained(nodes) == [], "without a fault none is named"
    assert sum(node.excess is not None for node in nodes) > len(nodes) / 2
    earlier, later = FAULTS[name]
    coarse_output(model.both.converted, later)
    assert unexplained(compared(model)) == [later]
    wrong_weight_scale(model.both.converted, earlier)
    assert unexplained(compared(model))[:2] == [earlier, later]


def test_too_few_bits_are_no_fault_and_a_fault_behind_them_is_named() -> None:
    """One value in thousands is far larger than the others, as in trained transformers: 8 bits give 20 dB."""
    model = outlying()
    nodes = {node.name: node for node in compared(model)}
    assert nodes["mul"].own.together < 25 and unexplained(compared(model)) == []
    wrong_weight_scale(model.both.converted, "linear")
    assert unexplained(compared(model)) == ["linear"]


def test_what_a_mask_cuts_off_is_no_fault() -> None:
    keep = torch.tensor([[1.0, 1.0, 1.0, 0.0]])
    model = converted(Masked().eval(), [(torch.randn(1, 4, 16), keep) for _ in range(2)])
    assert unexplained(compared(model)) == []


def test_a_range_that_cuts_off_what_calibration_saw_is_a_fault() -> None:
    model = small("resnet")
    (quantize,) = next(node for node in model.both.converted.graph.nodes if node.name == "add_tensor").users
    for node in (quantize, *quantize.users):
        node.args = (node.args[0], node.args[1] / 4, *node.args[2:])
    model.both.converted.recompile()
    assert unexplained(compared(model)) == ["add_tensor"]


def test_the_last_node_has_accumulated_what_the_output_lacks() -> None:
    model = small("vit")
    both = model.both
    (last,) = compared(model)[-1:]
    with torch.no_grad():
        each = [sqnr_db(both.converted(*sample), both.original(*sample)) for sample in model.samples]
    assert math.isclose(last.accumulated.worst, min(each), abs_tol=1e-6)
    assert last.own.together > last.accumulated.together, "its own error is a part of it"


def test_the_float_side_computes_what_the_model_does() -> None:
    model = small("resnet")
    with torch.no_grad():
        for sample in model.samples:
            assert torch.allclose(model.both.original(*sample), model.model(*sample), atol=1e-5)


def test_an_op_and_the_clamp_of_its_encoding_count_as_one() -> None:
    nodes = {node.name: node for node in compared(small("resnet"))}
    assert "conv2d" in nodes and "relu" not in nodes
    assert nodes["conv2d"].encoding == "u8" and nodes["conv2d"].saturated == 0.0


def test_the_use_of_a_range_is_counted() -> None:
    usage = Usage(0.0, 10.0)
    usage.add(torch.tensor([-1.0, -0.4, 0.0, 5.0]), 1.0)
    usage.add(torch.tensor([5.0, 10.4, 11.0, 12.0]), 1.0)
    assert (usage.saturated, usage.unused) == (3 / 8, 0.0)
    half = Usage(0.0, 10.0)
    half.add(torch.tensor([2.0, 7.0]), 1.0)
    assert half.saturated == 0.0 and math.isclose(half.unused, 0.5)


def test_a_state_goes_on_from_sample_to_sample_and_is_left_as_it_was() -> None:
    from qnnsolve.host.quiet import quiet
    from qnnsolve.host.stages import Stages
    from qnnsolve.models.tracing import exported
    from qnnsolve.pipeline.steps import conversion
    from qnnsolve.quantizer import SolveQuantizer

    class Counting(torch.nn.Module):
        seen: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            self.linear = torch.nn.Linear(4, 4)
            self.register_buffer("seen", torch.zeros(1, 4))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y: torch.Tensor = self.linear(x)
            self.seen.copy_(self.seen * 0.5 + y)
            return self.seen + y

    torch.manual_seed(0)
    samples = [(torch.randn(1, 4),) for _ in range(4)]
    with quiet():
        quantizer = SolveQuantizer("htp", "SM8750", precision="8a8w")
        both = conversion(exported(Counting(), samples[0]), samples, quantizer, Stages(None))
    model = Small(torch.nn.Identity(), samples, both)
    first = compared(model)
    assert [node.own for node in compared(model)] == [node.own for node in first], "the same from the start"
    assert all(node.own.together > 25 and node.accumulated.together > 20 for node in first)
    assert all(not buffer.any() for name, buffer in both.original.named_buffers() if name.endswith("seen"))
