"""What a search takes for a config is what the doors make of it: its uniform ones, and the recipe of each point."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from qnnsolve import search_config, solve
from qnnsolve.host.quiet import quiet
from qnnsolve.models.tracing import exported
from qnnsolve.quantizer import SolveQuantizer
from qnnsolve.recipes import read_recipes
from qnnsolve.runs import Solved
from qnnsolve.search.calibrating import Watched
from qnnsolve.search.measuring import Studied
from tests.nets import Attention, ConvNet, images, seeded
from tests.search.spaced import draws, studied

CANDIDATES = ("8a8w", "16a8w", "16a4w")
NETS: dict[str, tuple[type[nn.Module], list[tuple[Any, ...]]]] = {
    "ConvNet": (ConvNet, images(2)),
    "Attention": (Attention, draws(2, 1, 4, 16)),
}


def by_name(config: Any) -> dict[str, str]:
    return {str(site): encoding.name for site, encoding in config.items()}


@pytest.fixture(scope="module", params=NETS)
def net(request: pytest.FixtureRequest) -> tuple[str, Studied]:
    kind, samples = NETS[request.param]
    return request.param, studied(seeded(kind), samples, CANDIDATES)


@pytest.mark.parametrize("precision", CANDIDATES)
def test_a_candidate_everywhere_is_the_preset(net: tuple[str, Studied], precision: str) -> None:
    """All wide is the uniform preset, and so is every other one: encodings, scales and outputs, bit by bit."""
    kind, samples = NETS[net[0]]
    (uniform,) = (each for each in net[1].space.uniforms if each.name == precision)
    with quiet(), torch.no_grad():
        quantizer = SolveQuantizer("htp", "SM8750", precision=precision)
        prepared = prepare_pt2e(exported(seeded(kind), samples[0]), quantizer)
        for sample in samples:
            prepared(*sample)
        own = convert_pt2e(prepared)
        given = net[1].converted(uniform.solution.encodings)
        assert quantizer.solution is not None
        assert by_name(quantizer.solution.encodings) == by_name(uniform.solution.encodings)
        scales = [_scales(each) for each in (own, given)]
        assert scales[0] == scales[1] and len(scales[0]) > 3
        for sample in samples:
            assert torch.equal(own(*sample), given(*sample))


def test_one_pass_calibrates_all_candidates_as_each_alone(net: tuple[str, Studied]) -> None:
    """The float model runs once over the samples, and each uniform config is what its own calibration makes of it."""
    of, samples = net[1], NETS[net[0]][1]
    with quiet(), torch.no_grad():
        watched = Watched.of(of.model, of.space, samples)
        assert watched.passes == len(samples)
        for mine, exact in zip(watched.outputs, of.wanted.outputs, strict=True):
            assert mine.keys() == exact.keys() and all(torch.equal(mine[name], exact[name]) for name in mine)
        together = watched.calibrated(lambda _, converted: converted).converted
        for uniform in of.space.uniforms:
            alone = of.converted(uniform.solution.encodings)
            assert _scales(together[uniform.name]) == _scales(alone) and len(_scales(alone)) > 3
            assert torch.equal(together[uniform.name](*samples[0]), alone(*samples[0]))


def _scales(model: torch.fx.GraphModule) -> list[tuple[str, str]]:
    """Every quantizing node with its arguments: numbers as they are, tensors by their values."""

    def said(arg: Any) -> str:
        if isinstance(arg, torch.fx.Node):
            return str(getattr(model, str(arg.target)).tolist()) if arg.op == "get_attr" else "."
        return str(arg)

    return [
        (str(node.target), ", ".join(map(said, node.args)))
        for node in model.graph.nodes
        if "quantize" in str(node.target)
    ]


@pytest.mark.parametrize("name", NETS)
def test_a_points_recipe_gives_its_config_and_is_saved_as_it_was(name: str, tmp_path: Path) -> None:
    """Through ``solve``: the same encodings as the kept run of the last point, and byte for byte the same recipe."""
    kind, samples = NETS[name]
    kept = tmp_path / "front"
    result = search_config(
        seeded(kind), samples[0], calibration=samples, candidates=CANDIDATES, budget="weights=0.8", points=3,
        measure=False, directions=2, recipes=kept,
    )  # fmt: skip
    assert result.points
    for number, _ in enumerate(result.points, 1):
        file, again, solved = kept / f"point-{number}.yaml", tmp_path / "again.yaml", list[Solved]()
        solve(
            seeded(kind), samples[0], soc="SM8750", recipe=str(file), save_recipe=again, on_solved=solved.append,
        )  # fmt: skip
        asked, told = read_recipes([str(file)]), read_recipes([str(again)])
        assert [wish.words for wish in asked.wishes] != [] and len(solved) == 1
        assert _without_about(file) == _without_about(again)
        assert asked.precision == told.precision


def _without_about(path: Path) -> list[str]:
    """The lines of a recipe but for those that say what it was saved from."""
    lines, found, inside = path.read_text().splitlines(), [], False
    for line in lines:
        inside = line.startswith("about:") or (inside and line.startswith(" "))
        if not inside:
            found.append(line)
    assert found
    return found
