"""The SDK's own operator constraints (``BackendOpInfo``, QNN SDK 2.41 and later), as operator tables.

The module ``qti.aisw.converters.common.backend_opinfo`` comes with the SDK only. Its API is the one that ExecuTorch
1.5.1 reads (``backends/qualcomm/quantizer/backend_opinfo_adapter.py``); here every field of it is kept, and what is not
stated (None) stays apart from what is denied (False).
"""

from __future__ import annotations

import enum
import functools
import importlib
import itertools
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from qnnsolve.constraints import Source, SourceKind
from qnnsolve.facts.socs import Soc, chipset
from qnnsolve.facts.tables import Case, FixedPort, OpTable, TableRow, shipped_tables

__all__ = ["SdkFacts", "SdkPort", "SdkQuantization", "SdkState", "SdkVariant", "sdk_facts"]

MODULE = "qti.aisw.converters.common.backend_opinfo"
SINCE = "2.41"
_FOREIGN = (ImportError, OSError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What a foreign binary module may raise; the reason is kept in :attr:`SdkFacts.detail`."""


class SdkState(enum.Enum):
    """Whether the SDK answered: it was read, it is not there, or it is there and failed."""

    READ = "read"
    ABSENT = "absent"
    FAILED = "failed"


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


@attrs.frozen(eq=False)
class SdkFacts:
    """What the SDK says for one backend and SoC; empty unless ``state`` is ``READ``, and ``detail`` says why."""

    state: SdkState
    detail: str
    variants: Mapping[str, tuple[SdkVariant, ...]] = attrs.field(factory=dict)
    tables: Mapping[str, OpTable] = attrs.field(factory=dict)

    def table(self, op: str) -> OpTable | None:
        """The table of ``op``; a sub-operation (``ElementWiseNeuron.gelu``) has that of its operator."""
        return self.tables.get(op) or self.tables.get(op.partition(".")[0])


@functools.cache
def sdk_facts(backend: str, soc: Soc, arch: str) -> SdkFacts:
    """The SDK's facts for ``backend`` on ``soc``, whose ``arch`` its rows then name; each is asked once.

    Never raises for an SDK that does not answer: :attr:`SdkFacts.state` says so.
    """
    try:
        module = _module()
    except ModuleNotFoundError as error:
        where = os.environ.get("QNN_SDK_ROOT") or "QNN_SDK_ROOT is not set"
        return SdkFacts(SdkState.ABSENT, f"no BackendOpInfo (QNN SDK {SINCE} or later) here: {error}; {where}")
    except _FOREIGN as error:
        return SdkFacts(SdkState.FAILED, f"{MODULE} cannot be loaded: {_said(error)}")
    try:
        asked = module.BackendOpInfo(getattr(module, backend.upper()), chipset(soc))
        variants = {
            str(op): tuple(map(_variant, asked.get_op_info(op))) for op in sorted(asked.get_all_supported_ops())
        }
    except _FOREIGN as error:
        return SdkFacts(SdkState.FAILED, f"BackendOpInfo failed for {backend} on {soc.name}: {_said(error)}")
    if not variants:
        return SdkFacts(SdkState.FAILED, f"BackendOpInfo knows no operator for {backend} on {soc.name}")
    source = Source(SourceKind.SDK, f"QNN SDK BackendOpInfo, {backend} on {soc.name}")
    found = {op: _Table(op, backend, arch, source).of(each) for op, each in variants.items()}
    tables = {op: table for op, (table, _) in found.items() if table is not None}
    unread = sum(left for _, left in found.values())
    note = f", {unread} variants with dtypes or encodings that have no port code left out" if unread else ""
    return SdkFacts(SdkState.READ, f"{source.citation}: {len(tables)} operators{note}", variants, tables)


def _module() -> Any:
    root = os.environ.get("QNN_SDK_ROOT")
    folder = str(Path(root) / "lib" / "python") if root else ""
    if folder and folder not in sys.path and Path(folder).is_dir():
        sys.path.insert(0, folder)
    return importlib.import_module(MODULE)


def _said(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def _variant(info: Any) -> SdkVariant:
    return SdkVariant(tuple(map(_port, info.get_input_info())), tuple(map(_port, info.get_output_info())))


def _port(info: Any) -> SdkPort:
    found = tuple(
        SdkQuantization(
            tuple(_name(encoding, "QNN_QUANTIZATION_ENCODING_") for encoding in each.get_encoding_types() or ()),
            _maybe(each.is_symmetric()),
            None if (axis := each.get_axis()) is None else tuple(map(int, axis)),
            _maybe(each.is_math_invariant()),
            None if (scale := each.get_scale()) is None else float(scale),
            None if (offset := each.get_offset()) is None else int(offset),
        )
        for each in info.get_quant_constraint_info() or ()
    )
    onward = _maybe(info.is_applicable_from_current_dtype_onward())
    return SdkPort(_name(info.get_datatype(), "QNN_DATATYPE_"), found, onward)


def _maybe(value: Any) -> bool | None:
    return None if value is None else bool(value)


def _name(value: Any, prefix: str) -> str:
    """An enum's own name: two bindings of one enum compare unequal, their names do not."""
    return str(getattr(value, "name", value)).rpartition(".")[2].removeprefix(prefix)


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


@attrs.frozen
class _Table:
    """Makes the table of one operator out of its variants."""

    op: str
    backend: str
    arch: str
    source: Source

    def of(self, variants: tuple[SdkVariant, ...]) -> tuple[OpTable | None, int]:
        """The table, or None where nothing could be read; and how many variants could not."""
        width = max((len(v.inputs) for v in variants), default=0), max((len(v.outputs) for v in variants), default=0)
        inputs = tuple(f"in[{at}]" for at in range(width[0]))
        outputs = tuple(f"out[{at}]" for at in range(width[1]))
        # One port of a table repeats. Variants that differ in it say less than the table would: they are left out.
        repeats = next((port for variant in variants for port in _onward(variant)), None)
        rows: dict[tuple[str, ...], TableRow] = {}
        unread = 0
        for variant in variants:
            same = next(_onward(variant), None) == repeats
            found = list(self._rows(variant, inputs, outputs)) if same else []
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
