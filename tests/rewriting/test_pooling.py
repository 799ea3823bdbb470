"""Poolings are written as those that come out right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from qnnsolve.quantizer import SolveQuantizer
from qnnsolve.rewriting.replacements import replace
from tests.rewriting.exporting import IMAGE, X, exported


@pytest.mark.parametrize(
    ("pool", "dims"),
    [
        (nn.functional.max_pool2d, 2),
        (nn.functional.avg_pool2d, 2),
        (nn.functional.max_pool3d, 3),
        (nn.functional.avg_pool3d, 3),
    ],
)
def test_a_stride_that_is_left_out_is_written_down(pool: Callable[..., torch.Tensor], dims: int) -> None:
    module = exported(lambda x: pool(x, 2), (X.reshape(1, 1, *[4] * 3) if dims == 3 else X.reshape(1, 1, 8, 8),))
    strides = [list(node.args[2]) for node in replace(module).graph.nodes if "pool" in str(node.target)]
    assert strides == [[2] * dims]


@pytest.mark.parametrize(
    "function",
    [
        lambda x: nn.functional.avg_pool2d(x, 4),
        lambda x: nn.functional.avg_pool2d(x, 6, 6, 3, count_include_pad=False),
        lambda x: nn.functional.avg_pool2d(x, 4, ceil_mode=True, divisor_override=16),
        lambda x: nn.functional.adaptive_avg_pool2d(x, 3),
    ],
)
def test_an_average_over_even_regions_side_by_side_is_taken_in_two(function: Callable[..., torch.Tensor]) -> None:
    module = replace(exported(function, (IMAGE,)))
    kernels = [list(node.args[1]) for node in module.graph.nodes if "pool" in str(node.target)]
    assert [sorted(kernel)[0] for kernel in kernels] == [1, 1]
    torch.testing.assert_close(module(IMAGE), function(IMAGE))


@pytest.mark.parametrize(
    "compute",
    [
        lambda x: nn.functional.avg_pool2d(x, 2, padding=1),
        lambda x: nn.functional.avg_pool2d(x, 4, padding=2),
        lambda x: nn.functional.avg_pool2d(x, (5, 2), padding=(2, 0)),
        lambda x: nn.functional.avg_pool2d(x, 2, padding=1, ceil_mode=True),
        lambda x: nn.functional.avg_pool1d(x[0, 0], 4, padding=2),
    ],
)
def test_averages_side_by_side_do_not_count_padding_of_their_own(compute: Callable[..., Any]) -> None:
    rewritten = replace(exported(compute, (IMAGE,)))
    torch.testing.assert_close(rewritten(IMAGE), compute(IMAGE))
    pools = [node for node in rewritten.graph.nodes if "avg_pool" in str(node.target)]
    assert pools
    assert all(node.args[5] is False for node in pools)


@pytest.mark.parametrize(
    ("compute", "placed"),
    [
        (lambda x: nn.functional.avg_pool2d(x, 3, padding=1), "cpu"),
        (lambda x: nn.functional.avg_pool2d(x, 3, padding=1, count_include_pad=False), "cpu"),
        (lambda x: nn.functional.avg_pool1d(x[0], 3, padding=1), "cpu"),
        (lambda x: nn.functional.avg_pool2d(x, 3, 2, padding=1), "npu"),
        (lambda x: nn.functional.avg_pool2d(x, 5, padding=2), "npu"),
    ],
)
def test_averages_that_take_no_notice_of_padding_stay_on_the_cpu(compute: Callable[..., Any], placed: str) -> None:
    quantizer = SolveQuantizer()
    module = exported(compute, (IMAGE,))
    quantizer.annotate(quantizer.transform_for_annotation(module))
    assert quantizer.result is not None
    pools = [node for node in quantizer.result.nodes if "avg_pool" in node.target]
    assert {node.placement.value for node in pools} == {placed}
