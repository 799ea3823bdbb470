"""One live HTP backend in this process, asked through ExecuTorch's own adaptor.

The backend prints a page for every refusal; its log is turned off. One process can hold one SoC only: a second
manager would silently keep the first one's.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np

from qnnsolve import host
from qnnsolve.errors import HostBackendError
from qnnsolve.probe.specs import CaseSpec, OpSpec, Param, Port, Role

__all__ = ["SOCS", "Backend"]

SOCS = {"V68": "SM8350", "V69": "SM8450", "V73": "SM8550", "V75": "SM8650", "V79": "SM8750", "V81": "SM8850"}
"""The SoC that stands for each HTP arch."""

_SFIXED = {2: "SFIXED_POINT_8", 4: "SFIXED_POINT_8", 8: "SFIXED_POINT_8", 16: "SFIXED_POINT_16", 32: "SFIXED_POINT_32"}
_PLAIN = {"f32": "FLOAT_32", "f16": "FLOAT_16", "i32": "INT_32", "u32": "UINT_32", "b8": "BOOL_8"}
_NUMPY: dict[str, Any] = {
    "FLOAT_32": np.float32,
    "FLOAT_16": np.float16,
    "INT_32": np.int32,
    "UINT_32": np.uint32,
    "BOOL_8": np.bool_,
    "UFIXED_POINT_8": np.uint8,
    "UFIXED_POINT_16": np.uint16,
    "SFIXED_POINT_8": np.int8,
    "SFIXED_POINT_16": np.int16,
    "SFIXED_POINT_32": np.int32,
}
_SCALE, _OFFSET = 0.02, -100
_NEIGHBOUR = {"u8": "u16", "s8": "u8", "u16": "u8", "s16": "u16"}
"""From which code a Convert makes another; every one of them converts on every arch."""
_BLOCK_SCALE_BITS = 4


class Backend:
    """The backend for one SoC, as a context manager.

    Codes may carry a suffix that asks for a special offset: ``u16~`` the middle of the range, ``s16~`` not zero.

    Raises:
        HostBackendError: no libraries here, or the backend does not start.
    """

    def __init__(self, soc: str, fp16: bool) -> None:
        self.build_id = host.ensure_loaded().build_id
        import executorch.backends.qualcomm.python.PyQnnManagerAdaptor as adaptor

        self._qnn: Any = adaptor
        self._manager: Any = adaptor.QnnManager(_options(soc, fp16))
        if self._manager.InitBackend().value != 0:
            raise HostBackendError(f"the HTP backend does not start for {soc}")
        self._names = itertools.count()
        self._tensors: dict[tuple[int, Port, str], Any] = {}

    def validate(self, spec: OpSpec, case: CaseSpec, codes: tuple[str, ...]) -> bool:
        """Whether the validator accepts the operator with these port codes."""
        return bool(self._manager.IsNodeSupportedByBackend([self._op(spec, case, codes, True).GetOpWrapper()]))

    def compiles(self, spec: OpSpec, case: CaseSpec, codes: tuple[str, ...]) -> bool:
        """Whether graph finalize accepts it too, alone or behind Converts. This may kill the process: ask in a child.

        Some tuples are refused at the graph's edge only: MatMul's second input cannot be an ``s16`` that the graph is
        fed with, but can be one that a Convert makes.
        """
        if self._finalizes([self._op(spec, case, codes, False)]):
            return True
        before, made = self._converts(case, codes)
        return bool(before) and self._finalizes([*before, self._op(spec, case, codes, False, made)])

    def _finalizes(self, ops: list[Any]) -> bool:
        graph = f"g{next(self._names)}"
        if self._manager.InitContext([graph]).value != 0:
            raise HostBackendError("the HTP backend gives no context")
        binary = self._manager.Compile([graph], [[op.GetOpWrapper() for op in ops]])
        self._manager.DestroyContext()
        return len(binary) != 0

    def _converts(self, case: CaseSpec, codes: tuple[str, ...]) -> tuple[list[Any], dict[int, Any]]:
        """A Convert in front of every quantized input, from another dtype; and the tensors that they make."""
        ops: list[Any] = []
        made: dict[int, Any] = {}
        for index, (port, code) in enumerate(zip(case.ports, codes, strict=True)):
            other = _NEIGHBOUR.get(code.rstrip("~"))
            if port.role is Role.INPUT and other is not None:
                made[index] = self._tensor(port, code, index, native=True)
                op = self._qnn.PyQnnOpWrapper(f"convert{index}", "qti.aisw", "Convert")
                op.AddInputTensors([self._tensor(port, other, index)])
                op.AddOutputTensors([made[index]])
                ops.append(op)
        return ops, made

    def _op(
        self, spec: OpSpec, case: CaseSpec, codes: tuple[str, ...], reuse: bool, made: Mapping[int, Any] | None = None
    ) -> Any:
        op = self._qnn.PyQnnOpWrapper("op", "qti.aisw", spec.qnn_op)
        inputs: list[Any] = []
        outputs: list[Any] = []
        for index, (port, code) in enumerate(zip(case.ports, codes, strict=True)):
            if code == "-":
                continue
            key = (index, port, code)
            tensor = (made or {}).get(index) or (self._tensors.get(key) if reuse else None)
            if tensor is None:
                tensor = self._tensor(port, code, index)
                if reuse:
                    self._tensors[key] = tensor
            (outputs if port.role is Role.OUTPUT else inputs).append(tensor)
        op.AddInputTensors(inputs)
        op.AddOutputTensors(outputs)
        for param in case.params:
            self._param(op, param)
        return op

    def _param(self, op: Any, param: Param) -> None:
        dtype = getattr(self._qnn.Qnn_DataType_t, f"QNN_DATATYPE_{_PLAIN[param.dtype]}")
        kind = _NUMPY[_PLAIN[param.dtype]]
        if isinstance(param.value, tuple):
            data = np.array(param.value, dtype=kind)
            op.AddTensorParam(param.name, dtype, data.ndim, list(data.shape), data, True)
        else:
            value = param.value if param.dtype == "b8" else kind(param.value)
            op.AddScalarParam(param.name, dtype, {"data": value})

    def _tensor(self, port: Port, code: str, index: int, native: bool = False) -> Any:
        prefix = {Role.INPUT: f"input_{index}_", Role.STATIC: "static_", Role.OUTPUT: f"output_{index}_"}[port.role]
        role = {Role.INPUT: "APP_WRITE", Role.STATIC: "STATIC", Role.OUTPUT: "APP_READ"}[port.role]
        if native:
            prefix, role = "native_", "NATIVE"
        dtype, encoding, config = self._encoding(port, code)
        data = np.array([])
        if port.role is Role.STATIC:
            size = int(np.prod(port.shape))
            data = (np.arange(size) % 2).astype(_NUMPY[dtype]).reshape(port.shape)
        return self._qnn.TensorWrapper(
            f"{prefix}t{index}",
            getattr(self._qnn.Qnn_TensorType_t, f"QNN_TENSOR_TYPE_{role}"),
            getattr(self._qnn.Qnn_DataType_t, f"QNN_DATATYPE_{dtype}"),
            getattr(self._qnn.Qnn_QuantizationEncoding_t, f"QNN_QUANTIZATION_ENCODING_{encoding}"),
            config,
            len(port.shape),
            list(port.shape),
            [],
            data,
            port.role is Role.STATIC,
        )

    def _encoding(self, port: Port, code: str) -> tuple[str, str, dict[str, Any]]:
        if code in _PLAIN:
            return _PLAIN[code], "UNDEFINED", {}
        base = code.rstrip("~")
        sign, bits, kind = base[0], int(base[1:].rstrip("bc")), base[-1]
        dtype = _SFIXED[bits] if sign == "s" else f"UFIXED_POINT_{bits}"
        config: dict[str, Any] = {"quant_min": -(2 ** (bits - 1)), "quant_max": 2 ** (bits - 1) - 1, "dtype": None}
        if kind == "b":
            return dtype, "BLOCKWISE_EXPANSION", config | self._blocks(port)
        if bits < 8:
            config["bitwidth"] = bits
        if kind == "c":
            channels = np.array(
                [(_SCALE, 0)] * port.shape[port.axis], dtype=[("scale", np.float32), ("offset", np.int32)]
            )
            config |= {"axis": port.axis, "scale_offset": channels}
            return dtype, "AXIS_SCALE_OFFSET" if bits >= 8 else "BW_AXIS_SCALE_OFFSET", config
        config |= {"scale": _SCALE, "offset": _offset(sign, bits, code.endswith("~"))}
        return dtype, "SCALE_OFFSET" if bits >= 8 else "BW_SCALE_OFFSET", config

    def _blocks(self, port: Port) -> dict[str, Any]:
        """LPBQ as ExecuTorch's ``make_qnn_per_block_config`` builds it: 4-bit block scales on a channel scale."""
        channels = port.shape[port.axis]
        storage = self._qnn.Qnn_BlockwiseExpansionBlockScaleStorageType_t
        return {
            "axis": port.axis,
            "num_blocks_per_axis": port.blocks,
            "block_scale_offset": np.array(
                [(_SCALE, 0)] * channels, dtype=[("scale", np.float32), ("offset", np.int32)]
            ),
            "block_scales": np.full(channels * port.blocks, 2**_BLOCK_SCALE_BITS, dtype=np.uint8),
            "block_scale_bitwidth": 8 - _BLOCK_SCALE_BITS,
            "block_storage_type": storage.QNN_BLOCKWISE_EXPANSION_BITWIDTH_SCALE_STORAGE_8,
        }


def _offset(sign: str, bits: int, special: bool) -> int:
    if sign == "s":
        return _OFFSET if special else 0
    return -(2 ** (bits - 1)) if special else _OFFSET


def _options(soc: str, fp16: bool) -> Any:
    from executorch.backends.qualcomm.partition.utils import generate_qnn_executorch_option
    from executorch.backends.qualcomm.serialization.qc_schema import QcomChipset, QnnExecuTorchLogLevel
    from executorch.backends.qualcomm.serialization.qc_schema_serialize import (
        flatbuffer_to_option,
        option_to_flatbuffer,
    )
    from executorch.backends.qualcomm.utils.utils import (
        generate_htp_compiler_spec,
        generate_qnn_executorch_compiler_spec,
    )

    specs = generate_qnn_executorch_compiler_spec(
        soc_model=getattr(QcomChipset, soc), backend_options=generate_htp_compiler_spec(use_fp16=fp16)
    )
    option = flatbuffer_to_option(generate_qnn_executorch_option(specs))
    option.log_level = QnnExecuTorchLogLevel.kLogOff
    return option_to_flatbuffer(option)
