"""How far off a node is, against what its own quantization explains: :class:`Explained`.

Rounding is off by half a step at most, and by a twelfth of its square on average (Widrow and Kollár, *Quantization
Noise*, 2008). So 8 bits explain 10 dB where a few values are far larger than the others, and 40 dB elsewhere: no one
bound for all nodes tells a fault from few bits. The figure here does. What a node yields is quantized on the grid that
calibration found, and each constant that it reads on the constant's own. That is how much noise is explained.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import attrs
import torch
from torch.fx import GraphModule, Node
from torch.utils import _pytree as pytree

from qnnsolve.verification.unquantized import is_observer

__all__ = ["Explained", "Grid", "calibrated_grids", "constants_off"]

HALF_STEP = 3.0
"""The square of half a step, by what it is on average: the most that rounding makes of it."""
FLOAT32 = 2.0**-22
"""What a constant may be off by itself, by how large it is: it is scaled and summed in float32."""


@attrs.frozen
class Grid:
    """Evenly spaced values from ``low`` to ``high``, a ``step`` apart, in the tensor's own units."""

    low: float
    high: float
    step: float


def calibrated_grids(prepared: GraphModule) -> dict[str, Grid]:
    """By node of a calibrated graph, the grid of what it yields, as the first of its observers found it."""
    found: dict[str, Grid] = {}
    for node in prepared.graph.nodes:
        if is_observer(node) and node.args[0].name not in found:
            observer: Any = prepared.get_submodule(str(node.target))
            scale, zero = (each.flatten() for each in observer.calculate_qparams())
            if scale.numel() == 1 and observer.quant_min is not None:
                step, middle = float(scale), int(zero)
                low, high = ((end - middle) * step for end in (observer.quant_min, observer.quant_max))
                found[node.args[0].name] = Grid(low, high, step)
    return found


@attrs.define
class Explained:
    """Of one node over samples: its own noise where no value is cut off on purpose, and how much of it is explained.

    ``constants`` is how many times as large as their steps explain the noise of the constants is that the node reads.
    """

    grid: Grid
    constants: float = 1.0
    noise: float = 0.0
    expected: float = 0.0

    def add(self, got: torch.Tensor, before: torch.Tensor, wanted: torch.Tensor) -> None:
        """Count what a node yields, what it is before it is quantized, and what the float node yields."""
        if not got.shape == before.shape == wanted.shape or not wanted.numel():
            return
        low, high = self.grid.low - self.grid.step / 2, self.grid.high + self.grid.step / 2
        least, largest = wanted.aminmax()
        if not (least >= low and largest <= high):
            counts = (wanted >= low) & (wanted <= high)
            got, before, wanted = got[counts], before[counts], wanted[counts]
        self.noise += _energy(got - wanted)
        self.expected += _energy(before - wanted) / self.constants + wanted.numel() * self.grid.step**2 / 12

    @property
    def excess_db(self) -> float:
        """How much larger than explained the noise is, in decibels; minus infinity without noise."""
        if not self.noise > 0:
            return -math.inf if self.noise == 0 else math.inf
        return 10 * math.log10(self.noise / self.expected) if self.expected else math.inf


def _energy(error: torch.Tensor) -> float:
    return float(error.square().sum(dtype=torch.float64))


def constants_off(converted: GraphModule, original: GraphModule) -> dict[str, float]:
    """By node, how many times as large as its steps explain the noise of a constant is that the node reads: the worst
    of its constants, and 1 at least."""
    floats = {node.name: node for node in original.graph.nodes}
    found: dict[str, float] = {}
    known: dict[tuple[str, str], float] = {}
    for node in converted.graph.nodes:
        twin = floats.get(node.name)
        if twin is None or node.op != "call_function":
            continue
        for own, plain in zip(_read(node), _read(twin), strict=False):
            held = _held(own)
            if held is None or plain.op != "get_attr":
                continue
            key = own.name, str(plain.target)
            if key not in known:
                known[key] = _off(converted, own, held, operator.attrgetter(str(plain.target))(original))
            found[node.name] = max(found.get(node.name, 1.0), known[key])
    return found


def _read(node: Node) -> list[Node]:
    """The nodes among the arguments, each as often as it stands there."""
    return [leaf for leaf in pytree.tree_leaves((node.args, node.kwargs)) if isinstance(leaf, Node)]


def _held(node: Node) -> Node | None:
    """The integers that ``node`` makes floats of, where those are held in the model."""
    if "dequantize" not in str(node.target) or not node.args:
        return None
    integers = node.args[0]
    return integers if isinstance(integers, Node) and integers.op == "get_attr" else None


def _off(model: GraphModule, dequantize: Node, held: Node, wanted: torch.Tensor) -> float:
    """The noise of a constant by the most that rounding to its own steps makes; 1 at least."""

    def value(node: Node) -> Any:
        return operator.attrgetter(str(node.target))(model)

    def floats(integers: torch.Tensor) -> torch.Tensor:
        args, kwargs = torch.fx.node.map_arg(
            (dequantize.args, dequantize.kwargs), lambda each: integers if each is held else value(each)
        )
        made: torch.Tensor = dequantize.target(*args, **kwargs)  # type: ignore[operator]  # an op
        return made.double()

    integers = value(held)
    with torch.no_grad():
        got = floats(integers)
        if got.shape != wanted.shape:
            return 1.0
        steps = got - floats(torch.where(integers > 0, integers - 1, integers + 1))
        noise = float((got - wanted).square().sum())
        explained = float((steps.square() / 12 + (wanted.double() * FLOAT32).square()).sum())
    if not noise > 0:
        return 1.0 if noise == 0 else math.inf
    return max(1.0, noise / (explained * HALF_STEP)) if explained else math.inf
