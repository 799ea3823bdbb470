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
import math
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from qnnsolve.errors import HostBackendError
from qnnsolve.facts.sdk_tables import SdkPort, SdkQuantization, SdkVariant, table_of
from qnnsolve.facts.socs import Soc, chipset
from qnnsolve.facts.tables import OpTable
from qnnsolve.foreign import first_line, first_paragraph, foreign
from qnnsolve.sources import Source, SourceKind

__all__ = ["SdkFacts", "SdkPort", "SdkQuantization", "SdkState", "SdkVariant", "sdk_facts"]

MODULE = "qti.aisw.converters.common.backend_opinfo"
SINCE = "2.41"
MOST = 5_000
"""Operators, or variants of one, that an SDK may list."""


class SdkState(enum.Enum):
    """Whether the SDK answered: it was read, it is not there, or it is there and failed."""

    READ = "read"
    ABSENT = "absent"
    FAILED = "failed"


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
        with foreign(f"{MODULE} cannot be loaded", HostBackendError, first_paragraph):
            try:
                module = _module()
            except ModuleNotFoundError as error:
                where = os.environ.get("QNN_SDK_ROOT") or "QNN_SDK_ROOT is not set"
                what = f"no BackendOpInfo (QNN SDK {SINCE} or later) here: {first_line(error)}; {where}"
                return SdkFacts(SdkState.ABSENT, what)
        with foreign(f"BackendOpInfo failed for {backend} on {soc.name}", HostBackendError, first_paragraph):
            asked = module.BackendOpInfo(getattr(module, backend.upper()), chipset(soc))
            ops = sorted(map(str, _listed(asked.get_all_supported_ops())))
            variants = {op: tuple(map(_variant, _listed(asked.get_op_info(op)))) for op in ops}
    except HostBackendError as error:
        return SdkFacts(SdkState.FAILED, str(error))
    if not variants:
        return SdkFacts(SdkState.FAILED, f"BackendOpInfo knows no operator for {backend} on {soc.name}")
    source = Source(SourceKind.SDK, f"QNN SDK BackendOpInfo, {backend} on {soc.name}")
    found = {op: table_of(each, op, backend, arch, source) for op, each in variants.items()}
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


def _listed(given: Any) -> list[Any]:
    """All that is ``given``, which may be endless.

    Raises:
        ValueError: so it is.
    """
    found = list(itertools.islice(given, MOST + 1))
    if len(found) > MOST:
        raise ValueError(f"it lists more than {MOST:,} things where it should list a few")
    return found


def _scale(given: Any) -> float | None:
    scale = None if given is None else float(given)
    if scale is not None and not 0 < scale < math.inf:
        raise ValueError(f"it fixes a scale of {scale}")
    return scale


def _variant(info: Any) -> SdkVariant:
    return SdkVariant(
        tuple(map(_port, _listed(info.get_input_info()))), tuple(map(_port, _listed(info.get_output_info())))
    )


def _port(info: Any) -> SdkPort:
    found = tuple(
        SdkQuantization(
            tuple(
                _name(encoding, "QNN_QUANTIZATION_ENCODING_") for encoding in _listed(each.get_encoding_types() or ())
            ),
            _maybe(each.is_symmetric()),
            None if (axis := each.get_axis()) is None else tuple(map(int, _listed(axis))),
            _maybe(each.is_math_invariant()),
            _scale(each.get_scale()),
            None if (offset := each.get_offset()) is None else int(offset),
        )
        for each in _listed(info.get_quant_constraint_info() or ())
    )
    onward = _maybe(info.is_applicable_from_current_dtype_onward())
    return SdkPort(_name(info.get_datatype(), "QNN_DATATYPE_"), found, onward)


def _maybe(value: Any) -> bool | None:
    return None if value is None else bool(value)


def _name(value: Any, prefix: str) -> str:
    """An enum's own name: two bindings of one enum compare unequal, their names do not."""
    return str(getattr(value, "name", value)).rpartition(".")[2].removeprefix(prefix)
