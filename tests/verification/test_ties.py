"""A step that decides between two indices or at a threshold is rounding; any other index or number is none."""

from __future__ import annotations

import functools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from qnnsolve.results import OutputCheck, Verdict
from qnnsolve.verification.comparison import compare
from qnnsolve.verification.outputs import output_grids, output_leaves
from qnnsolve.verification.ties import undecided
from qnnsolve.verification.verify import outputs_of
from tests.converted import converted_net

FORMS: dict[str, Callable[[Tensor], Tensor]] = {
    "argmax": lambda x: x.argmax(1),
    "argmin of all": lambda x: x.argmin(),
    "min indices": lambda x: x.min(1).indices,
    "max indices kept": lambda x: x.max(2, keepdim=True).indices,
    "topk indices": lambda x: x.topk(3, 1).indices,
    "sort indices": lambda x: x.sort(2).indices,
    "turned": lambda x: x.argmax(2).t().unsqueeze(0),
    "round": lambda x: (x * 4).round_(),
    "floor to integers": lambda x: (x * 2).floor().to(torch.int32),
    "ceil": lambda x: (x * 3).ceil() * 0.5,
    "sign": lambda x: x.sign(),
    "greater": lambda x: x > 0.1,
    "where": lambda x: torch.where(x < 0.2, x, x + 1),
}


class Forms(nn.Module):
    """All of them, each an output of its own."""

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return tuple(form(x) for form in FORMS.values())


@functools.cache
def model() -> tuple[torch.fx.GraphModule, Tensor, float]:
    """Converted at 8 bits; its sample, and the step of its input."""
    x = torch.randn(4, 24, 6, generator=torch.Generator().manual_seed(3))
    converted = converted_net(Forms, [(x,)], "8a8w")
    first = next(node for node in converted.graph.nodes if "quantize_per_tensor" in str(node.target))
    return converted, x, float(first.args[1])


def judged(name: str, got: Tensor) -> OutputCheck:
    """The verdict on one output alone, where the converted model is as exact as the float one: nothing else excuses."""
    converted, x, _ = model()
    index = list(FORMS).index(name)
    grid, leaf = output_grids(converted)[index], output_leaves(converted)[index]
    want = outputs_of(converted, (x,))[index]

    def ties(_: int, mine: object) -> list[Tensor] | None:
        return undecided(converted, leaf, [(x,)], [got], grid.scale if grid else 0.0)

    return compare([[got]], [[want]], [[want]], tolerance=0.0, grids=[grid], undecided=ties).outputs[0]


def a_step_off(name: str, seed: int) -> Tensor:
    """What comes out where some inputs are a step higher."""
    converted, x, step = model()
    off = torch.rand(x.shape, generator=torch.Generator().manual_seed(seed)) * 0.99 * step
    return outputs_of(converted, (x + off,))[list(FORMS).index(name)]


@pytest.mark.parametrize("name", FORMS)
def test_a_step_of_the_input_is_rounding(name: str) -> None:
    checks = [judged(name, a_step_off(name, seed)) for seed in range(6)]
    assert Verdict.DISAGREES not in {check.verdict for check in checks}


TIES = ("argmax", "max indices kept", "turned", "round", "greater", "where")


@pytest.mark.parametrize("name", TIES)
def test_without_them_some_would_disagree(name: str) -> None:
    """So that the test above can fail."""
    assert any(judged(name, a_step_off(name, seed)).tied for seed in range(12))


@pytest.mark.parametrize("name", FORMS)
def test_another_place_or_number_is_a_disagreement(name: str) -> None:
    converted, x, _ = model()
    want = outputs_of(converted, (x,))[list(FORMS).index(name)]
    others = (
        [want + 1, want.flatten().flip(0).reshape(want.shape) if want.dim() else want + 2]
        if want.dtype != torch.bool
        else [~want]
    )
    for got in others:
        assert judged(name, got).verdict is Verdict.DISAGREES


def test_one_index_that_is_no_tie_is_enough() -> None:
    """Beside ties: the least value's place where the largest one's is asked for."""
    _, x, _ = model()
    got = a_step_off("argmax", 1)
    got[0, 0] = x[0, :, 0].argmin()
    assert judged("argmax", got).verdict is Verdict.DISAGREES


def test_indices_beyond_the_end_and_twice_the_same_are_no_ties() -> None:
    converted, x, _ = model()
    want = outputs_of(converted, (x,))[list(FORMS).index("topk indices")]
    twice = want.clone()
    twice[:, 1] = twice[:, 0]
    assert judged("topk indices", twice).verdict is Verdict.DISAGREES
    assert judged("argmax", outputs_of(converted, (x,))[0] - 100).verdict is Verdict.DISAGREES
