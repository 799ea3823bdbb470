"""Constants that no encoding holds.

What the model only returns is computed on the CPU where it reads one (:func:`endless_wishes`); elsewhere such a
constant is refused (:func:`refuse_endless`).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence

import torch
from torch.fx import GraphModule
from torch.fx import Node as FxNode

from qnnsolve.constraints import Site
from qnnsolve.encodings import DType, Encoding
from qnnsolve.errors import UnsupportedGraphError
from qnnsolve.rewriting.nodes import constant_of, op_name
from qnnsolve.rules.wishes import By, Strength, What, Where, Wish
from qnnsolve.sources import SourceKind

__all__ = ["endless_wishes", "refuse_endless"]

_LARGEST = 3e38
"""Beyond are infinity, and the largest float32 and bfloat16, which are written in its place."""
_LIMITS = frozenset(["clamp", "clamp_min", "clamp_max", "hardtanh", "relu6"])
"""Whose numbers are bounds: an infinite one bounds nothing."""


def endless_wishes(model: GraphModule, hidden: Collection[FxNode], half: bool) -> Iterator[Wish]:
    """Keep on the CPU what reads or writes infinity, unless a softmax hides it, and is returned and read by nothing.

    Floats hold infinity, and such an op ends its graph, so that no value comes back to the accelerator. ``hidden`` is
    :attr:`~qnnsolve.rewriting.masking.Masking.hidden`; with ``half``, activations are in half precision.
    """
    most = float(torch.finfo(torch.float16).max) if half else _LARGEST
    outputs = {node for node in model.graph.nodes if node.op == "output"}
    for node in model.graph.nodes:
        if node.op != "call_function" or not node.users.keys() <= outputs or node in hidden:
            continue
        read = (each for source in node.all_input_nodes if source.op == "get_attr" for each in _largest(source))
        if any(value > most for value in (*read, *_largest(node))):
            here = Where(By.NODE, node.name)
            words = "it computes with infinity, which no encoding holds, and its values are only returned"
            yield Wish(here, What(cpu=True), words, Strength.PIN, kind=SourceKind.GRAPH)


def refuse_endless(model: GraphModule, hidden: Collection[FxNode], encodings: Mapping[Site, Encoding]) -> None:
    """Refuse what is infinite and has an encoding by ``encodings``, unless a softmax hides it.

    Half precision ends at 65504; what lies beyond is infinite there.

    Raises:
        UnsupportedGraphError: names the op that reads it, and the way out.
    """
    distinct = {id(encoding): encoding for encoding in encodings.values()}  # a thousand sites share each
    least = min(map(_most, distinct.values()), default=math.inf)
    for node in model.graph.nodes:
        if node in hidden:
            continue
        for value in _largest(node):
            if value <= least:
                continue
            for reader in node.users:
                encoding = encodings.get(Site(node.name, reader.name)) or encodings.get(Site(node.name))
                if encoding is not None and value > _most(encoding):
                    _refuse(node, reader, value, encoding)


def _largest(node: FxNode) -> Sequence[float]:
    """The largest magnitude of a constant, or the magnitudes of the numbers that an op writes."""
    if node.op == "get_attr":
        value = constant_of(node)
        if value is not None and value.numel():
            low, high = value.detach().aminmax()
            return [max(-float(low), float(high))]
    elif node.op == "call_function":
        written = [abs(each) for each in node.args if isinstance(each, float)]
        if node.kwargs:
            written += [abs(each) for each in node.kwargs.values() if isinstance(each, float)]
        if written and op_name(node) not in _LIMITS:
            return written
    return ()


def _most(encoding: Encoding) -> float:
    if encoding.quantized:
        return _LARGEST
    return float(torch.finfo(torch.float16).max) if encoding.dtype is DType.FLOAT16 else float("inf")


def _refuse(node: FxNode, reader: FxNode, value: float, encoding: Encoding) -> None:
    what = "infinity" if math.isinf(value) else f"{value:g}{', which stands for infinity,' * (value > _LARGEST)}"
    holds = "integers hold none" if encoding.quantized else "half precision ends at 65504"
    where = f" of {node.target}" if node.op == "get_attr" else ""
    raise UnsupportedGraphError(
        reader.name if node.op == "get_attr" else node.name,
        f"{op_name(reader) or 'the output'} reads {what}{where}: {holds}, and no softmax, maximum or the like hides "
        "it; write a number of the size of the values around it",
    )
