"""Faults planted into real architectures, and what ``qnnsolve compare`` names: ``python -m benchmarks.planted``.

ResNet-18, ViT-B (six layers) and MiniLM (BERT at its width of 384, four layers) of ``examples/``, which have random
weights; and two that are trained: a ViT for the digits of scikit-learn, and all-MiniLM-L6-v2, which ``python -m
benchmarks.search --install`` brings. All at 8a8w. One weight's scale is four times what it should be; or one op is
computed on a grid of 4 bits. The first node whose own error its
encodings do not explain is named in torch, and with ``--emulator`` the first that
differs where the fault is in the program alone. It prints the table of docs/compare.md.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator

import attrs

from benchmarks.planted_faults import coarse_output, wrong_weight_scale
from benchmarks.search.networks import NETWORKS
from examples.models import Example, bert, resnet18, vit
from qnnsolve.facts.socs import soc as soc_of
from qnnsolve.host.quiet import quiet
from qnnsolve.host.stages import Stages
from qnnsolve.models.tracing import evaluating, exported
from qnnsolve.pipeline.comparing import nodes_of
from qnnsolve.pipeline.steps import Conversion, conversion, local
from qnnsolve.quantizer import SolveQuantizer
from qnnsolve.results.comparing import EXCESS_DB
from qnnsolve.verification.nodewise import Nodewise

SOC, PRECISION = "SM8750", "8a8w"


def _trained(name: str) -> Example:
    network = NETWORKS[name]()
    return network.module, network.example, list(network.calibration)


MODELS: dict[str, Callable[[], Example]] = {
    "resnet": resnet18,
    "vit": vit,
    "minilm": lambda: bert(384),
    "trained vit": lambda: _trained("vit"),
    "trained minilm": lambda: _trained("encoder"),
}
FAULTS = {
    "resnet": (("weight", "conv2d_8"), ("encoding", "conv2d_12")),
    "vit": (("weight", "linear_16"), ("encoding", "layer_norm_5")),
    "minilm": (("weight", "linear_10"), ("encoding", "bmm_3")),
    "trained vit": (("weight", "linear_8"), ("encoding", "layer_norm_3")),
    "trained minilm": (("weight", "linear_10"), ("encoding", "layer_norm_5")),
}


@attrs.frozen
class Row:
    """What was planted, at which node; what is named, with its SQNR, and the least SQNR of all nodes before."""

    model: str
    side: str
    fault: str
    planted: str
    named: str
    figure: str
    seconds: float


def rows(name: str, *, emulator: bool) -> Iterator[Row]:
    """Each fault alone, after the model without one."""
    for fault, node in (("none", ""), *FAULTS[name]):
        with quiet():
            both, samples, quantizer = _converted(name)
            clean = both.converted
            faulty = clean if fault == "none" else _converted(name)[0].converted
        if fault == "weight":
            wrong_weight_scale(faulty, node)
        elif fault == "encoding":
            coarse_output(faulty, node)
        start = time.perf_counter()
        if emulator:
            with quiet():
                checks = local(both, samples[:1], quantizer, Stages(), fp16=False, tolerance=0.01, faulty=faulty)
            found = checks.first({})
            said = f"{found.verdict.value}, {found.steps} steps, {found.nodes} taps, {len(found.refused)} refused"
            yield Row(name, "emulator", fault, node, found.node or "none", said, time.perf_counter() - start)
            continue
        nodewise = Nodewise(faulty, both.original, both.grids)
        nodewise.add(samples[0])
        nodes = nodes_of({}, attrs.evolve(both, converted=faulty), nodewise)
        worst = max(each.excess for each in nodes if each.excess is not None)
        first = next((each for each in nodes if each.excess is not None and each.excess > EXCESS_DB), None)
        figure = (
            f"{worst:.1f} dB is the most" if first is None else f"{first.own.together:.1f} dB, {first.excess:.1f} more"
        )
        yield Row(name, "torch", fault, node, first.name if first else "none", figure, time.perf_counter() - start)


def _converted(name: str) -> tuple[Conversion, list[tuple[object, ...]], SolveQuantizer]:
    model, inputs, calibration = MODELS[name]()
    quantizer = SolveQuantizer("htp", soc_of(SOC).name, False, precision=PRECISION)
    samples: list[tuple[object, ...]] = list(calibration)
    with evaluating(model):
        return conversion(exported(model, inputs), samples, quantizer, Stages()), samples, quantizer


def main() -> None:
    """Print a row per model and fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=list(MODELS), help=", ".join(MODELS))
    parser.add_argument("--emulator", action="store_true")
    options = parser.parse_args()
    print("| model | compared in | fault | at | first node named | figure | s |")
    print("|---|---|---|---|---|---|---|")
    for name in options.models:
        for each in rows(name, emulator=options.emulator):
            print(
                f"| {each.model} | {each.side} | {each.fault} | {each.planted} | {each.named} | {each.figure} "
                f"| {each.seconds:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
