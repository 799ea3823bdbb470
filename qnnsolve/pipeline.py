"""From a model to a solved config (:func:`solve`), or to a verified ``.pte`` (:func:`export`)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from qnnsolve.errors import BudgetExceededError, KernelError, UnsatisfiableError
from qnnsolve.facts.socs import compile_as
from qnnsolve.facts.user import UserFacts
from qnnsolve.host.child import Progress
from qnnsolve.host.libraries import ensure_compiler
from qnnsolve.host.outputs import put, spare_inputs, unfinished
from qnnsolve.host.quiet import quiet
from qnnsolve.host.stages import Stages
from qnnsolve.lowering.lower import Lowered, calling, check_writable, lower
from qnnsolve.lowering.marks import LEFT_BY_SOLVER
from qnnsolve.models.tracing import checked_samples, evaluating, example_inputs_of, exported, module_of, single
from qnnsolve.opinfo_facts import FactsSource
from qnnsolve.results import CpuOp, ExportResult, SolveResult, Unrunnable, Verification
from qnnsolve.rules.request import precision as precision_of
from qnnsolve.runs import Keeping
from qnnsolve.verification.verified_samples import VERIFIED_SAMPLES, chosen
from qnnsolve.verification.verify import converted_checks, restored
from qnnsolve.verification.verify import verify as verify_program

if TYPE_CHECKING:
    import torch
    from torch.export import ExportedProgram

    from qnnsolve.quantizer import SolveQuantizer

__all__ = ["Progress", "export", "solve"]

BLOCK_SIZE = 32


def solve(
    model: torch.nn.Module | ExportedProgram,
    example_inputs: tuple[Any, ...] | None = None,
    *,
    soc: str = "SM8750",
    precision: str = "8a8w",
    backend: str = "htp",
    strict: bool = True,
    block_size: int | None = None,
    unroll_limit: int | None = None,
    time_limit: float | None = None,
    user_facts: UserFacts | Sequence[str | PathLike[str]] = (),
    facts_source: str | FactsSource = FactsSource.BOTH,
    save: str | PathLike[str] | None = None,
    model_name: str | None = None,
    progress: Progress | None = None,
) -> SolveResult:
    """The nearest legal quantization config of ``model``, or every conflict that stands against one.

    Nothing is calibrated or compiled, and the model is left as it is. Layers in training mode are exported in
    evaluation mode.

    Args:
        model: a module, or a program of ``torch.export.export``.
        example_inputs: positional; they fix the shapes. None takes those of the exported program.
        soc: a chipset of ExecuTorch's table.
        precision: what is asked for; the result says where it had to deviate.
        backend: whose rules hold.
        strict: raise where an op has no facts; else leave it float.
        block_size: elements per block along input channels, for block-wise weights; None means 32.
        unroll_limit: steps of a recurrent layer (LSTM, GRU, RNN) that are spelled out at most; None means 128.
        time_limit: seconds for the solve, then the best found so far counts; None means 120, infinity no limit.
        user_facts: files of the user's own facts, or facts that were read from such files.
        facts_source: whose operator tables count: ``both``, ``measured`` or ``sdk``.
        save: a file to keep the run in, for :func:`qnnsolve.load_run`; an earlier run there is replaced.
        model_name: what the kept run calls the model; None means its class.
        progress: called with a stage, the steps done and their number.

    Raises:
        UnknownNameError: an unknown SoC, precision, backend or facts source.
        FactsError: a file of the user's facts says what cannot be.
        UsageError: there are no example inputs, or ``save`` cannot be written or is no kept run.
        UnsupportedGraphError: the model cannot be exported, or its graph cannot be read.
        UnverifiedError: strict, and there are ops without facts.
    """
    read = [("a file of the user's facts", path) for path in _paths(user_facts)]
    keeping = Keeping.at(save, model_name or type(model).__name__, read)
    with quiet():
        from torchao.quantization.pt2e.quantize_pt2e import prepare_pt2e

        quantizer = _quantizer(
            backend, soc, strict, precision, block_size, unroll_limit, time_limit, user_facts, facts_source
        )
        stages = Stages(progress)
        with evaluating(model):
            with stages("export"):
                module = exported(model, example_inputs_of(model, example_inputs))
            with stages("solve"), contextlib.suppress(UnsatisfiableError, BudgetExceededError):
                # These two are answers, and in the result. Preparing folds batch norms first, as an export does.
                prepare_pt2e(module, quantizer)
    keeping.keep(quantizer.solved)
    return _result(quantizer)


def export(
    model: torch.nn.Module | ExportedProgram,
    example_inputs: tuple[Any, ...] | None = None,
    *,
    out: str | Path,
    soc: str = "SM8750",
    precision: str = "8a8w",
    calibration: Iterable[tuple[Any, ...]] | None = None,
    backend: str = "htp",
    strict: bool = True,
    block_size: int | None = None,
    unroll_limit: int | None = None,
    time_limit: float | None = None,
    user_facts: UserFacts | Sequence[str | PathLike[str]] = (),
    facts_source: str | FactsSource = FactsSource.BOTH,
    verify: bool = True,
    verify_samples: int = VERIFIED_SAMPLES,
    tolerance: float = 0.01,
    save: str | PathLike[str] | None = None,
    model_name: str | None = None,
    progress: Progress | None = None,
) -> ExportResult:
    """Solve, calibrate, compile to ``out``, and compare the program on the emulator with the converted model.

    The converted model is compared with the float model over all calibration samples, the program over some of them.
    One that disagrees is kept, and the result says so: see :attr:`Verification.agrees`.

    Args:
        model: a module, or a program of ``torch.export.export``.
        example_inputs: positional; they fix the shapes. None takes those of the exported program.
        out: the ``.pte``; an existing one is replaced only by a complete one, when its verification is done.
        soc: a chipset of ExecuTorch's table.
        precision: what is asked for; the result says where it had to deviate.
        calibration: positional inputs per sample, shaped like the example inputs, which are used where it is None.
        backend: whose rules hold; only ``htp`` can be compiled for here.
        strict: raise where an op has no facts; else leave it on the CPU.
        block_size: elements per block along input channels, for block-wise weights; None means 32.
        unroll_limit: steps of a recurrent layer (LSTM, GRU, RNN) that are spelled out at most; None means 128.
        time_limit: seconds for the solve, then the best found so far counts; None means 120, infinity no limit.
        user_facts: files of the user's own facts, or facts that were read from such files.
        facts_source: whose operator tables count: ``both``, ``measured`` or ``sdk``.
        verify: run the program on the emulator.
        verify_samples: how many different samples the emulator runs: the example inputs, and some to calibrate with.
        tolerance: the largest difference, as a fraction of the output's range, that is allowed without another look;
            more is allowed where it is rounding.
        save: a file to keep the run in, for :func:`qnnsolve.load_run`; an earlier run there is replaced when all is
            done, or when no legal config exists.
        model_name: what the kept run calls the model; None means its class.
        progress: called with a stage, the steps done and their number.

    Raises:
        UnknownNameError: an unknown SoC, precision, backend or facts source.
        FactsError: a file of the user's facts says what cannot be.
        UsageError: ``out`` or ``save`` cannot be written, there are no samples, or one does not fit the model.
        UnsupportedGraphError: the model cannot be exported, or its graph cannot be read.
        UnsatisfiableError: no legal config exists.
        UnverifiedError: strict, and there are ops without facts.
        BudgetExceededError: the solve hit a limit.
        HostBackendError: no compiler for the backend on this machine, or it failed or died.
    """
    target = check_writable(Path(out))
    read = [("a file of the user's facts", path) for path in _paths(user_facts)]
    spare_inputs("out", target, read)
    keeping = Keeping.at(save, model_name or type(model).__name__, [*read, ("the program", target)])
    with quiet():
        import torch

        from qnnsolve.rewriting.notes import notes_of

        quantizer = _quantizer(
            backend, soc, strict, precision, block_size, unroll_limit, time_limit, user_facts, facts_source
        )
        ensure_compiler(backend)
        stages = Stages(progress)
        with evaluating(model), keeping.without_solution(lambda: quantizer.solved):
            examples = given = example_inputs_of(model, example_inputs)
            samples = checked_samples(calibration, examples)
            with stages("export"):
                module = exported(model, examples)
            as_given = not notes_of(module)
            examples, samples = single(examples), [single(sample) for sample in samples]
            converted = _converted(module, samples, quantizer, stages)
            original = model if isinstance(model, torch.nn.Module) else module_of(model)
            original = original if as_given else exported(model, given)
            with stages("compare", len(samples)):
                near = converted_checks(
                    converted, original, samples, progress=lambda done: stages.step("compare", done, len(samples))
                )
            with unfinished(target) as program:
                with stages("lower"):
                    lowered = lower(
                        converted,
                        examples,
                        soc=compile_as(quantizer.soc),
                        fp16=precision_of(precision).fp16,
                        cpu_nodes=quantizer.cpu_nodes,
                        out=program,
                        progress=progress,
                    )
                verification, unrunnable = None, lowered.unrunnable
                if verify and not unrunnable:
                    checked = chosen(examples, samples, verify_samples)
                    half = precision_of(precision).fp16
                    try:
                        verification = _verified(lowered, converted, original, checked, tolerance, half, stages)
                    except KernelError as error:
                        refused = f"its kernel refuses the arguments (error {error.code})"
                        unrunnable = (Unrunnable(error.kernel, calling(error.kernel, lowered.cpu_ops), refused),)
                put(program, target)
    solved = _result(quantizer)
    result = ExportResult(
        solve=solved,
        delegates=lowered.delegates,
        cpu_ops=tuple(_with_reason(op, solved) for op in lowered.cpu_ops),
        pte=str(out),
        pte_bytes=lowered.pte_bytes,
        verification=verification,
        timings=(*solved.timings, *stages.seconds),
        unrunnable=unrunnable,
        converted=near,
    )
    keeping.keep(quantizer.solved, result)
    return result


def _paths(user_facts: UserFacts | Sequence[str | PathLike[str]]) -> Sequence[str | PathLike[str]]:
    return user_facts.paths if isinstance(user_facts, UserFacts) else user_facts


def _quantizer(
    backend: str,
    soc: str,
    strict: bool,
    precision: str,
    block_size: int | None,
    unroll_limit: int | None,
    time_limit: float | None,
    user_facts: UserFacts | Sequence[str | PathLike[str]],
    facts_source: str | FactsSource,
) -> SolveQuantizer:
    from qnnsolve.quantizer import SolveQuantizer

    return SolveQuantizer(
        backend,
        soc,
        strict,
        precision=precision,
        block_size=block_size or BLOCK_SIZE,
        unroll_limit=unroll_limit,
        time_limit=time_limit,
        user_facts=user_facts,
        facts_source=facts_source,
    )


def _with_reason(op: CpuOp, solved: SolveResult) -> CpuOp:
    """With the solver's own reason, where the solver left the op on the CPU."""
    reasons = (d.reason for node in solved.nodes if node.name == op.name for d in node.deviations)
    why = next(reasons, None) if op.reason == LEFT_BY_SOLVER else None
    return op if why is None else attrs.evolve(op, reason=f"{LEFT_BY_SOLVER}: {why}")


def _result(quantizer: SolveQuantizer) -> SolveResult:
    assert quantizer.result is not None, "annotate() answers or raises"
    return quantizer.result


def _converted(
    module: torch.fx.GraphModule,
    samples: list[tuple[Any, ...]],
    quantizer: SolveQuantizer,
    stages: Stages,
) -> torch.fx.GraphModule:
    """The model quantized as solved for, with the ranges that ``samples`` showed."""
    import torch
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    # Calibrating writes to a model's states, and so does converting: torchao 0.18 folds constants, for which it runs
    # every op that hangs on no input, those in place included (a counter would start at 1).
    with restored(tuple(module.buffers())):
        with stages("prepare"):
            prepared = prepare_pt2e(module, quantizer)
        with stages("calibrate", len(samples)), torch.no_grad():
            for done, sample in enumerate(samples):
                stages.step("calibrate", done, len(samples))
                prepared(*sample)
        with stages("convert"):
            converted: torch.fx.GraphModule = convert_pt2e(prepared)
    return converted


def _verified(
    lowered: Lowered,
    converted: torch.fx.GraphModule,
    original: torch.nn.Module,
    samples: list[tuple[Any, ...]],
    tolerance: float,
    half: bool,
    stages: Stages,
) -> Verification:
    with stages("verify", len(samples)):
        verification = verify_program(
            lowered.pte,
            converted,
            original,
            samples,
            tolerance=tolerance,
            cpu_ops=lowered.cpu_ops,
            half=half,
            progress=stages.progress,
        )
    stages.seconds.append(("emulator", verification.emulator_seconds))
    return verification
