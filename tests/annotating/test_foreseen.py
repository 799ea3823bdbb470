"""What is poor is said where ``convert_pt2e`` is called, as an export's report says it."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from qnnsolve import SolveQuantizer
from qnnsolve.annotating.foreseen import foreseen
from qnnsolve.verification.unquantized import without_observers
from qnnsolve.verification.verify import converted_checks

Samples = list[tuple[torch.Tensor, ...]]


class Net(nn.Module):
    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: torch.Tensor) -> Any:
        return self.function(*inputs)


class Streaming(nn.Module):
    past: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)
        self.register_buffer("past", torch.zeros(4, 8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.past.copy_(torch.cat([self.past[1:], x[:1]]))
        found: torch.Tensor = self.linear(self.past) + self.past
        return found


def draws(count: int = 2, *shape: int) -> Samples:
    generator = torch.Generator().manual_seed(1)
    return [(torch.randn(*(shape or (8, 32)), generator=generator),) for _ in range(count)]


def low_rows(x: torch.Tensor) -> torch.Tensor:
    """Each row of scores lies in a range of its own, far below the one before."""
    return torch.softmax(x - 100.0 * torch.arange(x.shape[0])[:, None], -1)


def prepared_with(model: nn.Module, samples: Samples, precision: str) -> torch.fx.GraphModule:
    quantizer = SolveQuantizer("htp", "SM8750", strict=False, precision=precision)
    prepared: torch.fx.GraphModule = prepare_pt2e(torch.export.export(model.eval(), samples[0]).module(), quantizer)
    for sample in samples:
        prepared(*sample)
    return prepared


@pytest.mark.parametrize("precision", ["8a8w", "16a8w", "16a4w", "16a4w_block", "16a2w"])
@pytest.mark.parametrize(
    "build",
    [
        lambda: nn.Sequential(nn.Linear(32, 32), nn.Softmax(-1)),
        lambda: nn.Sequential(nn.Unflatten(-1, (2, 16)), nn.Conv1d(2, 4, 3), nn.ReLU()),
        lambda: Net(low_rows),
        lambda: Net(lambda x: (x.exp(), x.argmax(-1), torch.cat([x, x * 1e4], -1))),
    ],
)
def test_it_is_what_the_converted_model_has(build: Callable[[], nn.Module], precision: str) -> None:
    torch.manual_seed(0)
    samples = draws()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        prepared = prepared_with(build(), samples, precision)
        original = without_observers(prepared)
        early = {check.index: check.sqnr for check in foreseen(prepared, samples)}
        after = {check.index: check.sqnr for check in converted_checks(convert_pt2e(prepared), original, samples)}
    assert early
    for index, sqnr in early.items():
        assert sqnr.together == pytest.approx(after[index].together, abs=0.05)
        assert sqnr.worst == pytest.approx(after[index].worst, abs=0.05)


def test_a_softmax_of_rows_that_lie_low_is_called_poor() -> None:
    prepared = prepared_with(Net(low_rows), draws(), "8a8w")
    poor = (
        r"POOR: output 0 has \d\.\d dB over 2 samples .* when converted, less than 20 dB\n  to try: 16-bit activations"
    )
    with pytest.warns(UserWarning, match=poor) as caught:
        convert_pt2e(prepared)
    assert [each.filename for each in caught] == [__file__]


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # torch copies its own tree specs the old way
def test_a_copy_of_a_prepared_model_says_so_too() -> None:
    prepared = copy.deepcopy(prepared_with(Net(low_rows), draws(), "8a8w"))
    with pytest.warns(UserWarning, match="POOR: output 0"):
        convert_pt2e(prepared)


def test_parts_that_one_encoding_does_not_fit_are_said() -> None:
    prepared = prepared_with(Net(lambda x: torch.cat([x, x * 1e5], -1)), draws(), "8a8w")
    with pytest.warns(UserWarning, match=r"Joined under one encoding .*\n.*\n.*dB \(alone"):
        convert_pt2e(prepared)


def test_nothing_is_said_where_nothing_is_poor_and_states_stay() -> None:
    model = Streaming()
    prepared = prepared_with(model, draws(3, 4, 8), "16a8w")
    before = {name: value.clone() for name, value in prepared.named_buffers() if "past" in name}
    assert before
    foreseen(prepared, draws(2, 4, 8))
    assert all(torch.equal(dict(prepared.named_buffers())[name], value) for name, value in before.items())
    convert_pt2e(prepared)  # a warning would be an error


def test_inputs_of_integers_alone_are_followed() -> None:
    torch.manual_seed(0)
    embedding = nn.Sequential(nn.Embedding(8, 8), Net(lambda x: low_rows(x[0])))
    prepared = prepared_with(embedding, [(torch.randint(0, 8, (1, 8)),)], "8a8w")
    with pytest.warns(UserWarning, match="POOR: output 0"):
        convert_pt2e(prepared)
