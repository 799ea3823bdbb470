"""From a model to a solved config (:func:`solve`), or to a verified ``.pte`` (:func:`export`)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qnnsolve.errors import BudgetExceededError, KernelError, UnsatisfiableError
from qnnsolve.facts.socs import compile_as
from qnnsolve.host.child import Progress
from qnnsolve.host.leftovers import check_scratch
from qnnsolve.host.libraries import ensure_compiler
from qnnsolve.host.outputs import check_writable, put, spare_inputs, unfinished
from qnnsolve.host.quiet import quiet
from qnnsolve.host.stages import Stages
from qnnsolve.lowering.lower import calling, lower
from qnnsolve.models.tracing import checked_samples, evaluating, example_inputs_of, exported, module_of, single
from qnnsolve.opinfo_facts import FactsSource
from qnnsolve.pipeline.keeping import Keeping
from qnnsolve.pipeline.steps import Compared, converted_model, files_of, result_of, verified, with_reason
from qnnsolve.recipes import Recipes, read_recipes
from qnnsolve.results import ExportResult, SolveResult, Unrunnable
from qnnsolve.rules.target import FactFiles, Target, Texts
from qnnsolve.rules.wishes import Wish
from qnnsolve.solver import limits_of
from qnnsolve.verification.verified_samples import VERIFIED_SAMPLES, chosen
from qnnsolve.verification.verify import converted_checks

if TYPE_CHECKING:
    import torch
    from torch.export import ExportedProgram

__all__ = ["Progress", "export", "solve"]


def solve(
    model: torch.nn.Module | ExportedProgram,
    example_inputs: tuple[Any, ...] | None = None,
    *,
    soc: str = "SM8750",
    precision: str | None = None,
    backend: str = "htp",
    strict: bool = True,
    block_size: int | None = None,
    prefer: Texts = (),
    pin: Texts = (),
    wishes: Sequence[Wish] = (),
    recipe: Recipes = (),
    unroll_limit: int | None = None,
    time_limit: float | None = None,
    user_facts: FactFiles = (),
    facts_source: str | FactsSource = FactsSource.BOTH,
    save: str | PathLike[str] | None = None,
    save_recipe: str | PathLike[str] | None = None,
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
        precision: what is asked for; the result says where it had to deviate. None means the recipe's, or 8a8w.
        backend: whose rules hold.
        strict: raise where an op has no facts; else leave it float. A pin that cannot hold is a conflict, or given up.
        block_size: elements per block along input channels, for block-wise weights; None means 32.
        prefer: wishes as people type them (``layers.0=16a``, see :func:`qnnsolve.rules.wish_text.parse_wish`), one or
            several: the nearest legal config.
        pin: wishes that must hold; not strict, one that cannot is given up, and the result says so. A pin counts
            over what is preferred.
        wishes: wishes as records; ``prefer`` and ``pin`` come after them.
        recipe: files with wishes, one or several, or what was read from such files; all other wishes count over them.
        unroll_limit: steps of a recurrent layer (LSTM, GRU, RNN) that are spelled out at most; None means 128.
        time_limit: seconds for the solve, then the best found so far counts; None means 120, infinity no limit.
        user_facts: files of the user's own facts, or facts that were read from such files.
        facts_source: whose operator tables count: ``both``, ``measured`` or ``sdk``.
        save: a file to keep the run in, for :func:`qnnsolve.load_run`; an earlier run there is replaced.
        save_recipe: a file for what was chosen, as a recipe: its name ends with ``.yaml``, ``.toml`` or ``.json``, or
            with ``.py`` for source of ExecuTorch's QuantRecipe. Nothing is written where there is no solution.
        model_name: what the kept run and the recipe call the model; None means its class.
        progress: called with a stage, the steps done and their number.

    Raises:
        UnknownNameError: an unknown SoC, precision, backend or facts source.
        FactsError: a file of the user's facts says what cannot be.
        UsageError: a wish means or finds nothing, there are no example inputs, or ``save`` cannot be written or is no
            kept run.
        UnsupportedGraphError: the model cannot be exported, or its graph cannot be read.
        UnverifiedError: strict, and there are ops without facts.
    """
    asked = read_recipes(recipe)
    wanted = asked.wanted(precision, block_size, prefer=prefer, pin=pin, wishes=wishes)
    limits = limits_of(time_limit)
    read = files_of(user_facts, asked)
    keeping = Keeping.at(save, save_recipe, model_name or type(model).__name__, read)
    with quiet():
        from torchao.quantization.pt2e.quantize_pt2e import prepare_pt2e

        from qnnsolve.quantizer import SolveQuantizer

        target = Target.of(backend, soc, strict=strict, user_facts=user_facts, source=facts_source)
        quantizer = SolveQuantizer.of(target, wanted, limits, unroll_limit)
        stages = Stages(progress)
        with evaluating(model):
            with stages("export"):
                module = exported(model, example_inputs_of(model, example_inputs))
            with stages("solve"), contextlib.suppress(UnsatisfiableError, BudgetExceededError):
                # These two are answers, and in the result. Preparing folds batch norms first, as an export does.
                prepare_pt2e(module, quantizer)
    keeping.keep(quantizer.solved)
    return result_of(quantizer)


def export(
    model: torch.nn.Module | ExportedProgram,
    example_inputs: tuple[Any, ...] | None = None,
    *,
    out: str | Path,
    soc: str = "SM8750",
    precision: str | None = None,
    calibration: Iterable[tuple[Any, ...]] | None = None,
    backend: str = "htp",
    strict: bool = True,
    block_size: int | None = None,
    prefer: Texts = (),
    pin: Texts = (),
    wishes: Sequence[Wish] = (),
    recipe: Recipes = (),
    unroll_limit: int | None = None,
    time_limit: float | None = None,
    user_facts: FactFiles = (),
    facts_source: str | FactsSource = FactsSource.BOTH,
    verify: bool = True,
    verify_samples: int = VERIFIED_SAMPLES,
    tolerance: float = 0.01,
    save: str | PathLike[str] | None = None,
    save_recipe: str | PathLike[str] | None = None,
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
        precision: what is asked for; the result says where it had to deviate. None means the recipe's, or 8a8w.
        calibration: positional inputs per sample, shaped like the example inputs, which are used where it is None.
        backend: whose rules hold; only ``htp`` can be compiled for here.
        strict: raise where an op has no facts; else leave it on the CPU.
        block_size: elements per block along input channels, for block-wise weights; None means 32.
        prefer: wishes as people type them (``layers.0=16a``, see :func:`qnnsolve.rules.wish_text.parse_wish`), one or
            several: the nearest legal config.
        pin: wishes that must hold; not strict, one that cannot is given up, and the result says so. A pin counts
            over what is preferred.
        wishes: wishes as records; ``prefer`` and ``pin`` come after them.
        recipe: files with wishes, one or several, or what was read from such files; all other wishes count over them.
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
        save_recipe: a file for what was chosen, as a recipe: its name ends with ``.yaml``, ``.toml`` or ``.json``, or
            with ``.py`` for source of ExecuTorch's QuantRecipe. Nothing is written where there is no solution.
        model_name: what the kept run and the recipe call the model; None means its class.
        progress: called with a stage, the steps done and their number.

    Raises:
        UnknownNameError: an unknown SoC, precision, backend or facts source.
        FactsError: a file of the user's facts says what cannot be.
        UsageError: a wish means or finds nothing, ``out`` or ``save`` cannot be written, there are no samples, or one
            does not fit the model.
        UnsupportedGraphError: the model cannot be exported, or its graph cannot be read.
        UnsatisfiableError: no legal config exists.
        UnverifiedError: strict, and there are ops without facts.
        BudgetExceededError: the solve hit a limit.
        HostBackendError: no compiler for the backend on this machine, or it failed or died.
    """
    asked = read_recipes(recipe)
    wanted = asked.wanted(precision, block_size, prefer=prefer, pin=pin, wishes=wishes)
    limits = limits_of(time_limit)
    pte, read = check_writable(out), files_of(user_facts, asked)
    spare_inputs("out", pte, read)
    check_scratch()
    keeping = Keeping.at(save, save_recipe, model_name or type(model).__name__, [*read, ("the program", pte)])
    with quiet():
        import torch

        from qnnsolve.quantizer import SolveQuantizer
        from qnnsolve.rewriting.notes import notes_of

        target = Target.of(backend, soc, strict=strict, user_facts=user_facts, source=facts_source)
        quantizer = SolveQuantizer.of(target, wanted, limits, unroll_limit)
        ensure_compiler(backend)
        stages = Stages(progress)
        with evaluating(model), keeping.without_solution(lambda: quantizer.solved):
            examples = given = example_inputs_of(model, example_inputs)
            samples = checked_samples(calibration, examples)
            with stages("export"):
                module = exported(model, examples)
            as_given = not notes_of(module)
            examples, samples = single(examples), [single(sample) for sample in samples]
            converted = converted_model(module, samples, quantizer, stages)
            original = model if isinstance(model, torch.nn.Module) else module_of(model)
            original = original if as_given else exported(model, given)
            with stages("compare", len(samples)):
                near = converted_checks(
                    converted, original, samples, progress=lambda done: stages.step("compare", done, len(samples))
                )
            with unfinished(pte) as program:
                with stages("lower"):
                    lowered = lower(
                        converted,
                        examples,
                        soc=compile_as(quantizer.soc),
                        fp16=wanted.request.fp16,
                        cpu_nodes=quantizer.cpu_nodes,
                        out=program,
                        progress=progress,
                    )
                verification, unrunnable = None, lowered.unrunnable
                if verify and not unrunnable:
                    checked = chosen(examples, samples, verify_samples)
                    compared = Compared(converted, original, checked, wanted.request.fp16)
                    try:
                        verification = verified(lowered, compared, tolerance, stages)
                    except KernelError as error:
                        refused = f"its kernel refuses the arguments (error {error.code})"
                        unrunnable = (Unrunnable(error.kernel, calling(error.kernel, lowered.cpu_ops), refused),)
                put(program, pte)
    solved = result_of(quantizer)
    result = ExportResult(
        solve=solved,
        delegates=lowered.delegates,
        cpu_ops=tuple(with_reason(op, solved) for op in lowered.cpu_ops),
        pte=str(out),
        pte_bytes=lowered.pte_bytes,
        verification=verification,
        timings=(*solved.timings, *stages.seconds),
        unrunnable=unrunnable,
        converted=near,
    )
    keeping.keep(quantizer.solved, result)
    return result
