"""Which pins a converted model does not keep, read from the dtypes that stand in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from qnnsolve.rules.wish_text import parse_wish
from qnnsolve.rules.wishes import By, Strength, What, Where, Wish

__all__ = ["said", "stands_in", "unkept"]

_WEIGHED = ("conv", "linear", "embedding")
_BIAS_BITS = 32


def said(pin: str) -> Wish | None:
    """The wish, where it asks for widths alone, at whole ops or modules; None for what presets cannot say either."""
    wish = parse_wish(pin, Strength.PIN, pin)
    widths = What(activation=wish.what.activation, weight=wish.what.weight)
    return None if wish.where.port or wish.what != widths or wish.where.by not in (By.OP, By.MODULE) else wish


def stands_in(where: Where, node: Any) -> bool:
    """Whether a node of torch's graph is of that op, or in that module."""
    if where.by is By.OP:
        return str(node.target).startswith(where.key)
    paths = [path for path, _ in node.meta.get("nn_module_stack", {}).values()]
    return any(path == where.key or path.startswith(f"{where.key}.") for path in paths)


def unkept(converted: Any, pins: tuple[str, ...]) -> list[str]:
    """Each port that has another width than the last of ``pins`` that says one for it: ``transpose in[0] u8``.

    A port that is not quantized (inside a pattern that becomes one op, or left to the CPU) says nothing, and neither
    does a bias, or the weight of a norm, which is of either width where both are pinned.
    """
    wishes = [wish for wish in map(said, pins) if wish is not None]
    found = []
    for node in converted.graph.nodes:
        if node.op != "call_function" or "quantize_" in str(node.target):
            continue
        here = [wish.what for wish in wishes if stands_in(wish.where, node)]
        activation = next((what.activation for what in reversed(here) if what.activation), None)
        weight = next((what.weight for what in reversed(here) if what.weight), None)
        for port, name, is_weight in _ports(node):
            wanted = weight if is_weight else activation
            if wanted is not None and int(name[1:]) not in (wanted, _BIAS_BITS):
                found.append(f"{node.name} {port} {name}")
    return found


def _ports(node: Any) -> Iterator[tuple[str, str, bool]]:
    """Each quantized port of ``node``, its dtype (``u8``), and whether it is the weight of a layer."""
    for index, read in enumerate(node.all_input_nodes):
        constant = "dequantize_" in str(read.target) and read.args[0].op == "get_attr"
        if "dequantize_" in str(read.target) and not (constant and "norm" in str(node.target)):
            weight = index > 0 and any(word in str(node.target) for word in _WEIGHED)
            yield f"in[{index}]", _dtype(read), weight and constant
    for user in node.users:
        if "quantize_" in str(user.target):
            yield "out", _dtype(user), False
            return


def _dtype(node: Any) -> str:
    """Of the range of a (de)quantize node: low and high are its two arguments before the dtype."""
    low, high = [value for value in node.args if type(value) is int][-2:]
    return f"{'s' if low < 0 else 'u'}{(high - low).bit_length()}"
