"""Constants that no encoding holds, refused where the accelerator would read them: :func:`refuse_endless`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch.fx import GraphModule
from torch.fx import Node as FxNode

from qnnsolve.constraints import Site
from qnnsolve.encodings import DType, Encoding
from qnnsolve.errors import UnsupportedGraphError
from qnnsolve.rewriting.masked_values import ENDLESS
from qnnsolve.rewriting.masking import constant_of, masking, op_name

__all__ = ["refuse_endless"]

_LIMITS = frozenset(["clamp", "clamp_min", "clamp_max", "hardtanh", "relu6"])
"""Whose numbers are bounds: an infinite one bounds nothing."""


def refuse_endless(model: GraphModule, encodings: Mapping[Site, Encoding]) -> None:
    """Refuse what is infinite and has an encoding by ``encodings``, unless a softmax hides it.

    Half precision ends at 65504; what lies beyond is infinite there.

    Raises:
        UnsupportedGraphError: names the op that reads it, and the way out.
    """
    hidden = masking(model).hidden
    for node in model.graph.nodes:
        if node in hidden:
            continue
        for value in _largest(node):
            for reader in node.users:
                encoding = encodings.get(Site(node.name, reader.name)) or encodings.get(Site(node.name))
                if encoding is not None and value > _most(encoding):
                    _refuse(node, reader, value, encoding)


def _largest(node: FxNode) -> Iterator[float]:
    """The largest magnitude of a constant, or among the numbers that an op writes."""
    value = constant_of(node)
    if value is not None and value.numel():
        yield float(value.detach().abs().max())
    if node.op == "call_function" and op_name(node) not in _LIMITS:
        yield from (abs(each) for each in (*node.args, *node.kwargs.values()) if isinstance(each, float))


def _most(encoding: Encoding) -> float:
    if encoding.quantized:
        return ENDLESS
    return float(torch.finfo(torch.float16).max) if encoding.dtype is DType.FLOAT16 else float("inf")


def _refuse(node: FxNode, reader: FxNode, value: float, encoding: Encoding) -> None:
    what = "infinity" if value >= ENDLESS else f"{value:g}"
    holds = "integers hold none" if encoding.quantized else "half precision ends at 65504"
    where = f" of {node.target}" if node.op == "get_attr" else ""
    raise UnsupportedGraphError(
        reader.name if node.op == "get_attr" else node.name,
        f"{op_name(reader) or 'the output'} reads {what}{where}: {holds}, and no softmax, maximum or the like hides "
        "it; write a number of the size of the values around it",
    )
