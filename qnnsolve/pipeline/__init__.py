"""From a model to a solved config (:func:`solve`), or to a verified ``.pte`` (:func:`export`)."""

from __future__ import annotations

import contextlib

import attrs

from qnnsolve.errors import BudgetExceededError, UnsatisfiableError
from qnnsolve.facts.socs import compile_as
from qnnsolve.host.child import Progress
from qnnsolve.host.leftovers import check_scratch
from qnnsolve.host.libraries import ensure_compiler
from qnnsolve.host.outputs import check_writable, put, spare_inputs, unfinished
from qnnsolve.host.quiet import quiet
from qnnsolve.host.stages import Stages
from qnnsolve.lowering.kept import KeptPrograms
from qnnsolve.lowering.lower import lower
from qnnsolve.models.tracing import checked_samples, evaluating, example_inputs_of, exported, module_of, single
from qnnsolve.pipeline.arguments import ExportArguments, SolveArguments, takes
from qnnsolve.pipeline.keeping import Keeping
from qnnsolve.pipeline.steps import Compared, conversion, located, quantizer_for, result_of, verified, with_reason
from qnnsolve.recipes import read_recipes
from qnnsolve.results import ExportResult, SolveResult
from qnnsolve.solver import limits_of
from qnnsolve.verification.verified_samples import chosen
from qnnsolve.verification.verify import converted_checks

__all__ = ["Progress", "export", "solve"]


@takes(SolveArguments)
def solve(given: SolveArguments) -> SolveResult:
    """The nearest legal quantization config of ``model``, or every conflict that stands against one.

    Nothing is calibrated or compiled, and the model is left as it is. Layers in training mode are exported in
    evaluation mode. No weights are needed: tensors may be on the meta device, or fake. Infinities and NaN are then
    not looked for.

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
        rules: rules of the user's own, made with :func:`qnnsolve.rules.rule`, or Python files in which they stand.
        save: a file to keep the run in, for :func:`qnnsolve.load_run`; an earlier run there is replaced.
        save_recipe: a file for what was chosen, as a recipe: its name ends with ``.yaml``, ``.toml`` or ``.json``, or
            with ``.py`` for source of ExecuTorch's QuantRecipe. Nothing is written where there is no solution.
        report: a file for a page to look at, one HTML file that opens from disk (:mod:`qnnsolve.report.page`).
        overlay: a file for what was chosen as node data for Model Explorer, over the graph of a ``.pt2``, and of the
            ``.pte`` (:mod:`qnnsolve.report.overlay`). Nothing is written where there is no solution.
        on_solved: called with the solve and all that it was made from, where a run is written: it takes what
            :func:`qnnsolve.runs.save_run` takes.
        model_name: what the kept run, the recipe and the page call the model; None means its class.
        progress: called with a stage, the steps done and their number.

    Raises:
        UnknownNameError: an unknown SoC, precision, backend or facts source.
        FactsError: a file of the user's facts says what cannot be.
        UsageError: a wish means or finds nothing, there are no example inputs, or ``save`` cannot be written or is no
            kept run.
        UnsupportedGraphError: the model cannot be exported, or its graph cannot be read.
        UnverifiedError: strict, and there are ops without facts.
    """
    recipe = read_recipes(given.recipe)
    wanted, limits = given.wanted(recipe), limits_of(given.time_limit)
    keeping = Keeping.of(given, given.files(recipe))
    stages = Stages(given.progress)
    with quiet():
        with stages("imports"):
            from torchao.quantization.pt2e.quantize_pt2e import prepare_pt2e

            quantizer = quantizer_for(given, wanted, limits)
        with evaluating(given.model):
            with stages("export"):
                examples = example_inputs_of(given.model, given.example_inputs, values=False)
                module = exported(given.model, examples, values=False)
            with stages("solve"), contextlib.suppress(UnsatisfiableError, BudgetExceededError):
                # These two are answers, and in the result. Preparing folds batch norms first, as an export does.
                prepare_pt2e(module, quantizer)
    result = result_of(quantizer)
    result = attrs.evolve(result, timings=stages.whole("solve", result.timings))
    assert quantizer.solved is not None, "annotate() answers or raises"
    keeping.keep(attrs.evolve(quantizer.solved, result=result))
    return result


@takes(ExportArguments)
def export(given: ExportArguments) -> ExportResult:
    """Solve, calibrate, compile to ``out``, and compare the program on the emulator with the converted model.

    The converted model is compared with the float model over all calibration samples, the program over some of them.
    One that disagrees is kept, and the result says so: see :attr:`Verification.agrees`. It is compiled once more with
    each quantized value as an output then, to find the first node that differs.

    Args: those of :func:`solve`, and these. Only the backend ``htp`` can be compiled for here. What ``save``,
    ``save_recipe``, ``report``, ``overlay`` and ``on_solved`` ask for is done at the end, or when no legal config
    exists.

        out: the ``.pte``; an existing one is replaced only by a complete one, when its verification is done.
        calibration: positional inputs per sample, shaped like the example inputs, which are used where it is None.
        verify: run the program on the emulator.
        verify_samples: how many different samples the emulator runs: the example inputs, and some to calibrate with.
        tolerance: the largest difference, as a fraction of the output's range, that is allowed without another look;
            more is allowed where it is rounding.
        cache: the folder in which compiled programs are kept, so that the next export of the same quantized graph for
            the same chip, compiler and versions does not compile again; True is the user's own (``QNNSOLVE_CACHE``, or
            ``~/.cache/qnnsolve/programs``; 4 GB at most), False keeps and takes none.

    Raises:
        UnknownNameError: an unknown SoC, precision, backend or facts source.
        FactsError: a file of the user's facts says what cannot be.
        UsageError: a wish means or finds nothing, ``out``, ``cache`` or ``save`` cannot be written, there are no
            samples, or one does not fit the model.
        UnsupportedGraphError: the model cannot be exported, or its graph cannot be read.
        UnsatisfiableError: no legal config exists.
        UnverifiedError: strict, and there are ops without facts.
        BudgetExceededError: the solve hit a limit.
        HostBackendError: no compiler for the backend on this machine, or it failed or died.
    """
    recipe = read_recipes(given.recipe)
    wanted, limits = given.wanted(recipe), limits_of(given.time_limit)
    pte, read = check_writable(given.out), given.files(recipe)
    spare_inputs("out", pte, read)
    check_scratch()
    kept = KeptPrograms.where(given.cache)
    keeping = Keeping.of(given, [*read, ("the program", pte)])
    stages = Stages(given.progress)
    with quiet():
        with stages("imports"):
            import torch

            from qnnsolve.rewriting.notes import notes_of

            quantizer = quantizer_for(given, wanted, limits)
        model, fp16 = given.model, wanted.request.fp16
        ensure_compiler(given.backend)
        with evaluating(model), keeping.without_solution(lambda: quantizer.solved):
            inputs = example_inputs_of(model, given.example_inputs)
            samples = checked_samples(given.calibration, inputs)
            with stages("export"):
                module = exported(model, inputs)
            as_given = not notes_of(module)
            examples, samples = single(inputs), [single(sample) for sample in samples]
            both = conversion(module, samples, quantizer, stages)
            converted = both.converted
            original = model if isinstance(model, torch.nn.Module) else module_of(model)
            original = original if as_given else exported(model, inputs)
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
                        fp16=fp16,
                        cpu_nodes=quantizer.cpu_nodes,
                        out=program,
                        progress=given.progress,
                        kept=kept,
                    )
                verification, unrunnable = None, lowered.unrunnable
                run = chosen(examples, samples, given.verify_samples)
                if given.verify and not unrunnable:
                    compared = Compared(converted, original, run, fp16)
                    verification, unrunnable = verified(lowered, compared, given.tolerance, stages)
                put(program, pte)
            difference = None
            if verification is not None and verification.agrees is False:  # the program is kept, whatever comes of this
                difference = located(both, run, quantizer, stages, fp16=fp16, tolerance=given.tolerance)
    solved = result_of(quantizer)
    if lowered.again and kept is not None:
        taken = f"the program was not compiled again: one of the same quantized graph was kept in {kept.folder}"
        solved = attrs.evolve(solved, notes=(*solved.notes, taken))
    result = ExportResult(
        solve=solved,
        delegates=lowered.delegates,
        cpu_ops=tuple(with_reason(op, solved) for op in lowered.cpu_ops),
        pte=str(given.out),
        pte_bytes=lowered.pte_bytes,
        verification=verification,
        timings=stages.whole("prepare", solved.timings),
        peaks=tuple(stages.peaks),
        unrunnable=unrunnable,
        converted=near,
        first_difference=difference,
        calls=lowered.calls,
    )
    keeping.keep(quantizer.solved, result)
    return result
