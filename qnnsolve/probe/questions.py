"""What is asked about one operator: ports with their shapes and codes, parameters, and shape classes. Only data."""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Iterator
from itertools import product
from typing import Any

import attrs

from qnnsolve.facts.forms import When

__all__ = ["PROTOCOL", "CaseSpec", "Check", "Fill", "Nested", "OpSpec", "Param", "PortRole", "TensorPort"]

PROTOCOL = 5
"""Counts the ways in which questions were put; answers to another way are stale."""
Nested = int | float | bool | tuple[int, ...] | tuple[tuple[int, ...], ...]


class Fill(enum.Enum):
    """How a port's numbers are drawn: each independently; all different along the last axis; or as a bias, whose 32-bit
    scale is the product of the scales of the first two inputs."""

    UNIFORM = "uniform"
    DISTINCT = "distinct"
    BIAS = "bias"


class Check(enum.Enum):
    """How the emulator's answer is compared with what is expected.

    ``VALUES``: to within a tolerance. ``MOVES``: values that are only moved, so to within one output step.
    ``JUMPS``: as ``VALUES``, to any value that is expected within one input step (floor, comparisons).
    ``PLACES``: integer outputs hold places along the last axis of the first input, at which the wanted values stand.
    ``CASTS``: as ``VALUES``, but integers hold numbers without their fraction, and masks whether they are not 0.
    ``RANGE``: random numbers lie in a range and are not all one.
    """

    VALUES = "values"
    MOVES = "moves"
    JUMPS = "jumps"
    PLACES = "places"
    CASTS = "casts"
    RANGE = "range"


class PortRole(enum.Enum):
    """How the probe's graph holds a port."""

    INPUT = "input"
    STATIC = "static"
    OUTPUT = "output"


@attrs.frozen
class TensorPort:
    """One tensor: its role, shape, and the codes to ask.

    ``axis`` is the channel axis of per-channel and per-block codes, ``blocks`` the blocks per channel of ``s4b``.
    ``span`` bounds the real numbers that the port is fed with, inclusive; None leaves them to the position. ``fill``
    says how they are drawn.
    """

    role: PortRole
    shape: tuple[int, ...]
    codes: tuple[str, ...]
    axis: int = 0
    blocks: int = 2
    span: tuple[float, float] | None = None
    fill: Fill = Fill.UNIFORM

    @property
    def inner_axis(self) -> int:
        """The axis along which the blocks of ``s4b`` run: the input channels."""
        return self.axis - 1 if self.axis > 0 else 1

    @property
    def blocks_in_use(self) -> int:
        """``blocks``, or 1 where the input channels do not divide into so many."""
        return self.blocks if self.shape[self.inner_axis] % self.blocks == 0 else 1


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
    ports: tuple[TensorPort, ...]
    params: tuple[Param, ...] = ()
    tied: tuple[int, ...] = ()
    """Positions that are asked with one code only: one of them stands for all (Concat's inputs, Split's outputs)."""
    when: When | None = attrs.field(default=None, repr=False)
    """The nodes that it measures; None: told by its ranks and constants (no question: not part of the digest)."""

    @property
    def inputs(self) -> tuple[TensorPort, ...]:
        """The ports that go in, in order."""
        return tuple(port for port in self.ports if port.role is not PortRole.OUTPUT)

    @property
    def outputs(self) -> tuple[TensorPort, ...]:
        """The ports that come out, in order."""
        return tuple(port for port in self.ports if port.role is PortRole.OUTPUT)

    @property
    def port_names(self) -> tuple[str, ...]:
        """``in[0] in[1] ... out[0] ...``, as QNN counts ports."""
        inputs = tuple(f"in[{index}]" for index in range(len(self.inputs)))
        return (*inputs, *(f"out[{index}]" for index in range(len(self.outputs))))

    @property
    def constant(self) -> tuple[int, ...]:
        """The inputs that are static."""
        return tuple(index for index, port in enumerate(self.inputs) if port.role is PortRole.STATIC)

    @property
    def rank(self) -> int:
        """The largest rank of its tensors."""
        return max(len(port.shape) for port in self.ports)

    @property
    def values(self) -> dict[str, Any]:
        """The parameters' values, by name; what kind each has, its operator knows."""
        return {param.name: param.value for param in self.params}

    @property
    def axes(self) -> tuple[tuple[str, int], ...]:
        """The channel axis of every port that is asked with per-channel or per-block codes."""
        named = zip(self.port_names, self.ports, strict=True)
        return tuple((name, port.axis) for name, port in named if any(code[-1] in "cb" for code in port.codes))

    @property
    def shapes(self) -> str:
        """One line that says which class this is."""
        ports = (
            f"{name} {'x'.join(map(str, port.shape))}{' static' if port.role is PortRole.STATIC else ''}"
            for name, port in zip(self.port_names, self.ports, strict=True)
        )
        params = (f"{param.name}={_plain(param.value)}" for param in self.params)
        return ", ".join((*ports, *params))

    def tuples(self) -> Iterator[tuple[str, ...]]:
        """Yield every tuple of codes to ask, in a fixed order."""
        for codes in product(*(port.codes for port in self.ports)):
            if len({codes[index] for index in self.tied}) < 2:
                yield codes


@attrs.frozen
class OpSpec:
    """One table's worth of questions.

    ``op`` names the table: the QNN operator, with its operation where one operator has several
    (``ElementWiseNeuron.hardsigmoid``). ``aten`` are the targets for which ExecuTorch 1.5.1 emits it. ``check`` says
    how what the emulator computes is judged; ``fixed`` is the range of an output that the backend may compute on a grid
    of its own (Sigmoid: 0 to 1). All is asked in ``turns`` processes, each in another order and with other numbers:
    so that random answers show, and those that depend on the numbers; some operators need more turns for that. A node
    that no case measures is unverified where the table is ``closed`` (no question: not part of the digest).
    """

    op: str
    cases: tuple[CaseSpec, ...]
    aten: tuple[str, ...] = ()
    check: Check = Check.VALUES
    fixed: tuple[float, float] | None = None
    repeats: str | None = None
    turns: int = 2
    closed: bool = False

    @property
    def qnn_op(self) -> str:
        """The operator's name to QNN."""
        return self.op.partition(".")[0]

    def when(self, case: CaseSpec) -> When:
        """The nodes that ``case`` measures: those that it says, or of its rank where others have another one.

        A case with other constants than the first is told by these, whatever its rank.
        """
        if case.when is not None:
            return case.when
        first = self.cases[0]
        if case.constant != first.constant:
            return When(constant=case.constant)
        alike = {other.rank for other in self.cases if other.constant == first.constant and not _is_named(other)}
        return When(rank=case.rank) if len(alike) > 1 else When()

    @property
    def digest(self) -> str:
        """Changes whenever a question does: answers kept under another digest are stale."""
        return hashlib.sha256(repr((PROTOCOL, self.op, self.check, self.fixed, self.cases)).encode()).hexdigest()[:16]


def _is_named(case: CaseSpec) -> bool:
    return case.when is not None and case.when.by_name


def _plain(value: Nested) -> str:
    if isinstance(value, tuple):
        return f"[{' '.join(_plain(item) for item in value)}]"
    return f"{value:g}" if isinstance(value, float) else str(value).lower()
