"""How the catalog writes its questions down: ports, cases and what a case measures, in short."""

from __future__ import annotations

import attrs

from qnnsolve.facts.forms import When
from qnnsolve.probe.questions import CaseSpec, Fill, Nested, Param, PortRole, TensorPort

__all__ = ["Span", "case", "out", "put", "static", "tied", "when"]

Span = tuple[float, float]


def put(shape: str, codes: str, axis: int = 0, span: Span | None = None, fill: Fill = Fill.UNIFORM) -> TensorPort:
    """Return an input that the graph is fed with; ``shape`` as ``1x8x8x32``."""
    return TensorPort(PortRole.INPUT, _shape(shape), tuple(codes.split()), axis, span=span, fill=fill)


def static(
    shape: str, codes: str, axis: int = 0, blocks: int = 2, span: Span | None = None, fill: Fill = Fill.UNIFORM
) -> TensorPort:
    """Return a constant input."""
    return TensorPort(PortRole.STATIC, _shape(shape), tuple(codes.split()), axis, blocks, span, fill)


def out(shape: str, codes: str) -> TensorPort:
    """Return an output."""
    return TensorPort(PortRole.OUTPUT, _shape(shape), tuple(codes.split()))


def case(name: str, *ports: TensorPort, **params: tuple[str, Nested]) -> CaseSpec:
    """Return a case; parameters by name as ``(dtype, value)``."""
    return CaseSpec(name, ports, tuple(Param(key, *value) for key, value in params.items()))


def tied(of: CaseSpec, *positions: int) -> CaseSpec:
    """Return the case with one code at all ``positions``."""
    return attrs.evolve(of, tied=positions)


def when(of: CaseSpec, conditions: str) -> CaseSpec:
    """Return the case for nodes that meet ``conditions`` (``kernel 1x1``, ``by name``)."""
    parsed = When.parse(conditions)
    assert parsed is not None, f"{conditions} is not how conditions are written"
    return attrs.evolve(of, when=parsed)


def _shape(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split("x")))
