"""Qualcomm's real HTP compiler and emulator on this machine, from a package or from the user's SDK.

``onnxruntime-qnn`` (Linux x86-64) carries ``libQnnHtp.so`` and ``libQnnSystem.so``: the offline compiler for
every SoC and a functional emulator. :func:`ensure_loaded` makes ExecuTorch find them. A user's own SDK
(``QNN_SDK_ROOT`` set to a folder) comes first and is left alone.

Two quirks shape this module (measured with ``onnxruntime-qnn`` 2.7.0, QNN 2.51, ExecuTorch 1.5.1):

* the libraries crash torch when they are loaded before it, so torch and the adaptor are imported first;
* QNN 2.47 and later lay out ``QnnHtpDevice_CustomConfig_t`` with an 8-aligned union, while ExecuTorch 1.5 was
  built with a 4-aligned one: ``deviceCreate`` is wrapped to copy each custom config into the new layout.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.metadata
import importlib.util
import mmap
import os
import platform
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs

from qnnsolve.errors import HostBackendError
from qnnsolve.foreign import first_line
from qnnsolve.host.streams import unheard
from qnnsolve.host.trial import try_libraries

__all__ = ["COMPILED", "HostBackend", "ensure_compiler", "ensure_loaded", "find_sdk", "opened", "replace_slot", "slot"]

COMPILED = ("htp",)
"""Backends whose compiler this module loads."""

TESTED = ((2, 47), (2, 51))
"""Oldest and newest QNN version (inclusive) whose device-config layout this module mends."""

_SLOT_GET_BUILD_ID = 4
_SLOT_DEVICE_CREATE = 40
_TABLE_OFFSET = 40
_CUSTOM_CONFIG = 0
_DEVICE_CREATE = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
_KEPT_ALIVE: list[object] = []


@attrs.frozen
class HostBackend:
    """The libraries in use: ``origin`` is ``package`` or ``sdk``, ``build_id`` Qualcomm's own version string.

    ``table`` is the address of the interface's function table, in this process.
    """

    origin: str
    path: Path
    build_id: str
    table: int = 0


def find_sdk() -> Path | None:
    """The user's own SDK (``QNN_SDK_ROOT``), or None where the variable is unset or empty.

    Raises:
        HostBackendError: the variable names something that holds no ``libQnnHtp.so``.
    """
    root = os.environ.get("QNN_SDK_ROOT")
    if not root:
        return None
    library = Path(root) / "lib" / "x86_64-linux-clang" / "libQnnHtp.so"
    if not library.is_file():
        raise HostBackendError(f"QNN_SDK_ROOT is {root}, but {library} does not exist")
    return library.parent


def ensure_loaded() -> HostBackend:
    """Load the HTP libraries into this process, once, so that ExecuTorch's ``dlopen`` finds them.

    Raises:
        HostBackendError: another platform, no package, or a version that was not tested.
    """
    return _load()


def ensure_compiler(backend: str) -> HostBackend:
    """:func:`ensure_loaded`, for a backend that may be another than HTP.

    Raises:
        HostBackendError: as there, or no package carries a compiler for ``backend``.
    """
    if backend not in COMPILED:
        raise HostBackendError(
            f"cannot compile for {backend}: onnxruntime-qnn carries the compiler of {', '.join(COMPILED)} only; "
            f"solving (qnnsolve solve --backend {backend}) and annotating work without one"
        )
    if platform.system() == "Linux" and (sdk := find_sdk()) is not None:
        try_libraries(sdk)
    return ensure_loaded()


@functools.cache
def _load() -> HostBackend:
    if (platform.system(), platform.machine().lower()) not in (("Linux", "x86_64"), ("Linux", "amd64")):
        raise HostBackendError(
            f"lowering needs Qualcomm's HTP libraries, which exist for Linux x86-64 only; this is "
            f"{platform.system()} {platform.machine()}. Solving and annotating work everywhere"
        )
    sdk = find_sdk()
    folder = sdk or _package_folder()
    # Set before ExecuTorch looks: where the variable is missing it would download an SDK.
    os.environ.setdefault("QNN_SDK_ROOT", "")
    import executorch.backends.qualcomm.python.PyQnnManagerAdaptor as adaptor  # noqa: F401  (after torch, before QNN)
    import torch  # noqa: F401

    table, build_id = opened(folder)
    version = _version(build_id)
    if version >= TESTED[0]:
        if version > TESTED[1]:
            newest = ".".join(map(str, TESTED[1]))
            raise HostBackendError(f"QNN {build_id} in {folder} is newer than {newest}, the newest tested")
        _mend_device_create(table)
    return HostBackend("sdk" if sdk else "package", folder, build_id, table)


def _package_folder() -> Path:
    spec = importlib.util.find_spec("onnxruntime_qnn")
    if spec is None or spec.origin is None or not (Path(spec.origin).parent / "libQnnHtp.so").is_file():
        raise HostBackendError(
            "no HTP libraries: install the package onnxruntime-qnn (Linux x86-64), or point QNN_SDK_ROOT to an SDK"
        )
    return Path(spec.origin).parent


def package_version() -> str | None:
    """The installed version of ``onnxruntime-qnn``, or None."""
    try:
        return importlib.metadata.version("onnxruntime-qnn")
    except importlib.metadata.PackageNotFoundError:
        return None


def opened(folder: Path, telling: Callable[[str], object] = lambda doing: None) -> tuple[int, str]:
    """Load both libraries; the address of the interface's function table, and the build id.

    Raises:
        HostBackendError: they do not load, or are no HTP libraries.
    """
    flags = os.RTLD_LOCAL | os.RTLD_NOW
    libraries = []
    try:
        with unheard():  # QNN 2.51 greets while it is loaded; errors are one line
            for name in ("libQnnSystem.so", "libQnnHtp.so"):
                telling(f"{name} was loaded")
                libraries.append(ctypes.CDLL(str(folder / name), mode=flags))
            telling("libQnnHtp.so was asked for its interface")
            providers_of = libraries[1].QnnInterface_getProviders
    except (OSError, AttributeError) as error:
        raise HostBackendError(f"the HTP libraries in {folder} do not load: {first_line(error)}") from error
    _KEPT_ALIVE.extend(libraries)
    providers, count = ctypes.c_void_p(), ctypes.c_uint32()
    providers_of.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    providers_of.restype = ctypes.c_uint64
    if providers_of(ctypes.byref(providers), ctypes.byref(count)) or not count.value:
        raise HostBackendError(f"{folder / 'libQnnHtp.so'} offers no QNN interface")
    provider = ctypes.c_void_p.from_address(providers.value or 0).value or 0
    table = provider + _TABLE_OFFSET
    build_id = ctypes.c_char_p()
    get_build_id = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p)(slot(table, _SLOT_GET_BUILD_ID).value or 0)
    get_build_id(ctypes.addressof(build_id))
    return table, (build_id.value or b"").decode("utf-8", "backslashreplace")


def slot(table: int, index: int) -> ctypes.c_void_p:
    """The ``index``-th entry of a function table at the address ``table``."""
    return ctypes.c_void_p.from_address(table + ctypes.sizeof(ctypes.c_void_p) * index)


def _version(build_id: str) -> tuple[int, int]:
    match = re.match(r"v?(\d+)\.(\d+)\.", build_id)
    if match is None:
        raise HostBackendError(f"libQnnHtp.so names its version '{build_id}', which was not tested")
    return int(match[1]), int(match[2])


def _mend_device_create(table: int) -> None:
    """Put a wrapper in the table's ``deviceCreate`` slot that rewrites custom configs into the new layout."""
    original = _DEVICE_CREATE(slot(table, _SLOT_DEVICE_CREATE).value or 0)

    def device_create(logger: int, configs: int, device: int) -> int:
        return int(original(logger, _rewritten(configs), device))

    replace_slot(table, _SLOT_DEVICE_CREATE, _DEVICE_CREATE(device_create))


def replace_slot(table: int, index: int, function: Any) -> None:
    """Put ``function``, a ``ctypes`` callback, in the ``index``-th entry of the table, for the life of the process.

    Raises:
        HostBackendError: the table's memory cannot be made writable.
    """
    _KEPT_ALIVE.append(function)
    entry = slot(table, index)
    _make_writable(ctypes.addressof(entry))
    entry.value = ctypes.cast(function, ctypes.c_void_p).value


def _rewritten(configs: int | None) -> int | None:
    """The null-terminated array of ``QnnDevice_Config_t*`` with every custom config in the 8-aligned layout."""
    if not configs:
        return configs
    rewritten: list[int] = []
    for pointer in _null_terminated(configs):
        if ctypes.c_uint32.from_address(pointer).value != _CUSTOM_CONFIG:
            rewritten.append(pointer)
            continue
        old = ctypes.c_void_p.from_address(pointer + 8).value or 0
        custom = ctypes.create_string_buffer(32)
        ctypes.memmove(custom, old, 4)
        ctypes.memmove(ctypes.addressof(custom) + 8, old + 4, 8)
        config = ctypes.create_string_buffer(ctypes.string_at(pointer, 8), 16)
        ctypes.c_void_p.from_address(ctypes.addressof(config) + 8).value = ctypes.addressof(custom)
        _KEPT_ALIVE.extend((custom, config))
        rewritten.append(ctypes.addressof(config))
    array = (ctypes.c_void_p * (len(rewritten) + 1))(*rewritten, None)
    _KEPT_ALIVE.append(array)
    return ctypes.addressof(array)


def _null_terminated(array: int) -> list[int]:
    pointers: list[int] = []
    while pointer := slot(array, len(pointers)).value:
        pointers.append(pointer)
    return pointers


def _make_writable(address: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    first = address // mmap.PAGESIZE
    last = (address + ctypes.sizeof(ctypes.c_void_p) - 1) // mmap.PAGESIZE
    size = (last - first + 1) * mmap.PAGESIZE
    if libc.mprotect(first * mmap.PAGESIZE, size, mmap.PROT_READ | mmap.PROT_WRITE):
        raise HostBackendError(f"the QNN function table cannot be made writable: {os.strerror(ctypes.get_errno())}")
