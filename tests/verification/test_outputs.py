"""What is told of outputs from the graph, and how they are flattened."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from qnnsolve.quantizer import SolveQuantizer
from qnnsolve.verification.emulator import run_on_emulator
from qnnsolve.verification.outputs import quantized_outputs, random_outputs
from qnnsolve.verification.verify import outputs_of


class Noise(torch.nn.Module):
    """Outputs beside, behind and away from random numbers, and one that reads a buffer which they are written to."""

    kept: torch.Tensor
    fixed: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kept", torch.zeros(3))
        self.register_buffer("fixed", torch.ones(3))

    def forward(self, x: torch.Tensor) -> Sequence[torch.Tensor]:
        earlier = self.kept * x
        noise = torch.rand_like(x)
        self.kept.copy_(noise[0])
        fixed = F.dropout(x, 0.5, training=False), F.scaled_dot_product_attention(x, x, x)
        return x * self.fixed, (noise + x).relu(), F.dropout(x, 0.5), earlier, *fixed


def test_what_hangs_on_random_numbers_is_told_by_the_graph() -> None:
    graph = torch.export.export(Noise(), (torch.rand(2, 3),)).module()
    assert random_outputs(graph) == {1, 2, 3}
    assert random_outputs(Noise()) == frozenset(), "no graph"


def test_an_output_behind_weights_alone_is_quantized_and_one_beside_is_not() -> None:
    class Two(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = torch.nn.Linear(8, 4)

        def forward(self, x: torch.Tensor, n: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return self.linear(x), n + 1

    inputs = (torch.randn(2, 8), torch.arange(4))
    prepared = prepare_pt2e(torch.export.export(Two().eval(), inputs).module(), SolveQuantizer("htp", strict=False))
    prepared(*inputs)
    assert quantized_outputs(convert_pt2e(prepared)) == frozenset({0})
    assert quantized_outputs(Two()) is None, "no graph"


def test_none_beside_tensors_is_nothing_to_compare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextlib.contextmanager
    def started(module: str, jobs: list[tuple[dict[str, str], Path]], **_: object) -> Iterator[Callable[..., object]]:
        torch.save([[torch.ones(2), None, 3]], jobs[0][0]["outputs"])
        yield lambda *_: {"load": 0.0, "seconds": [0.0]}

    monkeypatch.setattr("qnnsolve.verification.emulator.child.started", started)
    (outputs,) = run_on_emulator(tmp_path / "model.pte", [(torch.ones(2),)]).outputs
    assert [leaf.tolist() for leaf in outputs] == [[1, 1], 3]


def test_outputs_are_flattened_as_the_runtime_does() -> None:
    def model(x: torch.Tensor) -> dict[str, Sequence[torch.Tensor]]:
        return {"first": [x, x + 1], "second": (x + 2,)}

    assert [float(leaf) for leaf in outputs_of(model, (torch.tensor(1.0),))] == [1, 2, 3]


def test_a_model_that_writes_to_its_inputs_leaves_the_samples_as_they_are() -> None:
    def writes(x: torch.Tensor, more: dict[str, torch.Tensor]) -> torch.Tensor:
        more["y"].mul_(0)
        return x.add_(1)

    x, y = torch.zeros(3), torch.ones(2)
    assert [outputs_of(writes, (x, {"y": y}))[0].tolist() for _ in range(2)] == [[1.0, 1.0, 1.0]] * 2
    assert (float(x.sum()), float(y.sum())) == (0.0, 2.0)
