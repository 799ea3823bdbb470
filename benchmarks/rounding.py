"""Whether an emulator's difference is rounding: ``python -m benchmarks.rounding vit SM8750 8a8w [--seeds N]``.

Op by op, the emulator rounds a share of an output's values one step apart from torch (:mod:`benchmarks.local_error`).
Here torch runs the converted model alone and moves the same share of each op's values by one step, up or down at
random. What that does to the model's output is what rounding alone does: printed beside it is the emulator's own
difference. Both are largest errors, in percent of the range of the converted model's first output.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

import torch
from torch.fx import GraphModule, Interpreter
from torch.utils import _pytree as pytree

from benchmarks.local_error import EXAMPLES, LocalError, compared, converted_example, taps


class Rounding(Interpreter):
    """Runs a converted model, and moves a share of what each quantize node in ``shares`` yields by one step."""

    def __init__(self, module: GraphModule, shares: Mapping[Any, float], seed: int) -> None:
        super().__init__(module)
        self.shares = shares
        self.generator = torch.Generator().manual_seed(seed)

    def run_node(self, node: Any) -> Any:
        value = super().run_node(node)
        share = self.shares.get(node, 0.0)
        if not share:
            return value
        chance = torch.rand(value.shape, generator=self.generator)
        step = (chance < share / 2).int() - (chance > 1 - share / 2).int()
        lowest, highest = (int(bound) for bound in node.args[3:5])
        return (value.int() + step).clamp(lowest, highest).to(value.dtype)


def errors_of_rounding(
    module: GraphModule, inputs: tuple[Any, ...], errors: list[LocalError], seeds: int
) -> list[float]:
    """The largest relative error of the first output, one per seed."""
    shares = {tap.args[0]: error.apart for tap, error in zip(taps(module), errors, strict=True)}
    exact = pytree.tree_leaves(module(*inputs))[0]
    found = []
    for seed in range(seeds):
        moved = pytree.tree_leaves(Rounding(module, shares, seed).run(*inputs))[0]
        found.append(relative(moved, exact))
    return found


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
    options = parser.parse_args()
    module, inputs = converted_example(options.model, options.soc, options.precision)
    with torch.no_grad():
        errors, output = compared(module, inputs, options.soc)
        exact = pytree.tree_leaves(module(*inputs))[0]
        alone = sorted(errors_of_rounding(module, inputs, errors, options.seeds))
    beyond = [error for error in errors if error.largest > 1.5]
    print(
        f"{options.model} {options.soc} {options.precision}: emulator {relative(output, exact):.2%}; "
        f"one step in {sum(error.apart for error in errors) / len(errors):.1%} of the values alone "
        f"{alone[0]:.2%} to {alone[-1]:.2%}; {len(beyond)} of {len(errors)} ops more than one step apart"
    )
    for error in beyond:
        print(f"  {error.name} ({error.target}): up to {error.largest:.1f} steps")


if __name__ == "__main__":
    main()
