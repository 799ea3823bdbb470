"""Clamps whose bounds the compiler would lose are a maximum and a minimum; all others stay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from qnnsolve.rewriting.clips import part_clips
from tests.rewriting.exporting import X, exported, targets

KERNEL = torch.ones(4, 4, 1)


@pytest.mark.parametrize(
    ("compute", "everywhere", "past_the_end"),
    [
        (lambda x: (x * 2).clamp(0.1, 0.5), True, True),
        (lambda x: (x * 2).clamp(-0.5, -0.1), True, True),
        (lambda x: (x * 2).clamp(min=0.1), True, True),
        (lambda x: (x * 2).clamp(-0.3, 0.3), False, True),
        (lambda x: torch.nn.functional.relu6(x + 1), False, True),
        (lambda x: torch.nn.functional.hardtanh(x * 2), False, True),
        (lambda x: (x * 2).clamp(min=-0.3), False, False),
        (lambda x: torch.nn.functional.conv1d(x, KERNEL).clamp(-0.3, 0.3), False, False),
    ],
)
def test_clamps_keep_their_bounds(compute: Callable[..., Any], everywhere: bool, past_the_end: bool) -> None:
    for wide, apart in ((False, everywhere), (True, past_the_end)):
        module = exported(compute, (X,))
        rewritten = part_clips(module, wide)
        torch.testing.assert_close(rewritten(X), compute(X))
        assert bool(targets(rewritten) & {"aten.maximum.default", "aten.minimum.default"}) == apart
