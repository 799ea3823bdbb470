"""Whether an emulator's difference is rounding: ``python -m benchmarks.rounding bert SM8750 8a8w [--seeds N]``.

Op by op, the emulator rounds a share of an output's values one step apart from torch (:mod:`benchmarks.local_error`).
Here torch runs the converted model alone and moves the same share of each op's values by one step, up or down at
random. What that does to the model's output is what rounding alone does: printed beside it is the emulator's own
difference. Both are largest errors, in percent of the range of the converted model's first output. ``--share 0.025``
assumes a share instead of measuring it.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.fx import GraphModule, Interpreter
from torch.utils import _pytree as pytree

from benchmarks.local_error import EXAMPLES, compared, converted_example, emulated
from qnnsolve.verification.taps import taps


class Rounding(Interpreter):
    """Runs a converted model, and moves a share of what each quantize node in ``shares`` yields by one step."""

    def __init__(self, module: GraphModule, shares: Mapping[Any, float], seed: int) -> None:
        super().__init__(module)
        self.shares = shares
        self.generator = torch.Generator().manual_seed(seed)

    def run_node(self, node: Any) -> Any:
        """What ``node`` yields, a share of it one step off where it quantizes."""
        value = super().run_node(node)
        share = self.shares.get(node, 0.0)
        if not share:
            return value
        chance = torch.rand(value.shape, generator=self.generator)
        step = (chance < share / 2).int() - (chance > 1 - share / 2).int()
        lowest, highest = (int(bound) for bound in node.args[3:5])
        return (value.int() + step).clamp(lowest, highest).to(value.dtype)


def errors_of_rounding(
    module: GraphModule, inputs: tuple[Any, ...], shares: Sequence[float], seeds: int
) -> list[float]:
    """The largest relative error of the first output, one per seed; ``shares`` has one per quantized tensor."""
    by_node = dict(zip(taps(module), shares, strict=True))
    exact = pytree.tree_leaves(module(*inputs))[0]
    runs = (Rounding(module, by_node, seed).run(*inputs) for seed in range(seeds))
    return [relative(pytree.tree_leaves(moved)[0], exact) for moved in runs]


def relative(values: torch.Tensor, exact: torch.Tensor) -> float:
    """The largest error over the range of ``exact``."""
    return float((values - exact).abs().max() / (exact.max() - exact.min()))


def main() -> None:
    """Print the emulator's error, and what rounding alone does over all seeds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=EXAMPLES)
    parser.add_argument("soc")
    parser.add_argument("precision")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--share", type=float, help="of the values that are one step apart, for every op")
    options = parser.parse_args()
    both, inputs = converted_example(options.model, options.soc, options.precision)
    module = both.converted
    with torch.no_grad():
        errors = () if options.share is not None else compared(both, inputs, options.soc)
        shares = [error.apart for error in errors] or [options.share] * len(taps(module))
        output = emulated(module, inputs, options.soc)[0]
        exact = pytree.tree_leaves(module(*inputs))[0]
        alone = sorted(errors_of_rounding(module, inputs, shares, options.seeds))
    print(
        f"{options.model} {options.soc} {options.precision}: emulator {relative(output, exact):.2%}; "
        f"one step in {sum(shares) / len(shares):.1%} of the values alone {alone[0]:.2%} to {alone[-1]:.2%}"
    )
    for error in errors:
        steps = error.check.max_abs / error.scale
        if steps > 1.5:
            print(f"  {error.node.name} ({error.node.target}): up to {steps:.1f} steps")


if __name__ == "__main__":
    main()
