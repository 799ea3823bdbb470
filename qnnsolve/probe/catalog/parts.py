"""What probes are put together from: port codes, and cases of common forms."""

from __future__ import annotations

import attrs

from qnnsolve.probe.catalog.notation import Span, case, out, put, static, tied
from qnnsolve.probe.questions import CaseSpec, Fill, Nested, PortRole, TensorPort

__all__ = [
    "ACT",
    "ANY",
    "BIAS",
    "DATA",
    "FALSE",
    "INDEX",
    "INTS",
    "SHAPES",
    "TRUE",
    "WEIGHT",
    "Params",
    "alike",
    "as_chosen",
    "bias",
    "binary",
    "moved",
    "norm",
    "reduction",
    "same",
    "u32",
]

ACT = "u8 s8 u16 s16 f32 f16"
"""Activations."""
INTS = f"{ACT} i32"
DATA = f"{ACT} s32 i32 u32 b8"
"""What data movement may carry."""
ANY = "u8 s8 u16 s16 s32 f32 f16 i32 u32"
"""Arithmetic on numbers of any kind."""
WEIGHT = "u8 s8 s8c s4 s4c s4b s2c u16 s16 s16c f32 f16"
BIAS = "s32 s32c u8 s8 i32 f32 f16 -"
INDEX = "i32 u32"
TRUE, FALSE = ("b8", True), ("b8", False)
SHAPES = {"1": "32", "2": "8x32", "3": "1x8x32", "4": "1x8x8x32", "5": "1x2x4x8x32", "batch": "4x8x8x32"}
_NORM_WEIGHT = "u8 s8 s8c u16 s16 s16c f32 f16"
_NORM_BIAS = "u8 s8 u16 s16 s32 s32c i32 f32 f16 -"

Params = tuple[str, Nested]


def u32(value: Nested) -> Params:
    """Return an unsigned parameter."""
    return ("u32", value)


def bias(codes: str = BIAS, size: int = 32) -> TensorPort:
    """Return a constant bias."""
    return static(str(size), codes, span=(-2.0, 2.0), fill=Fill.BIAS)


def as_chosen(*cases: CaseSpec) -> tuple[CaseSpec, ...]:
    """The cases with those codes only that a solve chooses by itself: what beside the main case varies its shapes.

    Other codes are asked of the main case alone.
    """
    return tuple(
        attrs.evolve(of, ports=tuple(attrs.evolve(port, codes=_chosen(port)) for port in of.ports)) for of in cases
    )


def alike(*cases: CaseSpec) -> tuple[CaseSpec, ...]:
    """The cases with one code for the first input and the output.

    Of convolutions, products and norms the validator refuses every other tuple in all cases that were asked about them.
    """
    return tuple(tied(of, 0, len(of.ports) - 1) for of in cases)


_ACTIVATIONS = frozenset(["u8", "u16", "f32", "f16"])
_CONSTANTS = frozenset(["u8", "s8", "s8c", "s4", "s4c", "s2c", "u16", "s16", "s16c", "s32", "s32c", "f32", "f16", "-"])


def _chosen(port: TensorPort) -> tuple[str, ...]:
    some = _CONSTANTS if port.role is PortRole.STATIC else _ACTIVATIONS
    if port.fill is Fill.BIAS:
        some -= {"s8"}
    return tuple(code for code in port.codes if code in some)


def _named(rank: str) -> str:
    return rank if rank == "batch" else f"rank{rank}"


def same(
    codes: str = ACT, ranks: str = "1 2 3 4 5", span: Span | None = None, **params: Params
) -> tuple[CaseSpec, ...]:
    """Return one-input cases whose output has the input's shape, per rank; ``span`` is what the input is fed with."""
    return tuple(
        case(_named(rank), put(SHAPES[rank], codes, span=span), out(SHAPES[rank], codes), **params)
        for rank in ranks.split()
    )


def binary(
    codes: str = ANY,
    result: str | None = None,
    ranks: str = "1 2 3 5 batch",
    spans: tuple[Span | None, Span | None] = (None, None),
    **params: Params,
) -> tuple[CaseSpec, ...]:
    """Return the two-input cases: two tensors per rank, one broadcast, one constant scalar."""
    first, second, made = spans[0], spans[1], result or codes
    shape = SHAPES["4"]
    last = out(shape, made)
    return (
        case("same", put(shape, codes, span=first), put(shape, codes, span=second), last, **params),
        case("broadcast", put(shape, codes, span=first), put("1x1x1x32", codes, span=second), last, **params),
        case("constant", put(shape, codes, span=first), static("1", codes, span=second), last, **params),
        case("constant_first", static("1", codes, span=first), put(shape, codes, span=second), last, **params),
        *(
            case(
                _named(rank),
                put(SHAPES[rank], codes, span=first),
                put(SHAPES[rank], codes, span=second),
                out(SHAPES[rank], made),
                **params,
            )
            for rank in ranks.split()
        ),
    )


def norm(name: str, shape: str, **params: Params) -> CaseSpec:
    """Return a case with input, weight, bias and output."""
    size = int(shape.rpartition("x")[2])
    weight = static(str(size), _NORM_WEIGHT, span=(-0.6, 1.4))
    return case(name, put(shape, ACT), weight, bias(_NORM_BIAS, size), out(shape, ACT), **params)


def moved(
    name: str, before: str, after: str, codes: str = DATA, span: Span | None = None, **params: Params
) -> CaseSpec:
    """Return a one-input case whose output has another shape."""
    return case(name, put(before, codes, span=span), out(after, codes), **params)


def reduction(codes: str) -> tuple[CaseSpec, ...]:
    """Return the cases of a reduction: over the last axis, height and width, several, all; kept and dropped."""
    return (
        moved("last", "1x8x32", "1x8x1", codes, axes=u32((2,)), keep_dims=TRUE),
        moved("middle", "1x8x32", "1x1x32", codes, axes=u32((1,)), keep_dims=TRUE),
        moved("hw", "1x8x8x32", "1x1x1x32", codes, axes=u32((1, 2)), keep_dims=TRUE),
        moved("hw_drop", "1x8x8x32", "1x32", codes, axes=u32((1, 2)), keep_dims=FALSE),
        moved("last_drop", "1x8x32", "1x8", codes, axes=u32((2,)), keep_dims=FALSE),
        moved("channel", "1x8x8x32", "1x8x8x1", codes, axes=u32((3,)), keep_dims=TRUE),
        moved("several", "2x4x8x32", "2x1x1x1", codes, axes=u32((1, 2, 3)), keep_dims=TRUE),
        moved("rank2", "8x32", "8x1", codes, axes=u32((1,)), keep_dims=TRUE),
        moved("rank5", "1x2x4x8x32", "1x2x4x8x1", codes, axes=u32((4,)), keep_dims=TRUE),
    )
