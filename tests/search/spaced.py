"""Networks of the search's tests, as the search sees them: transformed graphs and the spaces of their configs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.fx import GraphModule

from qnnsolve.facts.fx import read_graph
from qnnsolve.host.quiet import quiet
from qnnsolve.models.tracing import exported
from qnnsolve.quantizer import SolveQuantizer
from qnnsolve.rules.target import Target, Texts, Wanted
from qnnsolve.search.calibrating import Calibrated, Watched
from qnnsolve.search.candidates import Candidates
from qnnsolve.search.measuring import Studied
from qnnsolve.search.sensitivity import reference
from qnnsolve.search.spaces import Space
from qnnsolve.solver import Limits

Sample = tuple[Any, ...]


def spaced(
    net: nn.Module, sample: Sample, candidates: Texts = ("8a8w", "16a8w"), fixed: Texts = (), pin: Texts = ()
) -> tuple[GraphModule, Space]:
    chosen, aim = Candidates.of(candidates, fixed), Target.of("htp", "SM8750")
    wanted = Wanted.of(chosen.everywhere[0], pin=pin)
    with quiet():
        graph = SolveQuantizer.of(aim, wanted, Limits(), None).transform_for_annotation(exported(net.eval(), sample))
    return graph, Space.of(read_graph(graph), aim, chosen, wanted)


def studied(net: nn.Module, samples: Sequence[Sample], candidates: Texts = ("8a8w", "16a8w")) -> Studied:
    graph, space = spaced(net, samples[0], candidates)
    return Studied(graph, space, samples, reference(graph, samples, {}))


def ranges(studied: Studied) -> Calibrated:
    with quiet():
        watched = Watched.of(studied.model, studied.space, studied.samples)
        return watched.calibrated(lambda _, converted: converted)


def draws(count: int, *shape: int) -> list[tuple[torch.Tensor]]:
    generator = torch.Generator().manual_seed(1)
    return [(torch.randn(*shape, generator=generator),) for _ in range(count)]
