"""What a program from a file may call: :func:`check_target`.

``torch.export.load`` (2.13) looks a name up in ``torch``, ``operator`` or ``math``, whatever it names there.
"""

from __future__ import annotations

import functools
import re

from qnnsolve.foreign import printable
from qnnsolve.models.refused import Refused

__all__ = ["check_target"]

NAMESPACES = ("aten", "prims", "quantized_decomposed", "torchao")
"""Operators that compute, and nothing else; a custom operator of a file could not be found anyway."""
HIGHER = (
    "wrap_with_set_grad_enabled", "wrap_with_autocast", "cond", "while_loop", "map_impl", "scan", "associative_scan"
)  # fmt: skip
_OPERATOR = re.compile(rf"torch\.ops\.({'|'.join(NAMESPACES)})\.(\w+)\.(\w+)")
_PLAIN = {
    "torch.ops.export.access_subclass_inner_tensor.default",  # the parts of a weight that torchao has quantized
    *(f"torch.ops.higher_order.{name}" for name in HIGHER),
    *(f"torch.sym_{name}" for name in ("int", "float", "ite", "max", "min", "not", "sqrt", "sum")),
    *(f"math.{name}" for name in ("ceil", "floor", "trunc")),
    *(f"_operator.{name}" for name in (
        "getitem", "add", "mul", "sub", "truediv", "ge", "le", "gt", "lt", "eq", "ne", "floordiv", "mod", "and_", "or_",
        "not_", "pow", "neg", "pos", "abs", "lshift", "rshift",
    )),
}  # fmt: skip


@functools.cache
def check_target(name: str) -> None:
    """Refuse what is no operator that computes.

    Raises:
        Refused: it is something else, unknown, or reads or writes files.
    """
    if name in _PLAIN:
        return
    if (found := _OPERATOR.fullmatch(name)) is None:
        raise Refused(f"calls {printable(name, 80)}, which is no operator of torch that computes")
    import torch
    from torch._ops import OpOverload, OpOverloadPacket

    packet = getattr(getattr(torch.ops, found[1]), found[2], None)
    overload = getattr(packet, found[3], None) if isinstance(packet, OpOverloadPacket) else None
    if not isinstance(overload, OpOverload):
        raise Refused(f"calls {printable(name, 80)}, which this torch does not have")
    if any(argument.name == "filename" for argument in overload._schema.arguments):
        raise Refused(f"calls {name}, which reads or writes a file")
