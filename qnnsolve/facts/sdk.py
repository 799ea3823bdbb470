"""The SDK's own operator constraints (``BackendOpInfo``, QNN SDK 2.41 and later), as operator tables.

The module ``qti.aisw.converters.common.backend_opinfo`` comes with the SDK only. Its API is the one that ExecuTorch
1.5.1 reads (``backends/qualcomm/quantizer/backend_opinfo_adapter.py``); here every field of it is kept, and what is not
stated (None) stays apart from what is denied (False). It loads Qualcomm's libraries, so a child process asks it.
"""

from __future__ import annotations

import enum
import functools
import os
import sys
from collections.abc import Mapping
from importlib.machinery import PathFinder

import attrs

from qnnsolve.errors import HostBackendError
from qnnsolve.facts.sdk_reading import MODULE, python_folder, read
from qnnsolve.facts.sdk_tables import SdkPort, SdkQuantization, SdkVariant, tables_of
from qnnsolve.facts.socs import Soc
from qnnsolve.facts.tables import OpTable
from qnnsolve.foreign import foreign
from qnnsolve.host.trial import try_in_child
from qnnsolve.sources import Source, SourceKind

__all__ = ["MODULE", "SdkFacts", "SdkPort", "SdkQuantization", "SdkState", "SdkVariant", "sdk_facts"]

SINCE = "2.41"
CHILD = "qnnsolve.facts.sdk_child"
PACKAGE = MODULE.partition(".")[0]


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
        found = _read(backend, soc)
    except HostBackendError as error:
        return SdkFacts(SdkState.FAILED, str(error))
    if isinstance(found, str):
        where = os.environ.get("QNN_SDK_ROOT") or "QNN_SDK_ROOT is not set"
        return SdkFacts(SdkState.ABSENT, f"no BackendOpInfo (QNN SDK {SINCE} or later) here: {found}; {where}")
    if not found:
        return SdkFacts(SdkState.FAILED, f"BackendOpInfo knows no operator for {backend} on {soc.name}")
    source = Source(SourceKind.SDK, f"QNN SDK BackendOpInfo, {backend} on {soc.name}")
    tables, unread = tables_of(found, backend, arch, source)
    note = f", {unread} variants with dtypes or encodings that have no port code left out" if unread else ""
    return SdkFacts(SdkState.READ, f"{source.citation}: {len(tables)} operators{note}", found, tables)


def _read(backend: str, soc: Soc) -> Mapping[str, tuple[SdkVariant, ...]] | str:
    """What :func:`~qnnsolve.facts.sdk_reading.read` says, in a process of its own.

    What this process has loaded already is asked where it is. Where there is no package, no process is needed.
    """
    if MODULE in sys.modules or sys.platform == "win32":  # our child processes need POSIX
        return read(backend, soc)
    folder = python_folder()
    if PathFinder.find_spec(PACKAGE, [*([folder] if folder else ()), *sys.path]) is None:
        return f"No module named '{PACKAGE}'"
    of = f"BackendOpInfo{f' of {folder}' if folder else ''}, asked for {backend} on {soc.name},"
    answer = try_in_child(CHILD, {"backend": backend, "soc": attrs.asdict(soc)}, of)
    if "absent" in answer:
        return str(answer["absent"])
    from cattrs import Converter

    with foreign(f"{of} answered something unreadable", HostBackendError):
        return Converter().structure(answer["operators"], dict[str, tuple[SdkVariant, ...]])
