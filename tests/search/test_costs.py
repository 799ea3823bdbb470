"""What a config costs, against a count by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from qnnsolve.search.costs import COSTS, costs
from qnnsolve.search.spaces import Space
from tests.nets import Attention, ConvNet, seeded
from tests.search.spaced import draws, spaced


class Net(nn.Module):
    def __init__(self, function: Callable[..., Any], **parts: nn.Module) -> None:
        super().__init__()
        self.function = function
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, *inputs: torch.Tensor) -> Any:
        return self.function(self, *inputs)


def count(space: Space, name: str) -> dict[str, float]:
    """Of a uniform config."""
    (uniform,) = (each for each in space.uniforms if each.name == name)
    return {measure.name: measure.of(uniform.solution.encodings) for measure in costs(space)}


CASES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], int, int, int]] = {
    # By name: a network of one op, its input, multiplications, numbers of its weight, numbers of its output.
    "conv": (lambda: nn.Conv2d(3, 8, 3), (1, 3, 8, 8), 8 * 36 * 27, 8 * 27, 8 * 36),
    "batch": (lambda: nn.Conv2d(3, 8, 3), (2, 3, 8, 8), 2 * 8 * 36 * 27, 8 * 27, 2 * 8 * 36),
    "strided": (lambda: nn.Conv2d(3, 8, 3, stride=2), (1, 3, 9, 9), 8 * 16 * 27, 8 * 27, 8 * 16),
    "groups": (lambda: nn.Conv2d(4, 8, 3, groups=2), (1, 4, 8, 8), 8 * 36 * 18, 8 * 18, 8 * 36),
    "depthwise": (lambda: nn.Conv2d(4, 4, 3, groups=4), (1, 4, 8, 8), 4 * 36 * 9, 4 * 9, 4 * 36),
    "transposed": (lambda: nn.ConvTranspose2d(3, 8, 2, stride=2), (1, 3, 8, 8), 3 * 64 * 8 * 4, 96, 8 * 256),
    "transposed groups": (
        lambda: nn.ConvTranspose2d(4, 6, 2, stride=2, groups=2), (1, 4, 8, 8), 4 * 64 * 3 * 4, 4 * 3 * 4, 6 * 256,
    ),
    "linear": (lambda: nn.Linear(16, 5), (3, 16), 3 * 16 * 5, 80, 15),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_an_op_counts_as_by_hand(case: str) -> None:
    make, shape, products, weights, numbers = CASES[case]
    _, space = spaced(make(), draws(1, *shape)[0], "8a8w,16a8w")
    for name, bits in (("8a8w", 8), ("16a8w", 16)):
        amounts = count(space, name)
        assert tuple(amounts) == COSTS
        assert amounts["bit-ops"] == products * bits * 8
        assert amounts["weights"] == weights
        assert amounts["weight-bits"] == pytest.approx(8)
        assert amounts["activations"] >= numbers * bits // 8
        assert amounts["wide-ops"] == pytest.approx(float(bits > 8))
        assert amounts["converts"] == 0


def test_a_matrix_product_counts_as_by_hand() -> None:
    net = Net(lambda _, x, y: x @ y)
    inputs = (torch.randn(2, 3, 4), torch.randn(2, 4, 5))
    amounts = count(spaced(net, inputs, "8a8w,16a8w")[1], "8a8w")
    assert amounts["bit-ops"] == 2 * 3 * 5 * 4 * 64
    assert amounts["weights"] == amounts["weight-bits"] == 0
    assert amounts["activations"] == 2 * 3 * 5


def test_a_square_counts_once_per_number() -> None:
    space = spaced(Net(lambda _, x: x @ x), (torch.randn(2, 4, 4),), "8a8w,16a8w")[1]
    (read,) = (site for site in space.choices if site.user == "matmul")
    bits = space.uniforms[0].solution.encodings[read].bits
    assert count(space, "8a8w")["bit-ops"] == 2 * 4 * 4 * 4 * bits**2


def test_four_bits_halve_the_weights() -> None:
    space = spaced(nn.Linear(16, 5), (torch.randn(3, 16),), "16a8w,16a4w")[1]
    assert count(space, "16a4w")["weights"] == 40
    assert count(space, "16a4w")["weight-bits"] == pytest.approx(4)
    assert count(space, "16a4w")["bit-ops"] == 3 * 80 * 16 * 4


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(8, 8, bias=False), nn.Linear(8, 8, bias=False)
        self.second.weight = self.first.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.second(torch.relu(self.first(x)))
        return found


def test_a_weight_with_two_readers_counts_once_in_one_encoding_and_twice_in_two() -> None:
    space = spaced(Tied(), (torch.randn(3, 8),), "16a8w,16a4w")[1]
    measure = next(each for each in costs(space) if each.name == "weights")
    wide, narrow = (dict(each.solution.encodings) for each in space.uniforms)
    assert measure.of(wide) == 64
    assert measure.of(narrow) == 32
    readers = sorted((site for site in wide if site.user.startswith("linear") and "weight" in site.node), key=str)
    assert len(readers) == 2
    assert measure.of({**wide, readers[1]: narrow[readers[1]]}) == 64 + 32


@pytest.mark.parametrize("net", [ConvNet, Attention])
def test_converts_are_those_of_the_solution(net: type[nn.Module]) -> None:
    shape = (1, 3, 16, 16) if net is ConvNet else (1, 4, 16)
    fixed = "linear=16a8w"
    space = spaced(seeded(net), draws(1, *shape)[0], "8a8w,16a8w", fixed=fixed)[1]
    found = [count(space, each.name)["converts"] for each in space.uniforms]
    assert found == [len(each.solution.converts) for each in space.uniforms]
    assert max(found) > 0


def test_a_convert_counts_its_bytes() -> None:
    both = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8))
    space = spaced(both, (torch.randn(3, 8),), "8a8w,16a8w", fixed="linear_1=16a8w")[1]
    (narrow,) = (each for each in space.uniforms if each.name == "8a8w")
    amounts = count(space, "8a8w")
    (convert,) = narrow.solution.converts
    outputs = [site for site in space.choices if not site.user and site.node in ("linear", "relu", "linear_1")]
    written = sum(3 * 8 * narrow.solution.encodings[site].bits // 8 for site in outputs)
    assert amounts["converts"] == 1
    assert amounts["activations"] == written + 3 * 8 * convert.target.bits // 8
