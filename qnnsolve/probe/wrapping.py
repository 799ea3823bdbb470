"""An operator with its tensors and parameters, as ExecuTorch's adaptor hands it to QNN: :class:`Wrapping`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from qnnsolve.probe.grids import (
    BLOCK_SCALE_BITS,
    NUMPY,
    PLAIN,
    Stored,
    TensorGrid,
    bits_of,
    is_quantized,
    packed,
    stored_as,
)
from qnnsolve.probe.questions import CaseSpec, OpSpec, Param, PortRole, TensorPort
from qnnsolve.probe.trial import Trial

__all__ = ["SLOTS", "Wrapping"]

_SCALE, _OFFSET = 0.02, -100
SLOTS = 16
"""Tensor numbers per operator in a graph."""


class Wrapping:
    """Wraps operators for ``adaptor``, ExecuTorch's module of QNN's types.

    Codes may carry a suffix that asks for a special offset: ``u16~`` the middle of the range, ``s16~`` not zero.
    """

    def __init__(self, adaptor: Any) -> None:
        self._qnn = adaptor
        self._tensors: dict[tuple[int, TensorPort, str], Any] = {}

    def convert(self, port: TensorPort, feeder: TensorGrid, made: Any, index: int) -> Any:
        """The Convert from an input of the graph with the encoding ``feeder`` to the tensor ``made``."""
        op = self._qnn.PyQnnOpWrapper(f"convert{index}", "qti.aisw", "Convert")
        op.AddInputTensors([self.tensor(port, feeder, index)])
        op.AddOutputTensors([made])
        return op

    def bystander(self) -> Any:
        """An operator that reads an input of the graph and writes an output of it, both of no interest."""
        ports = (TensorPort(role, (1, 8), ("u8",)) for role in (PortRole.INPUT, PortRole.OUTPUT))
        tensors = [(port, self.tensor(port, _any_grid(port, "u8"), SLOTS - 1)) for port in ports]
        op = self._qnn.PyQnnOpWrapper("bystander", "qti.aisw", "Relu")
        op.AddInputTensors([tensor for port, tensor in tensors if port.role is PortRole.INPUT])
        op.AddOutputTensors([tensor for port, tensor in tensors if port.role is PortRole.OUTPUT])
        return op

    def of_trial(self, trial: Trial, made: Mapping[int, Any], first: int) -> Any:
        """The operator with the trial's encodings and constants; its tensors take the slots from ``first`` on."""
        tensors: list[tuple[TensorPort, Any]] = []
        for index, (port, grid) in enumerate(zip(trial.case.ports, trial.grids, strict=True)):
            if grid is not None:
                data = trial.stored[index] if port.role is PortRole.STATIC else None
                tensor = made[index] if index in made else self.tensor(port, grid, first + index, data=data)
                tensors.append((port, tensor))
        return self._wrapped(trial.spec, trial.case, tensors, f"op{first}")

    def of_codes(self, spec: OpSpec, case: CaseSpec, codes: tuple[str, ...]) -> Any:
        """The operator for the validator, which looks at no number: its tensors are made once."""
        tensors: list[tuple[TensorPort, Any]] = []
        for index, (port, code) in enumerate(zip(case.ports, codes, strict=True)):
            if code == "-":
                continue
            key = (index, port, code)
            if key not in self._tensors:
                kind = NUMPY[stored_as(code.rstrip("~"))]
                data = np.zeros(port.shape, kind) if port.role is PortRole.STATIC else None
                self._tensors[key] = self.tensor(port, _any_grid(port, code), index, data=data)
            tensors.append((port, self._tensors[key]))
        return self._wrapped(spec, case, tensors)

    def _wrapped(self, spec: OpSpec, case: CaseSpec, tensors: list[tuple[TensorPort, Any]], name: str = "op") -> Any:
        op = self._qnn.PyQnnOpWrapper(name, "qti.aisw", spec.qnn_op)
        op.AddInputTensors([tensor for port, tensor in tensors if port.role is not PortRole.OUTPUT])
        op.AddOutputTensors([tensor for port, tensor in tensors if port.role is PortRole.OUTPUT])
        for param in case.params:
            self._param(op, param)
        return op

    def _param(self, op: Any, param: Param) -> None:
        dtype = getattr(self._qnn.Qnn_DataType_t, f"QNN_DATATYPE_{PLAIN[param.dtype]}")
        kind = NUMPY[PLAIN[param.dtype]]
        if isinstance(param.value, tuple):
            data = np.array(param.value, dtype=kind)
            op.AddTensorParam(param.name, dtype, data.ndim, list(data.shape), data, True)
        else:
            value = param.value if param.dtype == "b8" else kind(param.value)
            op.AddScalarParam(param.name, dtype, {"data": value})

    def tensor(self, port: TensorPort, grid: TensorGrid, index: int, role: str = "", data: Stored | None = None) -> Any:
        """The tensor of ``port`` with the encoding ``grid``, number ``index``; a static one holds ``data``.

        ``role`` is that of the port, or ``native``: written and read within the graph.
        """
        role = role or port.role.value
        kind = {"input": "APP_WRITE", "static": "STATIC", "output": "APP_READ", "native": "NATIVE"}[role]
        encoding, config = self._encoding(port, grid)
        return self._qnn.TensorWrapper(
            f"{role}_{index}_t",
            getattr(self._qnn.Qnn_TensorType_t, f"QNN_TENSOR_TYPE_{kind}"),
            getattr(self._qnn.Qnn_DataType_t, f"QNN_DATATYPE_{stored_as(grid.code)}"),
            getattr(self._qnn.Qnn_QuantizationEncoding_t, f"QNN_QUANTIZATION_ENCODING_{encoding}"),
            config,
            len(port.shape),
            list(port.shape),
            [],
            np.array([]) if data is None else packed(data, grid.code),
            data is not None,
        )

    def _encoding(self, port: TensorPort, grid: TensorGrid) -> tuple[str, dict[str, Any]]:
        if not is_quantized(grid.code):
            return "UNDEFINED", {}
        bits, kind = bits_of(grid.code), grid.code[-1]
        config: dict[str, Any] = {"quant_min": -(2 ** (bits - 1)), "quant_max": 2 ** (bits - 1) - 1, "dtype": None}
        if kind == "b":
            return "BLOCKWISE_EXPANSION", config | self._blocks(port, grid)
        if bits < 8:
            config["bitwidth"] = bits
        if kind == "c":
            config |= {"axis": port.axis, "scale_offset": _pairs(grid)}
            return "AXIS_SCALE_OFFSET" if bits >= 8 else "BW_AXIS_SCALE_OFFSET", config
        config |= {"scale": float(grid.scale.mean()), "offset": -grid.zero_point}
        return "SCALE_OFFSET" if bits >= 8 else "BW_SCALE_OFFSET", config

    def _blocks(self, port: TensorPort, grid: TensorGrid) -> dict[str, Any]:
        """LPBQ as ExecuTorch's ``make_qnn_per_block_config`` builds it: 4-bit block scales on a channel scale."""
        storage = self._qnn.Qnn_BlockwiseExpansionBlockScaleStorageType_t
        assert grid.block_scales is not None
        return {
            "axis": port.axis,
            "num_blocks_per_axis": grid.block_scales.shape[1],
            "block_scale_offset": _pairs(grid),
            "block_scales": grid.block_scales.reshape(-1),
            "block_scale_bitwidth": 8 - BLOCK_SCALE_BITS,
            "block_storage_type": storage.QNN_BLOCKWISE_EXPANSION_BITWIDTH_SCALE_STORAGE_8,
        }


def _pairs(grid: TensorGrid) -> Any:
    assert grid.channel_scales is not None
    return np.array([(scale, 0) for scale in grid.channel_scales], dtype=[("scale", np.float32), ("offset", np.int32)])


def _any_grid(port: TensorPort, code: str) -> TensorGrid:
    """Some encoding of the code: the validator looks at the offset only."""
    base = code.rstrip("~")
    scale = np.array(_SCALE)
    if not is_quantized(base):
        return TensorGrid(base, np.ones(()), 0, 0, 0)
    channels = np.full(port.shape[port.axis], _SCALE) if base[-1] in "cb" else None
    blocks = None
    if base[-1] == "b" and channels is not None:
        blocks = np.full((len(channels), port.blocks_in_use), 2**BLOCK_SCALE_BITS, np.uint8)
    zero_point = 0 if base[-1] in "cb" else -_offset(base[0], bits_of(base), code.endswith("~"))
    return TensorGrid(base, scale, zero_point, 0, 0, port.axis, channels, blocks)


def _offset(sign: str, bits: int, special: bool) -> int:
    if sign == "s":
        return _OFFSET if special else 0
    return -(2 ** (bits - 1)) if special else _OFFSET
