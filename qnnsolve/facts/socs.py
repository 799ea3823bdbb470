"""The SoCs that ExecuTorch can compile for, each with its HTP arch, read from ExecuTorch's own table.

Nothing is copied: a chipset that a later ExecuTorch adds is there at once. ``qc_schema`` (ExecuTorch 1.5.1) is plain
Python and imports neither torch nor the backend's libraries.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

import attrs

from qnnsolve.errors import UnknownNameError, UsageError

__all__ = ["Soc", "chipset", "compile_as", "soc", "socs"]


@attrs.frozen(order=True)
class Soc:
    """One chipset.

    ``htp_arch`` is QNN's name of the tensor processor (``V68`` .. ``V81``), ``vtcm_mb`` its tightly coupled memory in
    MiB, ``chipset`` the number by which ExecuTorch and QNN know the chipset (``QcomChipset``), ``lpai_arch`` the
    hardware version of its low-power processor (``V6``), None where the table knows of none.
    """

    name: str
    htp_arch: str
    vtcm_mb: int
    chipset: int
    lpai_arch: str | None = None
    compile_as: str = ""
    """ExecuTorch's chipset to compile for, where the SoC is not in ExecuTorch's table; empty for those that are."""


@functools.cache
def socs() -> tuple[Soc, ...]:
    """Every chipset of the installed ExecuTorch's table, by name."""
    from executorch.backends.qualcomm.serialization import qc_schema

    return tuple(
        sorted(
            Soc(
                chipset.name,
                info.htp_info.htp_arch.name,
                int(info.htp_info.vtcm_size_in_mb),
                int(chipset),
                None if info.lpai_info is None else info.lpai_info.lpai_hardware_version.name,
            )
            for chipset, info in qc_schema._soc_info_table.items()
        )
    )


def soc(name: str, more: Iterable[Soc] = ()) -> Soc:
    """The chipset called ``name`` (any case), out of ``more`` or ExecuTorch's table.

    Raises:
        UnknownNameError: there is no such chipset; the error names the nearest.
    """
    known = (*more, *socs())
    for each in known:
        if each.name.lower() == name.strip().lower():
            return each
    raise UnknownNameError("SoC", name, (each.name for each in known))


def compile_as(of: Soc) -> str:
    """The chipset of ExecuTorch's table to compile for.

    Raises:
        UsageError: ExecuTorch does not know the SoC, and nothing says which one it is like.
    """
    if of in socs():
        return of.name
    if not of.compile_as:
        raise UsageError(f"ExecuTorch cannot compile for {of.name}: its [[soc]] needs 'like', a chipset that it knows")
    return of.compile_as


def chipset(of: Soc) -> Any:
    """ExecuTorch's ``QcomChipset`` of a SoC; of one that it does not know, the chipset that it compiles as.

    Without one, the first of ExecuTorch's table with the same HTP arch.

    Raises:
        UnknownNameError: ExecuTorch knows no chipset of that arch.
    """
    from executorch.backends.qualcomm.serialization.qc_schema import QcomChipset

    if of in socs():
        return QcomChipset(of.chipset)
    alike = [known.name for known in socs() if known.htp_arch == of.htp_arch]
    if not (of.compile_as or alike):
        raise UnknownNameError("HTP arch", of.htp_arch, {known.htp_arch for known in socs()})
    return QcomChipset[of.compile_as or alike[0]]
