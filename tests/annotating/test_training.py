"""Quantization-aware training: norms are folded, gradients flow, and what is trained is what the chip computes."""

from __future__ import annotations

from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
import torch
import torchao
from executorch.backends.qualcomm.quantizer.quantizer import QuantDtype
from torch import nn
from torch.nn import functional
from torchao.quantization.pt2e import FakeQuantize, MinMaxObserver
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_qat_pt2e

from qnnsolve import SolveQuantizer
from qnnsolve.annotating.accumulators import Accumulator
from qnnsolve.annotating.scales import Scaled
from qnnsolve.errors import UnsatisfiableError
from qnnsolve.lowering.lower import lower
from qnnsolve.verification.verify import verify
from tests.nets import seeded

SAMPLE = (torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)),)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16)
        self.second, self.other = nn.Conv2d(16, 16, 3, padding=1, groups=16, bias=False), nn.BatchNorm2d(16)
        self.classify = nn.Linear(16, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = torch.relu(self.norm(self.first(x)))
        hidden = functional.relu6(self.other(self.second(hidden))) + hidden
        classes: torch.Tensor = self.classify(hidden.mean((2, 3)))
        return classes


def trained(dtype: QuantDtype, soc: str, steps: int = 2, **settings: Any) -> tuple[SolveQuantizer, Any]:
    quantizer = SolveQuantizer("htp", soc)
    quantizer.set_default_quant_config(dtype, is_qat=True, **settings)
    graph = torch.export.export(seeded(Net).train(), SAMPLE).module()
    prepared = torchao.quantization.pt2e.move_exported_model_to_train(prepare_qat_pt2e(graph, quantizer))
    optimizer = torch.optim.SGD(prepared.parameters(), lr=0.05)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = functional.cross_entropy(prepared(*SAMPLE), torch.tensor([0, 1, 2, 3]))
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return quantizer, torchao.quantization.pt2e.move_exported_model_to_eval(prepared)


def test_every_weight_is_trained_and_nothing_before_a_norm_is_quantized() -> None:
    _, prepared = trained(QuantDtype.use_16a4w, "SM8750", is_conv_per_channel=True)
    weights = [each for each in prepared.parameters() if each.dim() > 1]
    assert len(weights) == 3 and all(each.grad is not None and each.grad.abs().max() > 0 for each in weights)
    norms = [node for node in prepared.graph.nodes if "batch_norm" in str(node.target)]
    before = [node for norm in norms for node in norm.args[0].all_input_nodes or [norm.args[0]]]
    assert len(norms) == 2 and not [node for node in before if isinstance(called(prepared, node), FakeQuantize)]


def called(graph: Any, node: Any) -> Any:
    return graph.get_submodule(node.target) if node.op == "call_module" else node.target


def test_every_encoding_is_trained_with_fake_quantization() -> None:
    _, prepared = trained(QuantDtype.use_8a8w, "SM8750", steps=1)
    fakes = [module for module in prepared.modules() if isinstance(module, FakeQuantize)]
    assert len(fakes) > 8
    assert {type(fake.activation_post_process).__name__ for fake in fakes} == {"MovingAverageMinMaxObserver"}


def test_the_observer_that_a_script_picks_is_trained_with() -> None:
    _, prepared = trained(QuantDtype.use_8a8w, "SM8750", steps=1, act_observer=MinMaxObserver)
    found = {
        type(module.activation_post_process).__name__
        for module in prepared.modules()
        if isinstance(module, FakeQuantize)
    }
    assert found == {"MinMaxObserver", "MovingAverageMinMaxObserver"}, "of activations, and of weights"


def test_a_config_that_training_cannot_have_is_refused() -> None:
    with pytest.raises(RuntimeError, match="is not support"):
        SolveQuantizer().set_default_quant_config(QuantDtype.use_16a16w, is_qat=True)
    quantizer = SolveQuantizer()
    quantizer.set_default_quant_config(QuantDtype.use_8a8w, is_qat=True)
    quantizer.set_block_size_map({"conv2d": (1, 3, 1, 1)})
    with pytest.raises(UnsatisfiableError, match="set_block_size_map"):
        prepare_qat_pt2e(torch.export.export(seeded(Net), SAMPLE).module(), quantizer)


@pytest.mark.slow  # torchao exports about a hundred patterns to fold norms
@pytest.mark.parametrize(
    ("dtype", "soc", "settings"),
    [
        (QuantDtype.use_8a8w, "SM8350", {"is_conv_per_channel": True, "is_linear_per_channel": True}),
        (QuantDtype.use_16a8w, "SM8750", {"is_conv_per_channel": True, "is_linear_per_channel": True}),
        (QuantDtype.use_8a8w, "SM8750", {}),
    ],
)
def test_norms_are_folded_after_training_and_the_emulator_computes_what_was_trained(
    dtype: QuantDtype, soc: str, settings: dict[str, bool], tmp_path: Path
) -> None:
    quantizer, prepared = trained(dtype, soc, **settings)
    expected = biases_that_fit(prepared)
    converted = convert_pt2e(prepared)
    assert [node.name for node in converted.graph.nodes if "norm" in str(node.target)] == []
    assert quantizer.cpu_nodes == frozenset()
    convolutions = [node for node in converted.graph.nodes if "conv2d" in str(node.target)]
    for node in convolutions:
        assert all("dequantize" in str(each.target) for each in node.args[:3]), "the bias, too"
        (user,) = node.users
        assert "quantize_per_tensor" in str(user.target) or "relu" in str(user.target)
    for node in convolutions if dtype is QuantDtype.use_16a8w else ():  # steps of 8 bits hide it
        steps, scale = (attrgetter(each.target)(converted) for each in node.args[2].args[:2])
        found = (steps * scale).abs().float()
        assert any(each.shape == found.shape and torch.allclose(each, found, atol=1e-5) for each in expected)
    out = tmp_path / "model.pte"
    lowered = lower(converted, SAMPLE, soc=soc, fp16=False, cpu_nodes=quantizer.cpu_nodes, out=out)
    assert (lowered.delegates, [op.name for op in lowered.cpu_ops if "border" not in op.reason]) == (1, [])
    verified = verify(out, converted, converted, [SAMPLE])
    assert verified.agrees and verified.emulator_vs_converted_max_rel < 0.02


def biases_that_fit(prepared: Any) -> list[torch.Tensor]:
    """What bounds the scale of each weight: the bias after folding, as it stands when training ends."""
    observers = [getattr(module, "activation_post_process", None) for module in prepared.modules()]
    weights = [each for each in observers if isinstance(each, Scaled) and each.accumulators]
    bounds = [bound for each in weights for bound in each.accumulators if isinstance(bound, Accumulator)]
    expected = [bound.bias() for bound in bounds if bound.bias is not None]
    assert len(weights) == 3 and len(expected) == 3 and any(bound.results for bound in bounds)
    return expected
