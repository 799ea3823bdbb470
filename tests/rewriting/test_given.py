"""What comes quantized is quantized anew, by every door, and that is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torchao.quantization import Int8WeightOnlyConfig, quantize_
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from qnnsolve import solve
from qnnsolve.models.files import load_model
from qnnsolve.models.locating import locate
from qnnsolve.quantizer import SolveQuantizer
from qnnsolve.rewriting.given import without_given
from qnnsolve.rewriting.notes import notes_of
from qnnsolve.rewriting.opening import opened

ANEW = "the model comes quantized, and is quantized anew"


def graph_of(model: nn.Module, *inputs: torch.Tensor) -> torch.fx.GraphModule:
    graph = torch.export.export(model, inputs).module()
    assert isinstance(graph, torch.fx.GraphModule)
    return graph


def converted(graph: torch.fx.GraphModule, x: torch.Tensor, precision: str) -> torch.fx.GraphModule:
    quantizer = SolveQuantizer("htp", "SM8750", precision=precision)
    prepared = prepare_pt2e(graph, quantizer)
    prepared(x)
    assert not quantizer.cpu_nodes
    made: torch.fx.GraphModule = convert_pt2e(prepared)
    return made


def image_model() -> nn.Module:
    torch.manual_seed(0)
    layers = (nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 10))
    return nn.Sequential(*layers).eval()


class FakeQuantized(nn.Module):
    """As it is trained to be quantized: the input is cut to [-0.06, 5.04], the weight to 8 bits per channel."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.fake_quantize_per_tensor_affine(x, 0.02, 3, 0, 255)
        zeros = torch.zeros(4, dtype=torch.int32)
        weight = torch.fake_quantize_per_channel_affine(self.weight, torch.full((4,), 0.02), zeros, 0, -128, 127)
        return nn.functional.linear(x, weight)


@pytest.mark.parametrize("again", [False, True], ids=["as it is", "exported again"])
def test_what_was_converted_can_be_converted_again(again: bool) -> None:
    """The second time at 16 bits, which has the accuracy of 16 bits but for the weights."""
    x, model = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0)), image_model()
    first = converted(graph_of(model, x), x, "8a8w")
    with pytest.warns(UserWarning, match=ANEW):
        second = converted(graph_of(first, x) if again else first, x, "16a8w")
    most = {node.args[4] for node in second.graph.nodes if "quantize_per_tensor" in str(node.target)}
    assert 2**16 - 1 in most
    assert 2**8 - 1 not in most, "no pair of the first conversion is left"
    torch.testing.assert_close(second(x), model(x), atol=0.01, rtol=0.01)


def test_a_range_that_an_activation_was_cut_to_stays() -> None:
    x, model = torch.randn(2, 8, generator=torch.Generator().manual_seed(0)), FakeQuantized()
    with pytest.warns(UserWarning, match=ANEW):
        graph = converted(graph_of(model, x), x, "16a8w")
    torch.testing.assert_close(graph(x), model(x), atol=0.05, rtol=0.02)
    assert not torch.allclose(nn.functional.linear(x, model.weight), model(x), atol=0.5), "cutting changes much"


def test_a_cut_is_written_once_for_one_range() -> None:
    class Viewed(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for shape in ((4, 2), (8,)):
                x = torch.fake_quantize_per_tensor_affine(x, 0.02, 3, 0, 255).reshape(shape)
            return torch.fake_quantize_per_tensor_affine(x, 0.01, 3, 0, 255)

    x = torch.randn(2, 4)
    graph = without_given(opened(graph_of(Viewed(), x)))
    assert [node.args[1:] for node in graph.graph.nodes if node.target is torch.ops.aten.clamp.default] == [
        (pytest.approx(-0.06), pytest.approx(5.04)),
        (pytest.approx(-0.03), pytest.approx(2.52)),
    ]
    torch.testing.assert_close(graph(x), Viewed()(x), atol=0.02, rtol=0)


class Integers(nn.Module):
    """Integers that come in, integers that go out, and channels with scales of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("scales", torch.linspace(0.05, 0.1, 4))
        self.register_buffer("zeros", torch.tensor([0, 1, 2, 3]))

    def forward(self, x: torch.Tensor, given: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        ops, channels = torch.ops.quantized_decomposed, (self.scales, self.zeros, 1, -128, 127, torch.int8)
        whole = ops.quantize_per_tensor.default(torch.relu(x), 0.1, 3, 0, 255, torch.uint8)
        read = ops.dequantize_per_tensor.default(given, 0.1, 3, -128, 127, torch.int8)
        rounded = ops.dequantize_per_channel.default(ops.quantize_per_channel.default(x, *channels), *channels)
        return whole, torch.relu(x) + read, rounded * 2


def test_quantizing_that_is_computed_with_is_read_as_the_arithmetic_that_it_is() -> None:
    """Strict: none of it is an op without facts, and casts alone are left to the CPU, with the rounding before them."""
    x, given = torch.randn(2, 4), torch.tensor([[1, -2, 3, 100]], dtype=torch.int8)
    transformed = SolveQuantizer("htp", "SM8750").transform_for_annotation(graph_of(Integers(), x, given))
    for made, wanted in zip(transformed(x, given), Integers()(x, given), strict=True):
        torch.testing.assert_close(made, wanted)
    found = solve(Integers(), (x, given))
    assert not found.unverified and not found.notes
    ops = {node.target for node in found.nodes if node.placement.value == "cpu"}
    assert ops == {"aten.round.default", "aten.to.dtype"}


def test_integers_that_are_read_as_such_stay() -> None:
    class Read(nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            whole = torch.ops.quantized_decomposed.quantize_per_tensor.default(x, 0.1, 0, -128, 127, torch.int8)
            back = torch.ops.quantized_decomposed.dequantize_per_tensor.default(whole, 0.1, 0, -128, 127, torch.int8)
            return whole, back + 1

    x = torch.randn(2, 4)
    graph = without_given(opened(graph_of(Read(), x)))
    whole, back = graph(x)
    assert torch.equal(whole, Read()(x)[0])
    torch.testing.assert_close(back, x + 1)
    assert notes_of(graph) == (f"{ANEW}: without dequantize_per_tensor",)


def saved(graph: nn.Module, x: torch.Tensor, path: Path) -> Any:
    torch.export.save(torch.export.export(graph, (x,)), path)
    return load_model(locate(str(path), "model", (".pt2",))).model


def test_a_saved_program_that_was_converted(tmp_path: Path) -> None:
    x, model = torch.randn(1, 3, 8, 8), image_model()
    program = saved(converted(graph_of(model, x), x, "8a8w"), x, tmp_path / "m.pt2")
    assert solve(program).notes[0].startswith(ANEW)


def test_weights_that_torchao_quantized(tmp_path: Path) -> None:
    """``quantize_`` leaves tensors of classes of its own, which keep integers and scales within."""
    x, model = torch.randn(2, 8), nn.Sequential(nn.Linear(8, 8), nn.ReLU())
    wanted = model(x)
    quantize_(model, Int8WeightOnlyConfig())
    torch.testing.assert_close(converted(graph_of(model, x), x, "16a8w")(x), wanted, atol=0.03, rtol=0.03)
    assert not solve(saved(model, x, tmp_path / "m.pt2")).unverified
