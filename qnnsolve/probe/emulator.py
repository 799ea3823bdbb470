"""Runs on the emulator, in this process, the graph that ExecuTorch's adaptor has just finalized.

The adaptor compiles and never executes. But the graph that finalize leaves behind on the host is executable as it is:
three entries of the backend's own function table suffice. ``tensorCreateGraphTensor`` tells the graph's tensors with
their ids, ``graphFinalize`` the moment at which the graph stands, and ``graphExecute`` runs it. The first two are
wrapped, so what is executed is exactly what was compiled, for the SoC of this process.

Struct layouts are those of the public QNN headers (``QnnTypes.h``, API 2.x, 64 bit).
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from qnnsolve.errors import HostBackendError
from qnnsolve.host import libraries

__all__ = ["Emulator"]

_SLOT_GRAPH_FINALIZE, _SLOT_GRAPH_EXECUTE, _SLOT_CREATE_GRAPH_TENSOR = 19, 21, 24
_POINTER = ctypes.c_void_p
_FINALIZE = ctypes.CFUNCTYPE(ctypes.c_uint64, _POINTER, _POINTER, _POINTER)
_CREATE = ctypes.CFUNCTYPE(ctypes.c_uint64, _POINTER, _POINTER)
_EXECUTE = ctypes.CFUNCTYPE(
    ctypes.c_uint64, _POINTER, _POINTER, ctypes.c_uint32, _POINTER, ctypes.c_uint32, _POINTER, _POINTER
)
_TENSOR_BYTES = 144
_NAME, _TYPE, _MEM_TYPE, _DATA, _DATA_BYTES = 16, 24, 96, 104, 112
"""``Qnn_Tensor_t``: a version, padding, then ``Qnn_TensorV1_t`` or the longer V2; offsets from its start."""
_APP_WRITE, _APP_READ, _MEM_RAW = 0, 1, 0

Array = npt.NDArray[np.generic]


class Emulator:
    """The emulator behind this process's HTP backend. Make it before the adaptor's manager; there can be one.

    Raises:
        HostBackendError: no libraries here, or their function table cannot be changed.
    """

    def __init__(self) -> None:
        table = libraries.ensure_loaded().table
        self._create = _CREATE(libraries.slot(table, _SLOT_CREATE_GRAPH_TENSOR).value or 0)
        self._finalize = _FINALIZE(libraries.slot(table, _SLOT_GRAPH_FINALIZE).value or 0)
        self._execute = _EXECUTE(libraries.slot(table, _SLOT_GRAPH_EXECUTE).value or 0)
        self._tensors: dict[str, bytes] = {}
        self._inputs: Mapping[str, Array] = {}
        self._outputs: Mapping[str, Array] = {}
        self._before: Callable[[], None] | None = None
        self._ran = False
        self._failure = ""
        libraries.replace_slot(table, _SLOT_CREATE_GRAPH_TENSOR, _CREATE(self._created))
        libraries.replace_slot(table, _SLOT_GRAPH_FINALIZE, _FINALIZE(self._finalized))

    def feed(
        self, inputs: Mapping[str, Array], outputs: Mapping[str, Array], before: Callable[[], None] | None = None
    ) -> None:
        """Have the next graph that is finalized run on ``inputs`` into ``outputs``, both by tensor name.

        Arrays are contiguous and hold what the graph's tensors hold (codes). ``before`` is called when finalize has
        accepted, right before the run.
        """
        self._tensors, self._inputs, self._outputs = {}, inputs, outputs
        self._before, self._ran, self._failure = before, False, ""

    @property
    def ran(self) -> bool:
        """Whether the graph of the last :meth:`feed` was executed without an error.

        Raises:
            HostBackendError: the arrays were not those of the graph.
        """
        if self._failure:
            raise HostBackendError(self._failure)
        return self._ran

    def _created(self, graph: int, tensor: int) -> int:
        result = int(self._create(graph, tensor))
        raw = ctypes.string_at(tensor, _TENSOR_BYTES)
        name = ctypes.string_at(int.from_bytes(raw[_NAME : _NAME + 8], "little"))
        self._tensors[name.decode()] = raw
        return result

    def _finalized(self, graph: int, profile: int, signal: int) -> int:
        result = int(self._finalize(graph, profile, signal))
        if result == 0 and self._outputs:
            if self._before is not None:
                self._before()
            self._run(graph)
        return result

    def _run(self, graph: int) -> None:
        """Execute; what is wrong is kept for :attr:`ran`, since nothing can be raised through foreign code."""
        inputs, outputs = self._bound(_APP_WRITE, self._inputs), self._bound(_APP_READ, self._outputs)
        if inputs is not None and outputs is not None:
            counts = len(self._inputs), len(self._outputs)
            self._ran = self._execute(graph, inputs, counts[0], outputs, counts[1], None, None) == 0

    def _bound(self, kind: int, arrays: Mapping[str, Array]) -> ctypes.Array[ctypes.c_char] | None:
        """The graph's tensors of one kind, one behind the other, each pointing to its array."""
        found = {
            name: raw for name, raw in self._tensors.items() if int.from_bytes(raw[_TYPE : _TYPE + 4], "little") == kind
        }
        if found.keys() != arrays.keys():
            self._failure = f"the probe's graph has the tensors {sorted(found)}, not {sorted(arrays)}"
            return None
        block = ctypes.create_string_buffer(b"".join(found.values()), _TENSOR_BYTES * len(found))
        for index, name in enumerate(found):
            start = ctypes.addressof(block) + index * _TENSOR_BYTES
            ctypes.c_uint32.from_address(start + _MEM_TYPE).value = _MEM_RAW
            ctypes.c_void_p.from_address(start + _DATA).value = arrays[name].ctypes.data
            ctypes.c_uint32.from_address(start + _DATA_BYTES).value = arrays[name].nbytes
        return block
