"""Where a model loses accuracy, node by node: :func:`compare`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs

from qnnsolve.errors import HostBackendError, UsageError
from qnnsolve.host.leftovers import check_scratch
from qnnsolve.host.libraries import ensure_compiler
from qnnsolve.host.quiet import quiet
from qnnsolve.host.stages import Stages
from qnnsolve.models.tracing import checked_samples, evaluating, example_inputs_of, exported, module_of, single
from qnnsolve.pipeline.arguments import CompareArguments, takes
from qnnsolve.pipeline.keeping import Keeping
from qnnsolve.pipeline.steps import Conversion, conversion, local, quantizer_for, result_of
from qnnsolve.recipes import Recipe, chosen, read_recipes
from qnnsolve.results import CompareResult, EmulatedNode, NodeComparison
from qnnsolve.runs import Run, load_run
from qnnsolve.solver import Solution, limits_of
from qnnsolve.verification.verified_samples import chosen as chosen_samples

if TYPE_CHECKING:
    from qnnsolve.quantizer import SolveQuantizer
    from qnnsolve.verification.local import LocalChecks
    from qnnsolve.verification.nodewise import Nodewise

__all__ = ["compare", "recipe_of"]


@takes(CompareArguments)
def compare(given: CompareArguments) -> CompareResult:
    """How far each node of the converted model is from the float model: its own error, and what has accumulated.

    The converted model runs in torch, over all calibration samples; each sample's float values are in memory together.
    On the emulator each quantized value is compared with the converted model's: its own error, from what the emulator's
    own nodes read, and what has accumulated. Nodes are those of the graph that was solved for. A run that is kept has
    the answer as :attr:`qnnsolve.runs.Run.compare`, node by node.

    Args: those of :func:`qnnsolve.solve`, and these.

        run: a kept run, or its file, whose config is compared; pins count over it.
        calibration: positional inputs per sample, shaped like the example inputs, which are used where it is None.
        bound: the SQNR in decibel below which a node is named.
        emulator: compile the model with each quantized value as an output, in parts where the compiler cannot take them
            all, and run it on the emulator; else torch alone is asked, and no compiler is needed.
        verify_samples: how many different samples the emulator runs.
        tolerance: the emulator's largest own difference, as a fraction of a value's range, that is not looked into.

    Raises:
        UsageError: ``run`` has no config, or one for another SoC or model; or what :func:`qnnsolve.export` raises it
            for.
        UnsatisfiableError: no legal config exists.
        UnverifiedError: strict, and there are ops without facts.
        BudgetExceededError: the solve hit a limit.
        HostBackendError: the emulator is asked, and there is no compiler for the backend on this machine.
    """
    recipe = read_recipes(given.recipe)
    if given.run is not None:
        recipe = recipe.over(recipe_of(load_run(given.run), given.soc, given.backend))
    wanted, limits = given.wanted(recipe), limits_of(given.time_limit)
    keeping = Keeping.of(given, given.files(recipe))
    stages = Stages(given.progress)
    with quiet():
        with stages("imports"):
            import torch

            from qnnsolve.rewriting.notes import notes_of
            from qnnsolve.verification.nodewise import Nodewise
            from qnnsolve.verification.verify import converted_checks

            quantizer = quantizer_for(given, wanted, limits)
        model = given.model
        if given.emulator:
            check_scratch()
            ensure_compiler(given.backend)
        with evaluating(model), keeping.without_solution(lambda: quantizer.solved):
            inputs = example_inputs_of(model, given.example_inputs)
            samples = [single(sample) for sample in checked_samples(given.calibration, inputs)]
            with stages("export"):
                module = exported(model, inputs)
            as_given = not notes_of(module)
            both = conversion(module, samples, quantizer, stages)
            given_model = model if isinstance(model, torch.nn.Module) else module_of(model)
            given_model = given_model if as_given else exported(model, inputs)
            nodewise = Nodewise(both.converted, both.original, both.grids)
            with stages("compare", len(samples)):
                for done, sample in enumerate(samples):
                    stages.step("compare", done, len(samples))
                    nodewise.add(sample)
                outputs = converted_checks(both.converted, given_model, samples)
            emulated = chosen_samples(single(inputs), samples, given.verify_samples) if given.emulator else []
            checks, notes = _on_emulator(given, both, emulated, quantizer, stages, fp16=wanted.request.fp16)
    solved = result_of(quantizer)
    paths = {node.name: node.module_path for node in solved.nodes}
    result = CompareResult(
        solve=solved,
        bound_db=given.bound,
        samples=len(samples),
        emulated=0 if checks is None else len(emulated),
        outputs=outputs,
        nodes=nodes_of(paths, both, nodewise, None if checks is None else checks.by_node()),
        first_difference=None if checks is None else checks.first(paths),
        notes=notes,
        timings=stages.whole("prepare", solved.timings),
    )
    keeping.keep(quantizer.solved, compare=result)
    return result


def recipe_of(run: Run, soc: str, backend: str) -> Recipe:
    """What ``run`` chose, as wishes.

    Raises:
        UsageError: it has no solution, or is of another chip.
    """
    about = run.result
    if not isinstance(run.outcome, Solution):
        raise UsageError(f"run {run.path} has no config: the solve that it keeps is {about.status.value}")
    if (about.backend, about.soc) != (backend, soc.upper()):
        raise UsageError(f"run {run.path} is for {about.backend} on {about.soc}, not {backend} on {soc}")
    return attrs.evolve(chosen(run.facts, run.outcome.encodings, {}), paths=(run.path,))


def _on_emulator(
    given: CompareArguments,
    both: Conversion,
    samples: list[tuple[Any, ...]],
    quantizer: SolveQuantizer,
    stages: Stages,
    *,
    fp16: bool,
) -> tuple[LocalChecks | None, tuple[str, ...]]:
    """What the emulator shows; or None, and where it was asked, why."""
    if not samples:
        return None, ()
    try:
        return local(both, samples, quantizer, stages, fp16=fp16, tolerance=given.tolerance), ()
    except HostBackendError as error:
        return None, (f"the emulator was not run: {error}",)


def nodes_of(
    paths: Mapping[str, str],
    both: Conversion,
    nodewise: Nodewise,
    emulated: Mapping[str, EmulatedNode] | None = None,
) -> tuple[NodeComparison, ...]:
    """The record of each node that yields floats, in graph order; ``paths`` has module paths by name."""
    from qnnsolve.verification.noise import over_samples
    from qnnsolve.verification.quantized_nodes import encoding_of

    found = {node.name: node for node in both.original.graph.nodes}
    records = []
    for name in nodewise.nodes.names:
        if name not in nodewise.own or name not in nodewise.accumulated:
            continue
        node, usage, quantize = found[name], nodewise.usage.get(name), nodewise.nodes.quantize.get(name)
        records.append(
            NodeComparison(
                name=name,
                target="input" if node.op == "placeholder" else str(node.target),
                module_path=paths.get(name, ""),
                encoding=None if quantize is None else encoding_of(quantize),
                own=over_samples(nodewise.own[name]),
                accumulated=over_samples(nodewise.accumulated[name]),
                saturated=None if usage is None else usage.saturated,
                unused=None if usage is None else usage.unused,
                emulator=(emulated or {}).get(name),
                excess=nodewise.explained[name].excess_db if name in nodewise.explained else None,
            )
        )
    return tuple(records)
