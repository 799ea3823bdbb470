"""From a model to the front of its mixed-precision configs: :func:`search_config`."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import attrs

from qnnsolve.errors import UsageError
from qnnsolve.facts.fx import read_graph
from qnnsolve.host.libraries import ensure_compiler
from qnnsolve.host.outputs import check_writable, folder_for, spare_inputs
from qnnsolve.host.quiet import quiet
from qnnsolve.host.stages import Stages
from qnnsolve.models.tracing import checked_samples, evaluating, example_inputs_of, exported, single
from qnnsolve.pipeline.arguments import SearchArguments, takes
from qnnsolve.report.page import write_page
from qnnsolve.results import SearchResult
from qnnsolve.rules.target import Target, Wanted
from qnnsolve.runs import Measurements, check_target, save_run
from qnnsolve.search.budgets import Budget, axis_of, budgets_of, target_of
from qnnsolve.search.budgets import QualityTarget as Aim
from qnnsolve.search.candidates import Candidates
from qnnsolve.search.front import Front, refuse_impossible
from qnnsolve.search.layers import read_layers
from qnnsolve.search.positions import positions_of
from qnnsolve.search.spaces import Space
from qnnsolve.search.workers import check_workers
from qnnsolve.solver import Limits, limits_of

__all__ = ["search_config"]


@takes(SearchArguments)
def search_config(given: SearchArguments) -> SearchResult:
    """The configs of ``model`` with the least noise within budgets, each legal on the chip.

    Args:
        model: a module, or a program of ``torch.export.export``.
        example_inputs: positional; they fix the shapes. None takes those of the exported program.
        soc: a chipset of ExecuTorch's table.
        candidates: presets that any op may have (``8a8w,16a8w``), and those of a place of its own
            (``lm_head=16a8w``).
        fixed: places that the search leaves out: ``WHERE=PRESET``, or ``WHERE`` for the first candidate.
        budget: the most of a cost (:mod:`qnnsolve.search.costs`): ``weights=0.6`` (a share of the dearest candidate's),
            ``weights=1.5MB``, ``bit-ops=0.7``, ``converts=10``, ``wide-ops=0.1``; or of several weighed against each
            other (:mod:`qnnsolve.search.mixtures`): ``bit-ops+0.5*weights=1.1``.
        target: ``sqnr>=30`` or ``my_metrics:accuracy>=0.97`` instead of a front: the cheapest config by the cost
            ``axis`` that measures it, of some that are measured; without ``measure``, that is predicted to.
        points: how many points the front has, along ``axis``; of neighbours with the same config one is listed.
        alternatives: so many other configs for each point, the next best; all are measured as they are.
        axis: a cost, or several weighed (``bit-ops+0.01*converts``); None means that of the first budget, or
            ``bit-ops``.
        calibration: positional inputs per sample, shaped like the example inputs, which are used where it is None.
        weights: what each output counts, by its place (``0``) or the name of the state that the model writes
            (``cache.keys``); those that are not named count 1.
        positions: what of an output counts, where it is not the whole: ``0[:, -1]``, one or several.
        directions: backward passes per sample; None means 8, and fewer from 9 samples on, down to 4.
        measured: measure each encoding at each site alone, a forward pass per sample, and do not differentiate; with
            a ``metric``, what each takes from it, and the points are those that take least.
        sensitivities: a file of another tool's sensitivities to take instead (:mod:`qnnsolve.search.layers`).
        metric: a task metric: a function that takes the model to call and answers a number, or ``module:callable``.
        measure: try near-optimal configs of each point, convert and measure the best over the samples.
        verify: compile each point with the real compiler and run it on the emulator: which ops are on the CPU, and how
            far its outputs are from the float model's.
        verify_samples: how many different samples the emulator runs.
        workers: how many processes of this machine measure and compile points, each with its share of the cores; 1:
            this one does.
        cluster: the address of a Dask cluster that does, ``tcp://host:8786``; what it needs stands in the extra
            ``cluster``, and its workers have qnnsolve, in the same versions.
        executor: an executor that does, of :mod:`concurrent.futures`.
        backend, strict, block_size, prefer, pin, wishes, unroll_limit, user_facts, facts_source: as in
            :func:`qnnsolve.solve`. What is preferred or pinned holds in every config.
        time_limit: seconds for each point; None means 120, infinity no limit.
        recipes: a folder for a recipe per point (``point-1.yaml`` ...), which ``solve`` and ``export`` take.
        out: a file for the run of the last point and for all that was measured, each value as it comes. A search that
            is killed goes on there; one with other budgets measures nothing again. An earlier run is replaced when all
            is done.
        report: a file for a page to look at: the front, the sensitivities, and the last point node by node.
        model_name: what the kept run and the page call the model; None means its class.
        progress: called with a stage, the steps done and their number.

    Raises:
        UnknownNameError: an unknown SoC, preset, cost, backend or facts source.
        UsageError: a budget or target that cannot be met (with the best that can be reached, before anything is
            measured where costs alone tell), a place that finds nothing, samples that do not fit.
        UnsupportedGraphError: the model cannot be exported, or its graph cannot be read.
        UnsatisfiableError: pins leave no config.
        UnverifiedError: strict, and there are ops without facts.
        BudgetExceededError: a solve hit its limit.
        HostBackendError: with ``verify``, no compiler for the backend on this machine, or it failed or died.
    """
    chosen = Candidates.of(given.candidates, given.fixed, given.block_size)
    budgets, goal = budgets_of(given.budget), None if given.target is None else target_of(given.target)
    along, metric = axis_of(given.axis, budgets), _metric(given, goal)
    _check_counts(given)
    check_workers(given.workers, given.cluster, given.executor)
    weights = {str(output): weight for output, weight in (given.weights or {}).items()}
    positions = positions_of(given.positions)
    layers = None if given.sensitivities is None else read_layers(given.sensitivities)
    folder = None if given.recipes is None else folder_for(given.recipes, "recipes")
    if given.out is not None:
        check_target(given.out)
    page = None if given.report is None else check_writable(given.report, "page")
    if page is not None:
        spare_inputs("report", page, [("the run", given.out)])
    limits, stages = limits_of(given.time_limit), Stages(given.progress)
    if given.verify:
        ensure_compiler(given.backend)
    wanted = Wanted.of(chosen.everywhere[0], given.block_size, prefer=given.prefer, pin=given.pin, wishes=given.wishes)
    with quiet():
        from qnnsolve.quantizer import SolveQuantizer
        from qnnsolve.search.finishing import with_programs, workers_for
        from qnnsolve.search.keeping import Memory, key_of
        from qnnsolve.search.measuring import metric_of
        from qnnsolve.search.sampling import directions_for
        from qnnsolve.search.sensing import Sensing
        from qnnsolve.search.study import SearchRequest, study

        aim = Target.of(
            given.backend, given.soc, strict=given.strict, user_facts=given.user_facts, source=given.facts_source
        )
        measured_by = metric_of(metric) if isinstance(metric, str) else metric
        with evaluating(given.model):
            examples = example_inputs_of(given.model, given.example_inputs)
            samples = [single(sample) for sample in checked_samples(given.calibration, examples)]
            with stages("export"):
                module = exported(given.model, examples)
            quantizer = SolveQuantizer.of(aim, wanted, limits, given.unroll_limit)
            with stages("solve"):
                graph = quantizer.transform_for_annotation(module)
                space = Space.of(read_graph(graph), aim, chosen, wanted, limits)
                amounts = _possible(space, budgets, limits)
            asked = SearchRequest(
                axis=along,
                points=given.points,
                budgets=amounts,
                target=goal,
                weights=weights,
                positions=positions,
                sensing=Sensing(given.directions or directions_for(len(samples)), given.measured, layers),
                metric=measured_by,
                measure=given.measure,
                alternatives=given.alternatives,
                workers=workers_for(given, examples, samples, metric),
            )
            more = {
                "weights": sorted(weights.items()),
                "positions": repr(sorted(positions.items())),
                "directions": asked.sensing.directions,
                "metric": _name(metric),
            }
            key = "" if given.out is None else key_of(graph, space, samples, more)
            with contextlib.nullcontext(Memory()) if given.out is None else Measurements.open(given.out, key) as ledger:
                answer = study(graph, space, samples, asked, limits, stages, ledger)
                found = with_programs(given, answer, examples, samples, stages) if given.verify else answer.result
                found = attrs.evolve(found, soc=aim.soc.name, timings=stages.laps)
                name = given.model_name or type(given.model).__name__
                wanted_whole = given.out is not None or page is not None
                kept = answer.solved(aim.soc.name, limits, quantizer.origins) if wanted_whole else None
                if isinstance(ledger, Measurements) and kept is not None:
                    ledger.finish(lambda path: save_run(path, kept, model=name, search=found))
    if folder is not None:
        answer.write_recipes(folder)
    if page is not None and kept is not None:
        write_page(kept, page, model=name, search=found)
    return found


def _metric(given: SearchArguments, goal: Aim | None) -> Any:
    """The task metric, which a target may name."""
    named = None if goal is None else goal.metric
    if named is None:
        return given.metric
    if given.metric is not None and given.metric != named:
        raise UsageError(f"target {given.target}: another metric is asked for, {_name(given.metric)}; name one of them")
    if not given.measure:
        raise UsageError(f"target {given.target}: a task metric has to be measured; without --no-measure it is")
    return named


def _check_counts(given: SearchArguments) -> None:
    if given.points < 1:
        raise UsageError(f"points {given.points}: a front has at least one point")
    if given.directions is not None and given.directions < 1:
        raise UsageError(f"directions {given.directions}: at least one backward pass per sample is needed")
    if given.sensitivities is not None and (given.measured or given.directions is not None):
        raise UsageError(f"sensitivities {given.sensitivities}: nothing is measured or differentiated beside them")
    if given.measured and given.directions is not None:
        raise UsageError(f"directions {given.directions}: with --measured (measured=True) nothing is differentiated")
    if given.alternatives < 0 or (given.alternatives and given.target is not None):
        raise UsageError(f"alternatives {given.alternatives}: so many more configs for each point; not with a target")


def _possible(space: Space, budgets: Sequence[Budget], limits: Limits) -> dict[str, float]:
    """The budgets in the costs' own units, once some config is known to be within them."""
    if not budgets:
        return {}
    front = Front.of(space, None, limits, mixtures=[each.cost for each in budgets])
    amounts = front.amounts(budgets)
    refuse_impossible(front, amounts, limits)
    return amounts


def _name(metric: Any) -> str:
    """What tells one task metric from another."""
    if isinstance(metric, str):
        return metric
    return f"{getattr(metric, '__module__', '')}:{getattr(metric, '__qualname__', metric)}"
