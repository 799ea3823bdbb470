"""Ops by their second names are the first ones' equals, on the accelerator too."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torchao.quantization.pt2e.quantize_pt2e import prepare_pt2e

from benchmarks.sweep.form import Form
from benchmarks.sweep.forms import all_forms
from qnnsolve import SolveQuantizer
from qnnsolve.facts.fx import target_name
from qnnsolve.rewriting.aliases import FIRST_NAMES, first_names

STAY = {"name special erf", "name special sinc"}
"""Of the forms, those whose op by its first name has no builder either."""


def _types(target: Any) -> list[str]:
    return [str(each.type) for each in target._schema.arguments]


@pytest.mark.parametrize("second", FIRST_NAMES, ids=str)
def test_both_take_the_same_arguments(second: Any) -> None:
    first = FIRST_NAMES[second]
    assert _types(second) == _types(first)[: len(_types(second))]


def test_a_first_name_is_no_second_one() -> None:
    assert not set(FIRST_NAMES) & set(FIRST_NAMES.values())


def test_numbers_stay_numbers() -> None:
    class Model(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
            return torch.greater(x, 0.5), torch.special.round(x, decimals=1), torch.special.softmax(x, -1)

    sample = torch.rand(2, 5, generator=torch.Generator().manual_seed(0))
    graph = torch.export.export(Model(), (sample,)).module()
    wanted = graph(sample)
    got = first_names(graph)(sample)
    found = [target_name(node.target) for node in graph.graph.nodes if node.op == "call_function"]
    assert found == ["aten.gt.Scalar", "aten.round.decimals", "aten.softmax.int"]
    assert all(map(torch.equal, got, wanted))


@pytest.mark.filterwarnings("ignore::UserWarning")  # of torch, in exporting and in one of ExecuTorch's passes
@pytest.mark.parametrize(
    "form", [form for form in all_forms().values() if form.family == "names"], ids=lambda f: f.name
)
def test_each_is_on_the_accelerator(form: Form) -> None:
    graph = torch.export.export(form.module(), form.samples()[0]).module()
    wanted = graph(*form.samples()[0])
    quantizer = SolveQuantizer("htp", "SM8350", strict=False, precision="16a8w")
    prepared = prepare_pt2e(graph, quantizer)
    assert quantizer.result is not None
    on_cpu = [node.target for node in quantizer.result.nodes if node.placement.value == "cpu"]
    assert bool(on_cpu) == (form.name in STAY), on_cpu
    got = prepared(*form.samples()[0])
    wanted, got = (each if isinstance(each, tuple | list) else (each,) for each in (wanted, got))
    for mine, other in zip(got, wanted, strict=True):
        torch.testing.assert_close(mine, other)
