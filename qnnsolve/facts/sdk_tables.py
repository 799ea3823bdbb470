"""The variants of an operator, as ``BackendOpInfo`` states them, and the operator table that they make."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Mapping

import attrs

from qnnsolve.facts.tables import Case, FixedPort, OpTable, TableRow, shipped_tables
from qnnsolve.sources import Source

__all__ = ["SdkPort", "SdkQuantization", "SdkVariant", "tables_of"]


@attrs.frozen
class SdkQuantization:
    """One ``QuantConstraintInfo``. ``axis`` is in QNN's layout; ``offset`` is QNN's, which is ``-zero_point``."""

    encodings: tuple[str, ...]
    symmetric: bool | None = None
    axis: tuple[int, ...] | None = None
    invariant: bool | None = None
    scale: float | None = None
    offset: int | None = None


@attrs.frozen
class SdkPort:
    """One ``DatatypeInfo``: a dtype's name without ``QNN_DATATYPE_``, and whether it holds from this port onward."""

    dtype: str
    quantization: tuple[SdkQuantization, ...] = ()
    onward: bool | None = None


@attrs.frozen
class SdkVariant:
    """One ``OpInfo``: a way in which the operator may be used."""

    inputs: tuple[SdkPort, ...]
    outputs: tuple[SdkPort, ...]


MOST_ROWS, MOST_ROWS_IN_ALL = 20_000, 500_000
"""Combinations of dtypes and encodings that one variant may leave open, and all variants of all operators."""
_PLAIN = {"FLOAT_32": "f32", "FLOAT_16": "f16", "INT_32": "i32", "UINT_32": "u32", "BOOL_8": "b8"}
_FIXED_POINT: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "UFIXED_POINT_8": {"SCALE_OFFSET": ("u8",)},
    "UFIXED_POINT_16": {"SCALE_OFFSET": ("u16",)},
    "SFIXED_POINT_4": {
        "SCALE_OFFSET": ("s4",),
        "AXIS_SCALE_OFFSET": ("s4c",),
        "BW_SCALE_OFFSET": ("s4",),
        "BW_AXIS_SCALE_OFFSET": ("s4c",),
        "BLOCKWISE_EXPANSION": ("s4b",),
    },
    "SFIXED_POINT_8": {
        "SCALE_OFFSET": ("s8",),
        "AXIS_SCALE_OFFSET": ("s8c",),
        "BW_SCALE_OFFSET": ("s4",),
        "BW_AXIS_SCALE_OFFSET": ("s4c", "s2c"),
        "BLOCKWISE_EXPANSION": ("s4b",),
    },
    "SFIXED_POINT_16": {"SCALE_OFFSET": ("s16",), "AXIS_SCALE_OFFSET": ("s16c",)},
    "SFIXED_POINT_32": {"SCALE_OFFSET": ("s32",), "AXIS_SCALE_OFFSET": ("s32c",)},
}
"""Port codes by dtype and encoding type; the ``BW`` encodings carry their width (4 or 2 bits) apart from the dtype."""


@attrs.frozen
class _Option:
    """One port code of a port, with all that is asked of it."""

    code: str
    symmetric: bool = False
    invariant: bool = False
    axis: frozenset[int] | None = None
    fixed: tuple[float, int] | None = None

    def and_also(self, other: _Option) -> _Option | None:
        """Both asked at once; None where their fixed encodings differ."""
        if None not in (self.fixed, other.fixed) and self.fixed != other.fixed:
            return None
        axes = [axis for axis in (self.axis, other.axis) if axis is not None]
        axis = frozenset.intersection(*axes) if axes else None
        fixed = self.fixed or other.fixed
        return _Option(self.code, self.symmetric or other.symmetric, self.invariant or other.invariant, axis, fixed)


def _options(port: SdkPort) -> list[_Option]:
    """What a port may be. A dtype without constraints may have any of its encodings: nothing is asked of them."""
    if port.dtype in _PLAIN:
        return [_Option(_PLAIN[port.dtype])]
    by_encoding = _FIXED_POINT.get(port.dtype, {})
    if not port.quantization:
        return [_Option(code) for code in dict.fromkeys(itertools.chain(*by_encoding.values()))]
    found: dict[str, _Option | None] = {}
    for each in port.quantization:
        for code in dict.fromkeys(code for name in each.encodings for code in by_encoding.get(name, ())):
            option = _option(code, each)
            before = found.get(code, option)
            found[code] = before and before.and_also(option)
    return [option for option in found.values() if option is not None]


def _option(code: str, asked: SdkQuantization) -> _Option:
    fixed = None
    if asked.scale is not None and asked.offset is not None:
        fixed = (asked.scale, -asked.offset)  # the one place where QNN's offset becomes torch's zero point
    axis = frozenset(asked.axis) if asked.axis is not None and code[-1] in "cb" else None
    return _Option(code, asked.symmetric is True, asked.invariant is True, axis, fixed)


def tables_of(
    operators: Mapping[str, tuple[SdkVariant, ...]], backend: str, arch: str, source: Source
) -> tuple[Mapping[str, OpTable], int]:
    """The table of each operator of which anything could be read; and how many variants in all could not."""
    left = _Left(MOST_ROWS_IN_ALL)
    found = {op: _Table(op, backend, arch, source, left).of(variants) for op, variants in operators.items()}
    tables = {op: table for op, (table, _) in found.items() if table is not None}
    return tables, sum(unread for _, unread in found.values())


class _Left:
    """So many rows may still be made."""

    def __init__(self, rows: int) -> None:
        self._rows = rows

    def takes(self, rows: int) -> bool:
        """Whether a variant may make so many; they are taken."""
        taken = rows <= min(MOST_ROWS, self._rows)
        self._rows -= rows if taken else 0
        return taken


@attrs.frozen
class _Table:
    """Makes the table of one operator out of its variants."""

    op: str
    backend: str
    arch: str
    source: Source
    left: _Left

    def of(self, variants: tuple[SdkVariant, ...]) -> tuple[OpTable | None, int]:
        width = max((len(v.inputs) for v in variants), default=0), max((len(v.outputs) for v in variants), default=0)
        inputs = tuple(f"in[{at}]" for at in range(width[0]))
        outputs = tuple(f"out[{at}]" for at in range(width[1]))
        # One port of a table repeats. Variants that differ in it say less than the table would: they are left out.
        repeats = next((port for variant in variants for port in _onward(variant)), None)
        rows: dict[tuple[str, ...], TableRow] = {}
        unread = 0
        for variant in variants:
            whole = variant.inputs and variant.outputs and next(_onward(variant), None) == repeats
            found = list(self._rows(variant, inputs, outputs)) if whole else []
            unread += not found
            for row in found:
                before = rows.setdefault(row.codes, row)
                if _asks(row) < _asks(before):
                    rows[row.codes] = row
        if not rows:
            return None, unread
        asked = tuple(tuple(sorted(set(column))) for column in zip(*rows, strict=True))
        case = Case("any", "as BackendOpInfo lists it", asked, tuple(rows[codes] for codes in sorted(rows)))
        return OpTable(self.op, self.backend, inputs, outputs, repeats, (case,), self.source), unread

    def _rows(self, variant: SdkVariant, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> Iterator[TableRow]:
        optional = _optional(self.backend, self.op)
        options: list[list[_Option]] = []
        for named, ports in ((inputs, variant.inputs), (outputs, variant.outputs)):
            for at, name in enumerate(named):
                # A port that repeats fills the longer variants of its operator; any other is absent there.
                last = ports[-1] if ports and ports[-1].onward else None
                port = ports[at] if at < len(ports) else last
                spare = [_Option("-")] if port is None or name in optional else []
                options.append([*(_options(port) if port is not None else ()), *spare])
        if not self.left.takes(math.prod(map(len, options))):
            return  # a variant that leaves so much open says nothing; it counts as unread
        for row in itertools.product(*options):
            yield self._row(row, inputs, outputs)

    def _row(self, options: tuple[_Option, ...], inputs: tuple[str, ...], outputs: tuple[str, ...]) -> TableRow:
        named = list(zip((*inputs, *outputs), options, strict=True))
        codes = tuple(option.code for option in options)
        invariant = {port for port, option in named if option.invariant}
        if invariant and inputs and invariant <= set(outputs):
            invariant.add(inputs[0])  # an output that is invariant is so with respect to the first input
        return TableRow(
            codes[: len(inputs)],
            codes[len(inputs) :],
            frozenset({self.arch}),
            frozenset(port for port, option in named if option.symmetric),
            frozenset(invariant) if len(invariant) > 1 else frozenset(),
            tuple(FixedPort(port, *option.fixed) for port, option in named if option.fixed is not None),
            tuple((port, option.axis) for port, option in named if option.axis is not None),
        )


def _asks(row: TableRow) -> int:
    return len(row.symmetric) + len(row.same) + len(row.fixed) + len(row.axis)


def _onward(variant: SdkVariant) -> Iterator[str]:
    for side, ports in (("in", variant.inputs), ("out", variant.outputs)):
        yield from (f"{side}[{at}]" for at, port in enumerate(ports) if port.onward)


@functools.cache
def _optional(backend: str, op: str) -> frozenset[str]:
    """Ports of ``op`` that may be absent, which BackendOpInfo does not say: those that were measured so."""
    from qnnsolve.errors import FactsError

    try:
        table = shipped_tables(backend).get(op)
    except FactsError:
        return frozenset()  # a backend without measured tables
    if table is None:
        return frozenset()
    ports = (*table.inputs, *table.outputs)
    return frozenset(p for case in table.cases for p, codes in zip(ports, case.asked, strict=True) if "-" in codes)
