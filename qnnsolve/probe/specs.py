"""What a probe of one operator is: ports with their shapes and codes, parameters, and shape classes. Only data."""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Iterator
from itertools import product

import attrs

__all__ = ["CaseSpec", "OpSpec", "Param", "Port", "Role", "case", "out", "put", "static"]

PROTOCOL = 2
"""Counts the ways in which questions were put; answers to another way are stale."""
Nested = int | float | bool | tuple[int, ...] | tuple[tuple[int, ...], ...]


class Role(enum.Enum):
    """How the probe's graph holds a port."""

    INPUT = "input"
    STATIC = "static"
    OUTPUT = "output"


@attrs.frozen
class Port:
    """One tensor: its role, shape, and the codes to ask.

    ``axis`` is the channel axis of per-channel and per-block codes, ``blocks`` the blocks per channel of ``s4b``.
    """

    role: Role
    shape: tuple[int, ...]
    codes: tuple[str, ...]
    axis: int = 0
    blocks: int = 2


@attrs.frozen
class Param:
    """A parameter of the operator: ``dtype`` is ``u32``, ``i32``, ``f32`` or ``b8``; a tuple makes it a tensor."""

    name: str
    dtype: str
    value: Nested


@attrs.frozen
class CaseSpec:
    """One shape and parameter class of an operator."""

    name: str
    ports: tuple[Port, ...]
    params: tuple[Param, ...] = ()

    @property
    def inputs(self) -> tuple[Port, ...]:
        """The ports that go in, in order."""
        return tuple(port for port in self.ports if port.role is not Role.OUTPUT)

    @property
    def outputs(self) -> tuple[Port, ...]:
        """The ports that come out, in order."""
        return tuple(port for port in self.ports if port.role is Role.OUTPUT)

    @property
    def port_names(self) -> tuple[str, ...]:
        """``in[0] in[1] ... out[0] ...``, as QNN counts ports."""
        inputs = tuple(f"in[{index}]" for index in range(len(self.inputs)))
        return (*inputs, *(f"out[{index}]" for index in range(len(self.outputs))))

    @property
    def axes(self) -> tuple[tuple[str, int], ...]:
        """The channel axis of every port that is asked with per-channel or per-block codes."""
        named = zip(self.port_names, self.ports, strict=True)
        return tuple((name, port.axis) for name, port in named if any(code[-1] in "cb" for code in port.codes))

    @property
    def shapes(self) -> str:
        """One line that says which class this is."""
        ports = (
            f"{name} {'x'.join(map(str, port.shape))}{' static' if port.role is Role.STATIC else ''}"
            for name, port in zip(self.port_names, self.ports, strict=True)
        )
        params = (f"{param.name}={_plain(param.value)}" for param in self.params)
        return ", ".join((*ports, *params))

    def tuples(self) -> Iterator[tuple[str, ...]]:
        """Yield every tuple of codes to ask, in a fixed order."""
        return product(*(port.codes for port in self.ports))


@attrs.frozen
class OpSpec:
    """One table's worth of questions.

    ``op`` names the table: the QNN operator, with its operation where one operator has several
    (``ElementWiseNeuron.hardsigmoid``). ``aten`` are the targets for which ExecuTorch 1.5.1 emits it. Everything is
    asked in ``turns`` processes, each in another order: random answers show.
    """

    op: str
    cases: tuple[CaseSpec, ...]
    aten: tuple[str, ...] = ()
    repeats: str | None = None
    turns: int = 2

    @property
    def qnn_op(self) -> str:
        """The operator's name to QNN."""
        return self.op.partition(".")[0]

    @property
    def digest(self) -> str:
        """Changes whenever a question does: answers kept under another digest are stale."""
        return hashlib.sha256(repr((PROTOCOL, self.op, self.cases)).encode()).hexdigest()[:16]


def put(shape: str, codes: str, axis: int = 0) -> Port:
    """Return an input that the graph is fed with; ``shape`` as ``1x8x8x32``."""
    return Port(Role.INPUT, _shape(shape), tuple(codes.split()), axis)


def static(shape: str, codes: str, axis: int = 0) -> Port:
    """Return a constant input."""
    return Port(Role.STATIC, _shape(shape), tuple(codes.split()), axis)


def out(shape: str, codes: str) -> Port:
    """Return an output."""
    return Port(Role.OUTPUT, _shape(shape), tuple(codes.split()))


def case(name: str, *ports: Port, **params: tuple[str, Nested]) -> CaseSpec:
    """Return a case; parameters by name as ``(dtype, value)``."""
    return CaseSpec(name, ports, tuple(Param(key, *value) for key, value in params.items()))


def _shape(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split("x")))


def _plain(value: Nested) -> str:
    if isinstance(value, tuple):
        return f"[{' '.join(_plain(item) for item in value)}]"
    return f"{value:g}" if isinstance(value, float) else str(value).lower()
