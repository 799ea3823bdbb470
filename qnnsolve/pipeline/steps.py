"""The steps that both doors take, one function each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from qnnsolve.errors import HostBackendError, KernelError
from qnnsolve.facts.socs import compile_as
from qnnsolve.host.leftovers import scratch_folder
from qnnsolve.host.stages import Stages
from qnnsolve.lowering.lower import Lowered, calling, lower
from qnnsolve.lowering.marks import LEFT_BY_SOLVER
from qnnsolve.pipeline.arguments import SolveArguments
from qnnsolve.results import CpuOp, FirstDifference, SolveResult, Unrunnable, Verification
from qnnsolve.rules.target import Target, Wanted
from qnnsolve.solver import Limits
from qnnsolve.verification.emulator import run_on_emulator
from qnnsolve.verification.verify import restored, verify

if TYPE_CHECKING:
    import torch
    from torchao.quantization.pt2e.quantizer import Quantizer

    from qnnsolve.quantizer import SolveQuantizer
    from qnnsolve.verification.explained import Grid
    from qnnsolve.verification.local import LocalChecks

__all__ = [
    "Compared",
    "Conversion",
    "conversion",
    "converted_model",
    "local",
    "located",
    "quantizer_for",
    "result_of",
    "verified",
    "with_reason",
]


def quantizer_for(given: SolveArguments, wanted: Wanted, limits: Limits) -> SolveQuantizer:
    """The quantizer that solves for ``wanted`` on the target that the arguments name.

    Raises:
        UnknownNameError, UsageError, FactsError, HostBackendError: see :meth:`qnnsolve.rules.target.Target.of`.
    """
    from qnnsolve.quantizer import SolveQuantizer

    target = Target.of(
        given.backend,
        given.soc,
        strict=given.strict,
        user_facts=given.user_facts,
        source=given.facts_source,
        rules=given.rules,
    )
    return SolveQuantizer.of(target, wanted, limits, given.unroll_limit)


def with_reason(op: CpuOp, solved: SolveResult) -> CpuOp:
    """With the solver's own reason, where the solver left the op on the CPU."""
    reasons = (d.reason for node in solved.nodes if node.name == op.name for d in node.deviations)
    why = next(reasons, None) if op.reason == LEFT_BY_SOLVER else None
    return op if why is None else attrs.evolve(op, reason=f"{LEFT_BY_SOLVER}: {why}")


def result_of(quantizer: SolveQuantizer) -> SolveResult:
    """What the last solve answered."""
    assert quantizer.result is not None, "annotate() answers or raises"
    return quantizer.result


def converted_model(
    module: torch.fx.GraphModule,
    samples: list[tuple[Any, ...]],
    quantizer: Quantizer,
    stages: Stages,
) -> torch.fx.GraphModule:
    """The model quantized as solved for, with the ranges that ``samples`` showed."""
    return conversion(module, samples, quantizer, stages).converted


@attrs.frozen(eq=False)
class Conversion:
    """The model quantized as solved for, and the same graph in ``original`` floats: nodes have the same names.

    ``grids``: what calibration found for each node's output, before anything was converted.
    """

    converted: torch.fx.GraphModule
    original: torch.fx.GraphModule
    grids: Mapping[str, Grid]


def conversion(
    module: torch.fx.GraphModule,
    samples: list[tuple[Any, ...]],
    quantizer: Quantizer,
    stages: Stages,
) -> Conversion:
    """The model quantized as solved for, with the ranges that ``samples`` showed, and its float side."""
    import torch
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    from qnnsolve.verification.explained import calibrated_grids
    from qnnsolve.verification.unquantized import without_observers

    # Calibrating writes to a model's states, and so does converting: torchao 0.18 folds constants, for which it runs
    # every op that depends on no input, those in place included (a counter would start at 1).
    with restored(tuple(module.buffers())):
        with stages("prepare"):
            prepared = prepare_pt2e(module, quantizer)
        with stages("calibrate", len(samples)), torch.no_grad():
            for done, sample in enumerate(samples):
                stages.step("calibrate", done, len(samples))
                prepared(*sample)
        original, grids = without_observers(prepared), calibrated_grids(prepared)
        with stages("convert"):
            converted: torch.fx.GraphModule = convert_pt2e(prepared)
    return Conversion(converted, original, grids)


def local(
    both: Conversion,
    samples: list[tuple[Any, ...]],
    quantizer: SolveQuantizer,
    stages: Stages,
    *,
    fp16: bool,
    tolerance: float,
    faulty: torch.fx.GraphModule | None = None,
) -> LocalChecks:
    """Each quantized value of the program on the emulator, against torch from the same inputs.

    ``faulty`` is compiled in place of the converted model, to see what is found.

    Raises:
        HostBackendError: it cannot be compiled or run with any of them as an output.
    """
    from torch.utils import _pytree as pytree

    from qnnsolve.verification.local import local_checks

    flat = [tuple(pytree.tree_leaves(sample)) for sample in samples]

    def compiled(module: torch.fx.GraphModule) -> Sequence[tuple[torch.Tensor, ...]]:
        with scratch_folder() as folder:
            soc, cpu, pte = compile_as(quantizer.soc), quantizer.cpu_nodes, folder / "tapped.pte"
            lowered = lower(module, flat[0], soc=soc, fp16=fp16, cpu_nodes=cpu, out=pte)
            if lowered.unrunnable:
                raise HostBackendError("; ".join(map(str, lowered.unrunnable)))
            return run_on_emulator(pte, flat).outputs

    with stages("locate"):
        return local_checks(both.converted, both.original, flat, compiled, tolerance=tolerance, faulty=faulty)


def located(
    both: Conversion,
    samples: list[tuple[Any, ...]],
    quantizer: SolveQuantizer,
    stages: Stages,
    *,
    fp16: bool,
    tolerance: float,
) -> FirstDifference:
    """The first node at which the emulator differs; or why it cannot be looked for: nothing compiles with outputs
    inside."""
    paths = {node.name: node.module_path for node in result_of(quantizer).nodes}
    try:
        return local(both, samples, quantizer, stages, fp16=fp16, tolerance=tolerance).first(paths)
    except HostBackendError as error:
        return FirstDifference(None, reason=str(error))


@attrs.frozen(eq=False)
class Compared:
    """What the program is compared with, over which samples; ``half``: activations are computed in half precision."""

    converted: torch.fx.GraphModule
    original: torch.nn.Module
    samples: list[tuple[Any, ...]]
    half: bool


def verified(
    lowered: Lowered, compared: Compared, tolerance: float, stages: Stages
) -> tuple[Verification | None, tuple[Unrunnable, ...]]:
    """How the program computes on the emulator; or None, and the kernels that cannot run there."""
    try:
        with stages("verify", len(compared.samples)):
            verification = verify(
                lowered.pte,
                compared.converted,
                compared.original,
                compared.samples,
                tolerance=tolerance,
                cpu_ops=lowered.cpu_ops,
                half=compared.half,
                progress=stages.progress,
            )
    except KernelError as error:
        refused = f"its kernel refuses the arguments (error {error.code})"
        return None, (Unrunnable(error.kernel, calling(error.kernel, lowered.cpu_ops), refused),)
    stages.seconds.append(("emulator", verification.emulator_seconds))
    return verification, ()
