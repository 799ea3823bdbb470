"""Ops that work element by element: arithmetic, comparison, logic, casts."""

from __future__ import annotations

from qnnsolve.facts.graph import Graph, Node
from qnnsolve.rules.builders.types import (
    Builder,
    Built,
    Fate,
    Input,
    identity,
    no_builder,
    on_cpu,
    op,
    operand,
    ref_at,
    shape_of,
    table,
)

__all__ = ["TABLE"]

_INTEGERS = ("int32", "int64")
_HALF_DIVISION = "integers are divided in half precision there"
_WHOLE_RANGE = "ExecuTorch lowers it to several ops, and what is in between has no encoding"


def _cast(node: Node, graph: Graph) -> Built:
    """A cast between a quantized tensor and an integer or mask would move the stored integers, not the values.

    Measured on the HTP emulator (QNN 2.51): i32 -> u16 stores 76 as 76 steps, u8 -> i32 yields the steps, u16 -> b8 is
    true but for step 0. Of casts that touch a float, only a mask's to 8 bits comes out right.
    """
    source = ref_at(node, 0)
    before, after = graph[source].tensor if source is not None else None, node.tensor
    if before is None or after is None:
        return on_cpu("ExecuTorch casts single tensors only")
    if before.dtype == after.dtype or (before.dtype in _INTEGERS and after.dtype in _INTEGERS):
        return identity(node, graph)
    if (before.is_float or after.is_float) and before.dtype != "bool":
        return on_cpu("a cast moves the stored integers, not the values that they stand for")
    return Built(Fate.OP, "Cast", (Input(source),))


def _binary(name: str, first: int = 0, second: int = 1) -> Builder:
    """The builder of a QNN op of two operands, of which ``first`` and ``second`` are the positions in aten.

    Either may be a plain number: lowering makes it a constant of the other one's dtype, without an encoding.
    """

    def builder(node: Node, graph: Graph) -> Built:
        return Built(Fate.OP, name, (operand(node, graph, first), operand(node, graph, second)))

    return builder


def _scaled(name: str) -> Builder:
    """As :func:`_binary` for add, sub and rsub, which can also multiply the second operand."""
    plain, reverse = _binary(name), _binary(name, 1, 0)

    def builder(node: Node, graph: Graph) -> Built:
        if node.argument(2, "alpha", 1) != 1:
            return on_cpu("ExecuTorch's builder ignores alpha")
        return (reverse if "rsub" in node.target else plain)(node, graph)

    return builder


def _square(node: Node, graph: Graph) -> Built:
    """ExecuTorch 1.5.1, ``convert_square_to_pow.py``: after annotation, so the exponent has no encoding."""
    return Built(Fate.OP, "ElementWisePower", (Input(ref_at(node, 0)), Input(None, code="f32")))


def _power(node: Node, graph: Graph) -> Built:
    """A constant exponent stays in floating point, as in ExecuTorch's own quantizer.

    Quantized it costs up to 1.6 % of the output's range at 16 bits, in floating point nothing (HTP emulator, QNN 2.51,
    exponents -1 to 3). A base that is broadcast computes the first element only.
    """
    base, exponent = ref_at(node, 0), ref_at(node, 1)
    if node.tensor is None or shape_of(graph, base) != node.tensor.shape:
        return on_cpu("a base that is broadcast is not computed right")
    constant = exponent is None or graph.is_param(exponent)
    floats = node.tensor.is_float and constant
    return Built(Fate.OP, "ElementWisePower", (Input(base), Input(None, code="f32") if floats else Input(exponent)))


def _round(node: Node, graph: Graph) -> Built:
    if node.argument(1, "decimals", 0) != 0:
        return on_cpu("ExecuTorch's builder takes no decimals")
    if graph.users[node.name] and all(_cuts_off(graph[user]) for user in graph.users[node.name]):
        return on_cpu("a whole number that is quantized is a fraction of a step off, which the cast behind it cuts off")
    return Built(Fate.OP, "ElementWiseRound", (Input(ref_at(node, 0)),))


def _cuts_off(node: Node) -> bool:
    """Whether it is a cast to integers."""
    into = node.tensor if node.target in ("aten.to.dtype", "aten._to_copy.default") else None
    return into is not None and not into.is_float and into.dtype != "bool"


def _masked_fill(node: Node, graph: Graph) -> Built:
    """Torch decomposes it into ``where(mask, value, x)``."""
    inputs = (operand(node, graph, 1), operand(node, graph, 2), operand(node, graph, 0))
    return Built(Fate.OP, "ElementWiseSelect", inputs)


def _where(node: Node, graph: Graph) -> Built:
    return Built(Fate.OP, "ElementWiseSelect", tuple(operand(node, graph, port) for port in range(3)))


def _division(name: str) -> Builder:
    """Of floats: integers are divided in half precision (``python -m benchmarks.integer_division SM8750``)."""

    def builder(node: Node, graph: Graph) -> Built:
        sources = [graph[ref].tensor for ref in graph.reads[node.name]]
        if sources and not any(tensor is None or tensor.is_float for tensor in sources):
            return on_cpu(_HALF_DIVISION)
        return _binary(name)(node, graph)

    return builder


_UNARY = (
    ("Abs", "abs"),
    ("Asin", "asin"),
    ("Atan", "atan"),
    ("Ceil", "ceil"),
    ("Cos", "cos"),
    ("Exp", "exp"),
    ("Floor", "floor"),
    ("Log", "log"),
    ("Neg", "neg"),
    ("Rsqrt", "rsqrt"),
    ("Sign", "sign"),
    ("Sin", "sin"),
    ("SquareRoot", "sqrt"),
)
_COMPARED = (
    ("Equal", "eq"),
    ("NotEqual", "ne"),
    ("Greater", "gt"),
    ("GreaterEqual", "ge"),
    ("Less", "lt"),
    ("LessEqual", "le"),
)
_UNBUILT = (
    "bitwise_not.default",
    "erf.default",
    "erfc.default",
    "logical_or.default",
    "logical_xor.default",
    "__lshift__.Scalar",
    "__rshift__.Scalar",
    "bitwise_left_shift.Tensor",
    "bitwise_left_shift.Tensor_Scalar",
    "bitwise_right_shift.Tensor",
    "bitwise_right_shift.Tensor_Scalar",
    "fmod.Scalar",
    "fmod.Tensor",
    "sigmoid_.default",
    "tanh_.default",
)
_TORN = (
    "mish.default",
    "softplus.default",
    "log_sigmoid.default",
    "logit.default",
    "hardshrink.default",
    "softshrink.default",
    "celu.default",
    "selu.default",
    "clamp.Tensor",
    "sinc.default",
    "std.default",
    "std.dim",
    "std.correction",
    "logaddexp.default",
    "nan_to_num.default",
)


TABLE = table(
    *((op(f"ElementWise{name}", 0), (f"{aten}.default", f"{aten}_.default")) for name, aten in _UNARY),
    *((_binary(f"ElementWise{name}"), (f"{aten}.Tensor", f"{aten}.Scalar")) for name, aten in _COMPARED),
    (_scaled("ElementWiseAdd"), ("add.Tensor", "add_.Tensor", "add.Scalar", "add_.Scalar")),
    (
        _scaled("ElementWiseSubtract"),
        ("sub.Tensor", "sub_.Tensor", "subtract.Tensor", "sub.Scalar", "rsub.Tensor", "rsub.Scalar"),
    ),
    (_binary("ElementWiseMultiply"), ("mul.Tensor", "mul_.Tensor", "multiply.Tensor", "mul.Scalar")),
    (_division("ElementWiseDivide"), ("div.Tensor", "div_.Tensor", "divide.Tensor", "div.Scalar")),
    (_division("ElementWiseBinary.floor_divide"), ("floor_divide.default",)),
    (
        lambda node, graph: on_cpu(_HALF_DIVISION),
        ("divide.Tensor_mode", "divide.Scalar_mode", "div.Tensor_mode", "div.Scalar_mode"),
    ),
    (_binary("ElementWiseMaximum"), ("maximum.default", "max.other", "clamp_min.Tensor")),
    (_binary("ElementWiseMinimum"), ("minimum.default", "min.other", "clamp_max.Tensor")),
    (_power, ("pow.Tensor_Tensor", "pow.Tensor_Scalar", "pow.Scalar")),
    (_square, ("square.default",)),
    (_round, ("round.default", "round_.default", "round.decimals")),
    (
        _binary("ElementWiseAnd"),
        ("__and__.Tensor", "__and__.Scalar", "logical_and.default", "bitwise_and.Tensor", "bitwise_and.Scalar"),
    ),
    (_binary("ElementWiseOr"), ("__or__.Tensor", "__or__.Scalar", "bitwise_or.Tensor", "bitwise_or.Scalar")),
    (_binary("ElementWiseXor"), ("__xor__.Tensor", "__xor__.Scalar", "bitwise_xor.Tensor", "bitwise_xor.Scalar")),
    (op("ElementWiseNot", 0), ("logical_not.default",)),
    (op("IsInf", 0), ("isinf.default",)),
    (op("IsNan", 0), ("isnan.default",)),
    (_where, ("where.self", "where.ScalarSelf", "where.ScalarOther", "where.Scalar")),
    (
        _masked_fill,
        ("masked_fill.Tensor", "masked_fill.Scalar", "masked_fill_.Tensor", "masked_fill_.Scalar"),
    ),
    (_cast, ("to.dtype", "to.device", "to.dtype_layout", "_to_copy.default")),
    (no_builder, _UNBUILT),
    (lambda node, graph: on_cpu(_WHOLE_RANGE), _TORN),
)
