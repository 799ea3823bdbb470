"""Reads ``BackendOpInfo`` itself: in the process that calls :func:`read`, which a broken SDK may end or stop."""

from __future__ import annotations

import importlib
import itertools
import math
import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from qnnsolve.errors import HostBackendError
from qnnsolve.facts.sdk_tables import SdkPort, SdkQuantization, SdkVariant
from qnnsolve.facts.socs import Soc, chipset
from qnnsolve.foreign import first_line, first_paragraph, foreign, printable

__all__ = ["MODULE", "python_folder", "read"]

MODULE = "qti.aisw.converters.common.backend_opinfo"
MOST = 5_000
"""Operators, or variants of one, that an SDK may list."""
_NAME = re.compile(r"\w[\w.:]{0,99}", re.ASCII)


def python_folder() -> str | None:
    """Where the SDK that ``QNN_SDK_ROOT`` names has its Python packages."""
    root = os.environ.get("QNN_SDK_ROOT")
    return str(Path(root) / "lib" / "python") if root else None


def read(
    backend: str, soc: Soc, telling: Callable[[str], object] = lambda doing: None
) -> Mapping[str, tuple[SdkVariant, ...]] | str:
    """All variants by operator, sorted; or why the module is not there.

    Args:
        backend: ``htp`` or ``lpai``.
        soc: what is asked about.
        telling: called with what is done next, worded to follow *while*.

    Raises:
        HostBackendError: it is there and fails, or says what cannot be.
    """
    asked_for = chipset(soc)  # imports our own things first
    where = f" of {folder}" if (folder := python_folder()) else ""
    with foreign(f"{MODULE}{where} cannot be loaded", HostBackendError, first_paragraph):
        try:
            telling("its module was imported")
            module = _module()
        except ModuleNotFoundError as error:
            return first_line(error)
    with foreign(f"BackendOpInfo failed for {backend} on {soc.name}", HostBackendError, first_paragraph):
        telling("it was made")
        info = module.BackendOpInfo(getattr(module, backend.upper()), asked_for)
        telling("its operators were listed")
        ops = sorted(map(_operator, _listed(info.get_all_supported_ops())))
        return {op: _variants(info, op, telling) for op in ops}


def _module() -> Any:
    folder = python_folder()
    if folder and folder not in sys.path and Path(folder).is_dir():
        sys.path.insert(0, folder)
    return importlib.import_module(MODULE)


def _operator(name: object) -> str:
    text = str(name)
    if _NAME.fullmatch(text) is None:
        raise ValueError(f"it names an operator {printable(text, 80)!r}")
    return text


def _variants(info: Any, op: str, telling: Callable[[str], object]) -> tuple[SdkVariant, ...]:
    telling(f"{op} was read")
    return tuple(map(_variant, _listed(info.get_op_info(op))))


def _listed(given: Any) -> list[Any]:
    """All that is ``given``, which may be endless.

    Raises:
        ValueError: so it is.
    """
    found = list(itertools.islice(given, MOST + 1))
    if len(found) > MOST:
        raise ValueError(f"it lists more than {MOST:,} things where it should list a few")
    return found


def _whole(what: str, given: Any, most: int) -> int:
    number = int(given)
    if abs(number) > most:
        raise ValueError(f"it fixes {what} of {number:.3g}")
    return number


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
            None
            if (axis := each.get_axis()) is None
            else tuple(_whole("an axis", number, 8) for number in _listed(axis)),
            _maybe(each.is_math_invariant()),
            _scale(each.get_scale()),
            None if (offset := each.get_offset()) is None else _whole("an offset", offset, 2**32),
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
