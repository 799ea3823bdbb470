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
from qnnsolve.probe.grids import Stored
from qnnsolve.probe.questions import CaseSpec, OpSpec
from qnnsolve.probe.trial import Trial, TrialOutcome
from qnnsolve.probe.wrapping import SLOTS, Wrapping

__all__ = ["SOCS", "LiveBackend"]

SOCS = {"V68": "SM8350", "V69": "SM8450", "V73": "SM8550", "V75": "SM8650", "V79": "SM8750", "V81": "SM8850"}
"""The SoC that stands for each HTP arch."""

_BYSTANDER: Mapping[int, Stored] = {SLOTS - 1: np.zeros((1, 8), np.uint8)}
"""What an operator is fed with that stands in a graph for the sake of having an input."""


class LiveBackend:
    """The backend for one SoC, as long as the process lives.

    Codes may carry a suffix that asks for a special offset: ``u16~`` the middle of the range, ``s16~`` not zero.

    Raises:
        HostBackendError: no libraries here, or the backend does not start.
    """

    def __init__(self, soc: str, fp16: bool) -> None:
        self.build_id = libraries.ensure_loaded().build_id
        import executorch.backends.qualcomm.python.PyQnnManagerAdaptor as adaptor

        self._emulator = Emulator()
        self._manager: Any = adaptor.QnnManager(_options(soc, fp16))
        if self._manager.InitBackend().value != 0:
            raise HostBackendError(f"the HTP backend does not start for {soc}")
        self._wrapping = Wrapping(adaptor)
        self._names = itertools.count()

    def validate(self, spec: OpSpec, case: CaseSpec, codes: tuple[str, ...]) -> bool:
        """Whether the validator accepts the operator with these port codes."""
        return bool(self._manager.IsNodeSupportedByBackend([self._wrapping.of_codes(spec, case, codes).GetOpWrapper()]))

    def run(self, trial: Trial, before: Callable[[], None]) -> TrialOutcome:
        """Compile ``trial`` and run it on the emulator. Both may kill the process: ask in a child.

        ``before`` is called when finalize has accepted. Some tuples are refused at the graph's edge only: MatMul's
        second input cannot be an ``s16`` input of the graph, but can be one that a Convert makes. Some graphs are
        accepted and then not executed: an 8-bit Conv3d that reads an input of the graph, which runs in a program. Both
        are asked a second time behind Converts. What reads nothing (random numbers) stands beside an operator that
        does: a graph without an input is refused.
        """
        if not trial.fed:
            with_bystander = [self._wrapping.of_trial(trial, {}, 0), self._wrapping.bystander()]
            return self._outcomes(with_bystander, [trial], _BYSTANDER, before)[0]
        outcome = self._outcomes([self._wrapping.of_trial(trial, {}, 0)], [trial], trial.fed, before)[0]
        converted = [index for index in trial.fed if can_convert(trial.grids[index])]
        if outcome.ran or not converted:
            return outcome
        behind = behind_converts(trial, converted)
        fed, made, ops = behind.fed, {}, []
        for index in converted:
            port, grid, feeder = trial.case.ports[index], behind.grids[index], feeder_of(behind, index)
            assert grid is not None
            made[index] = self._wrapping.tensor(port, grid, index, "native")
            ops.append(self._wrapping.convert(port, feeder.grid, made[index], index))
            fed[index] = feeder.stored
        again = self._outcomes([*ops, self._wrapping.of_trial(behind, made, 0)], [behind], fed, before)[0]
        return again if again.ran or not outcome.compiled else outcome

    def run_together(self, trials: Sequence[Trial]) -> tuple[TrialOutcome, ...] | None:
        """What :meth:`run` gives for each, from one graph that holds them all; None where it is refused as a whole."""
        ops = [self._wrapping.of_trial(trial, {}, number * SLOTS) for number, trial in enumerate(trials)]
        fed = {
            number * SLOTS + index: numbers
            for number, trial in enumerate(trials)
            for index, numbers in trial.fed.items()
        }
        outcomes = self._outcomes(ops, trials, fed, lambda: None)
        return outcomes if outcomes[0].ran else None

    def _outcomes(
        self, ops: list[Any], trials: Sequence[Trial], fed: Mapping[int, Stored], before: Callable[[], None]
    ) -> tuple[TrialOutcome, ...]:
        results = [
            {index: np.zeros(trial.case.ports[index].shape, trial.kind(index)) for index, _ in trial.outputs}
            for trial in trials
        ]
        outputs = {
            f"output_{number * SLOTS + index}_t": array
            for number, arrays in enumerate(results)
            for index, array in arrays.items()
        }
        if fed is _BYSTANDER:
            outputs[f"output_{SLOTS - 1}_t"] = np.zeros_like(fed[SLOTS - 1])
        self._emulator.feed({f"input_{slot}_t": numbers for slot, numbers in fed.items()}, outputs, before)
        compiled = self._finalizes(ops)
        ran = compiled and self._emulator.ran
        self._emulator.feed({}, {})
        pairs = zip(trials, results, strict=True)
        return tuple(TrialOutcome(compiled, ran, tuple(arrays.values()), trial) for trial, arrays in pairs)

    def _finalizes(self, ops: list[Any]) -> bool:
        graph = f"g{next(self._names)}"
        if self._manager.InitContext([graph]).value != 0:
            raise HostBackendError("the HTP backend gives no context")
        binary = self._manager.Compile([graph], [[op.GetOpWrapper() for op in ops]])
        self._manager.DestroyContext()
        return len(binary) != 0


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
