"""One live HTP backend in this process, asked through ExecuTorch's own adaptor.

The backend prints a page for every refusal; its log is turned off. One process can hold one SoC only: a second
manager would silently keep the first one's.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from qnnsolve.errors import HostBackendError
from qnnsolve.host import libraries
from qnnsolve.probe.converts import behind_converts, can_convert, feeder_of
from qnnsolve.probe.emulator import Emulator
from qnnsolve.probe.grids import BLOCK_SCALE_BITS, NUMPY, PLAIN, Grid, bits_of, is_quantized, packed, stored_as
from qnnsolve.probe.specs import CaseSpec, OpSpec, Param, Port, Role
from qnnsolve.probe.trial import Outcome, Stored, Trial

__all__ = ["SOCS", "Backend"]

SOCS = {"V68": "SM8350", "V69": "SM8450", "V73": "SM8550", "V75": "SM8650", "V79": "SM8750", "V81": "SM8850"}
"""The SoC that stands for each HTP arch."""

_SCALE, _OFFSET = 0.02, -100
_SLOTS = 16
"""Tensor numbers per operator in a graph."""
_BYSTANDER: Mapping[int, Stored] = {_SLOTS - 1: np.zeros((1, 8), np.uint8)}
"""What an operator is fed with that stands in a graph for the sake of having an input."""


class Backend:
    """The backend for one SoC, as a context manager.

    Codes may carry a suffix that asks for a special offset: ``u16~`` the middle of the range, ``s16~`` not zero.

    Raises:
        HostBackendError: no libraries here, or the backend does not start.
    """

    def __init__(self, soc: str, fp16: bool) -> None:
        self.build_id = libraries.ensure_loaded().build_id
        import executorch.backends.qualcomm.python.PyQnnManagerAdaptor as adaptor

        self._emulator = Emulator()
        self._qnn: Any = adaptor
        self._manager: Any = adaptor.QnnManager(_options(soc, fp16))
        if self._manager.InitBackend().value != 0:
            raise HostBackendError(f"the HTP backend does not start for {soc}")
        self._names = itertools.count()
        self._tensors: dict[tuple[int, Port, str], Any] = {}

    def validate(self, spec: OpSpec, case: CaseSpec, codes: tuple[str, ...]) -> bool:
        """Whether the validator accepts the operator with these port codes."""
        return bool(self._manager.IsNodeSupportedByBackend([self._op(spec, case, codes).GetOpWrapper()]))

    def run(self, trial: Trial, before: Callable[[], None]) -> Outcome:
        """Compile ``trial`` and run it on the emulator. Both may kill the process: ask in a child.

        ``before`` is called when finalize has accepted. Some tuples are refused at the graph's edge only (MatMul's
        second input cannot be an ``s16`` that the graph is fed with, but can be one that a Convert makes), and some
        graphs are accepted and then not executed (an 8-bit Conv3d that the graph itself is fed with; from a program it
        runs): they are asked a second time behind Converts. What reads nothing (random numbers) stands beside an
        operator that does: a graph without an input is refused.
        """
        if not trial.fed:
            return self._outcomes([self._trial_op(trial, {}, 0), self._bystander()], [trial], _BYSTANDER, before)[0]
        outcome = self._outcomes([self._trial_op(trial, {}, 0)], [trial], trial.fed, before)[0]
        converted = [index for index in trial.fed if can_convert(trial.grids[index])]
        if outcome.ran or not converted:
            return outcome
        behind = behind_converts(trial, converted)
        fed, made, ops = behind.fed, {}, []
        for index in converted:
            port, grid, feeder = trial.case.ports[index], behind.grids[index], feeder_of(behind, index)
            assert grid is not None
            made[index] = self._tensor(port, grid, index, "native")
            op = self._qnn.PyQnnOpWrapper(f"convert{index}", "qti.aisw", "Convert")
            op.AddInputTensors([self._tensor(port, feeder.grid, index)])
            op.AddOutputTensors([made[index]])
            ops.append(op)
            fed[index] = feeder.stored
        again = self._outcomes([*ops, self._trial_op(behind, made, 0)], [behind], fed, before)[0]
        return again if again.ran or not outcome.compiled else outcome

    def run_together(self, trials: Sequence[Trial]) -> tuple[Outcome, ...] | None:
        """What :meth:`run` gives for each, from one graph that holds them all; None where it is refused as a whole."""
        ops = [self._trial_op(trial, {}, number * _SLOTS) for number, trial in enumerate(trials)]
        fed = {
            number * _SLOTS + index: numbers
            for number, trial in enumerate(trials)
            for index, numbers in trial.fed.items()
        }
        outcomes = self._outcomes(ops, trials, fed, lambda: None)
        return outcomes if outcomes[0].ran else None

    def _outcomes(
        self, ops: list[Any], trials: Sequence[Trial], fed: Mapping[int, Stored], before: Callable[[], None]
    ) -> tuple[Outcome, ...]:
        results = [
            {index: np.zeros(trial.case.ports[index].shape, trial.kind(index)) for index, _ in trial.outputs}
            for trial in trials
        ]
        outputs = {
            f"output_{number * _SLOTS + index}_t": array
            for number, arrays in enumerate(results)
            for index, array in arrays.items()
        }
        if fed is _BYSTANDER:
            outputs[f"output_{_SLOTS - 1}_t"] = np.zeros_like(fed[_SLOTS - 1])
        self._emulator.feed({f"input_{slot}_t": numbers for slot, numbers in fed.items()}, outputs, before)
        compiled = self._finalizes(ops)
        ran = compiled and self._emulator.ran
        self._emulator.feed({}, {})
        told = zip(trials, results, strict=True)
        return tuple(Outcome(compiled, ran, tuple(arrays.values()), trial) for trial, arrays in told)

    def _bystander(self) -> Any:
        """An operator that reads an input of the graph and writes an output of it, both of no interest."""
        ports = (Port(role, (1, 8), ("u8",)) for role in (Role.INPUT, Role.OUTPUT))
        tensors = [(port, self._tensor(port, _any_grid(port, "u8"), _SLOTS - 1)) for port in ports]
        op = self._qnn.PyQnnOpWrapper("bystander", "qti.aisw", "Relu")
        op.AddInputTensors([tensor for port, tensor in tensors if port.role is Role.INPUT])
        op.AddOutputTensors([tensor for port, tensor in tensors if port.role is Role.OUTPUT])
        return op

    def _finalizes(self, ops: list[Any]) -> bool:
        graph = f"g{next(self._names)}"
        if self._manager.InitContext([graph]).value != 0:
            raise HostBackendError("the HTP backend gives no context")
        binary = self._manager.Compile([graph], [[op.GetOpWrapper() for op in ops]])
        self._manager.DestroyContext()
        return len(binary) != 0

    def _trial_op(self, trial: Trial, made: Mapping[int, Any], first: int) -> Any:
        """The operator with the trial's encodings and constants; its tensors take the slots from ``first`` on."""
        tensors: list[tuple[Port, Any]] = []
        for index, (port, grid) in enumerate(zip(trial.case.ports, trial.grids, strict=True)):
            if grid is not None:
                data = trial.stored[index] if port.role is Role.STATIC else None
                tensor = made[index] if index in made else self._tensor(port, grid, first + index, data=data)
                tensors.append((port, tensor))
        return self._wrapped(trial.spec, trial.case, tensors, f"op{first}")

    def _op(self, spec: OpSpec, case: CaseSpec, codes: tuple[str, ...]) -> Any:
        """The operator for the validator, which looks at no number: its tensors are made once."""
        tensors: list[tuple[Port, Any]] = []
        for index, (port, code) in enumerate(zip(case.ports, codes, strict=True)):
            if code == "-":
                continue
            key = (index, port, code)
            if key not in self._tensors:
                data = np.zeros(port.shape, NUMPY[stored_as(code.rstrip("~"))]) if port.role is Role.STATIC else None
                self._tensors[key] = self._tensor(port, _any_grid(port, code), index, data=data)
            tensors.append((port, self._tensors[key]))
        return self._wrapped(spec, case, tensors)

    def _wrapped(self, spec: OpSpec, case: CaseSpec, tensors: list[tuple[Port, Any]], name: str = "op") -> Any:
        op = self._qnn.PyQnnOpWrapper(name, "qti.aisw", spec.qnn_op)
        op.AddInputTensors([tensor for port, tensor in tensors if port.role is not Role.OUTPUT])
        op.AddOutputTensors([tensor for port, tensor in tensors if port.role is Role.OUTPUT])
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

    def _tensor(self, port: Port, grid: Grid, index: int, role: str = "", data: Stored | None = None) -> Any:
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

    def _encoding(self, port: Port, grid: Grid) -> tuple[str, dict[str, Any]]:
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

    def _blocks(self, port: Port, grid: Grid) -> dict[str, Any]:
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


def _pairs(grid: Grid) -> Any:
    assert grid.channel_scales is not None
    return np.array([(scale, 0) for scale in grid.channel_scales], dtype=[("scale", np.float32), ("offset", np.int32)])


def _any_grid(port: Port, code: str) -> Grid:
    """Some encoding of the code: the validator looks at the offset only."""
    base = code.rstrip("~")
    scale = np.array(_SCALE)
    if not is_quantized(base):
        return Grid(base, np.ones(()), 0, 0, 0)
    channels = np.full(port.shape[port.axis], _SCALE) if base[-1] in "cb" else None
    blocks = None
    if base[-1] == "b" and channels is not None:
        blocks = np.full((len(channels), port.blocks_in_use), 2**BLOCK_SCALE_BITS, np.uint8)
    zero_point = 0 if base[-1] in "cb" else -_offset(base[0], bits_of(base), code.endswith("~"))
    return Grid(base, scale, zero_point, 0, 0, port.axis, channels, blocks)


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
