"""Where a model loses accuracy, node by node: :func:`compare`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs

from qnnsolve.errors import UsageError
from qnnsolve.host.quiet import quiet
from qnnsolve.host.stages import Stages
from qnnsolve.models.tracing import checked_samples, evaluating, example_inputs_of, exported, module_of, single
from qnnsolve.pipeline.arguments import CompareArguments, takes
from qnnsolve.pipeline.keeping import Keeping
from qnnsolve.pipeline.steps import Conversion, conversion, quantizer_for, result_of
from qnnsolve.recipes import Recipe, chosen, read_recipes
from qnnsolve.results import CompareResult, NodeComparison
from qnnsolve.runs import Run, load_run
from qnnsolve.solver import Solution, limits_of

if TYPE_CHECKING:
    from qnnsolve.verification.nodewise import Nodewise

__all__ = ["compare", "recipe_of"]


@takes(CompareArguments)
def compare(given: CompareArguments) -> CompareResult:
    """How far each node of the converted model is from the float model: its own error, and what has accumulated.

    The comparison runs in torch, over all calibration samples. Nodes are those of the graph that was solved for; each
    sample's float values are in memory together.

    Args: those of :func:`qnnsolve.solve`, and these.

        run: a kept run, or its file, whose config is compared; pins count over it.
        calibration: positional inputs per sample, shaped like the example inputs, which are used where it is None.
        bound: the SQNR in decibel below which a node is named.

    Raises:
        UsageError: ``run`` has no config, or one for another SoC or model; or what :func:`qnnsolve.export` raises it
            for.
        UnsatisfiableError: no legal config exists.
        UnverifiedError: strict, and there are ops without facts.
        BudgetExceededError: the solve hit a limit.
    """
    recipe = read_recipes(given.recipe)
    if given.run is not None:
        recipe = recipe.over(recipe_of(load_run(given.run), given.soc, given.backend))
    wanted, limits = given.wanted(recipe), limits_of(given.time_limit)
    keeping = Keeping.of(given, given.files(recipe))
    with quiet():
        import torch

        from qnnsolve.rewriting.notes import notes_of
        from qnnsolve.verification.nodewise import Nodewise
        from qnnsolve.verification.verify import converted_checks

        model = given.model
        quantizer, stages = quantizer_for(given, wanted, limits), Stages(given.progress)
        with evaluating(model), keeping.without_solution(lambda: quantizer.solved):
            inputs = example_inputs_of(model, given.example_inputs)
            samples = [single(sample) for sample in checked_samples(given.calibration, inputs)]
            with stages("export"):
                module = exported(model, inputs)
            as_given = not notes_of(module)
            both = conversion(module, samples, quantizer, stages)
            given_model = model if isinstance(model, torch.nn.Module) else module_of(model)
            given_model = given_model if as_given else exported(model, inputs)
            nodewise = Nodewise(both.converted, both.original)
            with stages("compare", len(samples)):
                for done, sample in enumerate(samples):
                    stages.step("compare", done, len(samples))
                    nodewise.add(sample)
                outputs = converted_checks(both.converted, given_model, samples)
    solved = result_of(quantizer)
    result = CompareResult(
        solve=solved,
        bound_db=given.bound,
        samples=len(samples),
        emulated=0,
        outputs=outputs,
        nodes=nodes_of({node.name: node.module_path for node in solved.nodes}, both, nodewise),
        first_difference=None,
        timings=(*solved.timings, *stages.seconds),
    )
    keeping.keep(quantizer.solved)
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


def nodes_of(paths: Mapping[str, str], both: Conversion, nodewise: Nodewise) -> tuple[NodeComparison, ...]:
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
            )
        )
    return tuple(records)
