"""Other ways to sensitivities: measured one by one, by a metric, for some positions, and as another tool says."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from qnnsolve import search_config
from qnnsolve.errors import UsageError
from qnnsolve.host.stages import Stages
from qnnsolve.results import SearchResult
from qnnsolve.search.calibrating import Calibrated
from qnnsolve.search.keeping import Memory
from qnnsolve.search.layers import read_layers
from qnnsolve.search.ledgers import Measuring
from qnnsolve.search.measuring import Studied
from qnnsolve.search.noises import needed
from qnnsolve.search.positions import positions_of
from qnnsolve.search.sensing import Sensing, sensed
from qnnsolve.search.sensitivity import reference, sensitivities
from qnnsolve.search.spreading import spread
from tests.nets import ConvNet, images, seeded
from tests.search.spaced import draws, ranges, spaced, studied

SAMPLES = images(3)
ETS = "group_name,avg_sqnr,median_sqnr,min_sqnr,max_sqnr,count\n"


@pytest.fixture(scope="module")
def conv() -> tuple[Studied, Calibrated]:
    of = studied(seeded(ConvNet), SAMPLES)
    return of, ranges(of)


def searched(**settings: Any) -> SearchResult:
    return search_config(seeded(ConvNet), SAMPLES[0], calibration=SAMPLES, **settings)


def test_measured_values_are_those_of_one_rounding_alone_and_cost_a_pass_each(conv: tuple[Studied, Calibrated]) -> None:
    of, found = conv
    measuring = Measuring(of, Memory())
    got = sensed(measuring, found.roundings, Sensing(8, measured=True), Stages())
    for (site, encoding), value in got.noise.items():
        assert value == pytest.approx(of.simulated({site: found.roundings[site, encoding]}), rel=1e-9)
    assert got.backwards == 0 and 0 < measuring.simulations < len(got.noise) * len(SAMPLES), "a chain is measured once"
    assert any("one by one" in note for note in got.notes)


def minus_logits(model: Any) -> float:
    with torch.no_grad():
        return -float(sum((model(*each) - FLOAT(*each)).abs().mean() for each in SAMPLES))


FLOAT = seeded(ConvNet)


def test_by_a_metric_points_take_least_from_it() -> None:
    found = searched(measured=True, metric=minus_logits, points=3, axis="bit-ops")
    assert found.passes["backward"] == 0
    assert any(
        "take least from the metric, -" in note or "take least from the metric, 0" in note for note in found.notes
    )
    metrics = [each.metric for each in found.points]
    assert all(each is not None for each in metrics)
    assert all(math.isinf(each.bound_db) and not each.prices for each in found.points)
    best = max(each.metric for each in found.uniforms if each.metric is not None)
    assert found.points[-1].metric is not None and found.points[-1].metric >= best


class Sequences(nn.Module):
    """The last position depends on the second layer alone, the others on the first, too."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.first(x[:, :3]), self.second(x[:, 3:])], dim=1)


def noise_of(positions: str) -> dict[str, float]:
    samples = draws(2, 1, 4, 8)
    graph, space = spaced(seeded(Sequences), samples[0])
    wanted = reference(graph, samples, {}, positions_of(positions) if positions else {})
    found = ranges(Studied(graph, space, samples, wanted)).roundings
    keys = {key: found[key] for key in needed(space) if key in found}
    noise = sensitivities(graph, samples, wanted, keys, directions=8).noise
    return {str(site): value for (site, encoding), value in noise.items() if encoding.bits == 8}


def test_only_the_positions_that_count_have_noise() -> None:
    last, all_ = noise_of("0[:, -1]"), noise_of("")
    silent = {name for name in last if name.startswith("first_weight")}
    heard = {name for name in last if name.startswith("second_weight")}
    assert silent and heard
    assert all(last[name] == 0 < all_[name] for name in silent) and all(last[name] > 0 for name in heard)


@pytest.mark.parametrize(
    ("text", "says"),
    [("0", "like 0[:, -1]"), ("0[a]", "'a' is no index"), ("0[]", "is no index"), ("0[::-1]", "a step is 1 or more")],
)
def test_positions_are_refused(text: str, says: str) -> None:
    with pytest.raises(UsageError) as refused:
        positions_of(text)
    assert says in str(refused.value) and "\n" not in str(refused.value)


def test_positions_are_read() -> None:
    assert positions_of(["0[..., 1:3, ::2]", "cache.keys[0]"]) == {
        "0": (..., slice(1, 3), slice(None, None, 2)),
        "cache.keys": (0,),
    }
    with pytest.raises(UsageError, match="positions already"):
        positions_of(["0[1]", "0[2]"])


def test_positions_and_weights_that_the_model_lacks_are_refused(conv: tuple[Studied, Calibrated]) -> None:
    graph = conv[0].model
    for more, says in (
        ({"positions": positions_of("3[0]")}, "positions of output 3: no such output of finite floats; these are: 0"),
        ({"positions": positions_of("0[0, 999]")}, "positions of output 0: it has the shape"),
        ({"positions": positions_of("0[5:]")}, "nothing is there"),
    ):
        with pytest.raises(UsageError) as refused:
            reference(graph, SAMPLES, {}, **more)
        assert says in str(refused.value)
    with pytest.raises(UsageError, match="weight of output cache: no such output"):
        reference(graph, SAMPLES, {"cache": 1.0})


def file(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text)
    return str(folder / name)


def layers_of(conv: tuple[Studied, Calibrated]) -> list[str]:
    graph = conv[0].space.facts.graph
    return sorted({node.module_path for node in graph if node.module_path})


def test_a_layers_noise_is_spread_over_its_tensors_and_grows_with_fewer_bits(
    conv: tuple[Studied, Calibrated], tmp_path: Path
) -> None:
    space = conv[0].space
    one, other, *_ = layers_of(conv)
    layers = read_layers(
        file(tmp_path, "m_quantization_error.csv", f"{ETS}{one},20,20,20,20,1\n{other},30,30,30,30,1\n")
    )
    noise, note = spread(layers, space, needed(space))
    kept = {site: value for (site, encoding), value in noise.items() if encoding.bits == 8 and value}
    assert "does not name" in note and kept
    for (site, encoding), value in noise.items():
        if encoding.bits == 16 and site in kept:
            assert value == pytest.approx(kept[site] / 2**16)
    result = searched(sensitivities=str(layers.path), points=3)
    assert result.passes["backward"] == 0 and any("come from" in each for each in result.notes)


def test_aimets_scores_and_ranges_of_layers_are_read(tmp_path: Path) -> None:
    found = read_layers(file(tmp_path, "per_layer_quant_enabled.json", '{"a": 0.5, "b": 0.4}'))
    assert [(group.parts[0][1], group.noise) for group in found.groups] == [("a", 0.0), ("b", pytest.approx(0.2))]
    _, space = spaced(nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)), draws(1, 1, 8)[0])
    layers = read_layers(file(tmp_path, "x.csv", f"{ETS}[0-1],20,20,20,20,1\n"))
    noise, _ = spread(layers, space, needed(space))
    heard = {site.user[0] for site in {site for (site, _), value in noise.items() if value} if site.user}
    named = {str(site)[:3] for (site, _), value in noise.items() if value and "weight" in site.node}
    assert named == {"_0_", "_1_"} and heard


INT8 = "((8, <QuantizationDataType.int: 1>), (8, <QuantizationDataType.int: 1>))"
"""As AIMET 2.42 writes a candidate to ``accuracy_list.json``."""


def test_aimets_accuracy_list_tells_groups_at_their_widths(conv: tuple[Studied, Calibrated], tmp_path: Path) -> None:
    space = conv[0].space
    first, *_ = (node.name for node, _ in space.facts.calls if node.target == "aten.conv2d.default")
    (after,) = space.facts.graph.readers(first)
    (second,) = space.facts.graph.readers(after)
    wide = INT8.replace("8", "16", 1)
    entries = [
        [[["output", after], ["weight", first]], wide, 40.0, 1],
        [[["output", after], ["weight", first]], INT8, 30.0, 2],
        [[["input", f"{second}_input_quantizer_idx_0"]], INT8, 20.0, 3],
    ]
    layers = read_layers(file(tmp_path, "accuracy_list.json", json.dumps(entries)))
    assert [(each.activation_bits, each.weight_bits, each.noise) for each in layers.groups] == [
        (16, 8, 0.0),
        (8, 8, pytest.approx(0.25)),
        (8, 8, pytest.approx(0.5)),
    ]
    noise, note = spread(layers, space, needed(space))
    by = {(str(site), encoding.bits): value for (site, encoding), value in noise.items() if value}
    weight = [value for (site, bits), value in by.items() if bits == 8 and f"-> {first}" in site and "weight" in site]
    assert weight == [pytest.approx(0.125)]
    assert by[first, 8] == pytest.approx(0.125 + 0.5), "an output of one group, and an input of another"
    assert (first, 16) not in by, "the file says that it is free of noise with 16 bits"
    assert "does not name" in note
    result = searched(sensitivities=str(layers.path), points=3)
    assert any("come from" in each for each in result.notes)
    with pytest.raises(UsageError, match="the model has no layer nowhere"):
        other = read_layers(file(tmp_path, "b.json", json.dumps([*entries, [[["output", "nowhere"]], INT8, 1.0, 0]])))
        spread(other, space, needed(space))


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.json", "{", "is no JSON"),
        ("a.json", "[]", "no layers and scores"),
        ("a.json", "[1]", "entry 1 is no group, candidate and score"),
        ("a.json", '[[[["output", "a"]], "8", 1, 0]]', "entry 1: '8' is no candidate"),
        ("a.json", f'[[[["output", "a"]], "{INT8}", "x", 0]]', "entry 1: 'x' is no number"),
        ("a.json", f'[[[["bias", "a"]], "{INT8}", 1, 0]]', "entry 1: ['bias', 'a'] is no input, output or weight"),
        ("a.json", '{"a": "x"}', "layer a: 'x' is no number"),
        ("a.json", '{"a": NaN, "b": 1}', "layer a: nan is no number"),
        ("a.json", '{"a": 1, "b": 1}', "no layer in it makes any noise"),
        ("per_layer_mse_loss.json", '{"a": 1}', "what is lost when all is quantized"),
        ("a.csv", "group_name,median_sqnr\na,1\n", "column avg_sqnr is missing"),
        ("a.csv", f"{ETS}a,x,1,1,1,1\n", "line 2: 'x' is no number"),
        ("a.csv", f"{ETS}a\n", "line 2: None is no number"),
        ("a.csv", "", "column group_name is missing"),
        ("a.txt", "a", "it is to be AIMET's"),
    ],
)
def test_malformed_files_are_one_line(tmp_path: Path, name: str, text: str, says: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_layers(file(tmp_path, name, text))
    assert says in str(refused.value) and name in str(refused.value) and "\n" not in str(refused.value)


def test_what_no_layer_is_called_is_refused_with_the_nearest(conv: tuple[Studied, Calibrated], tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe")
    for path, says in ((tmp_path / "none.csv", "cannot be read"), (tmp_path / "b.csv", "is no text")):
        with pytest.raises(UsageError, match=says):
            read_layers(path)
    name = layers_of(conv)[-1]
    layers = read_layers(file(tmp_path, "a.csv", f"{ETS}{name}x,20,20,20,20,1\n"))
    with pytest.raises(UsageError, match=f"no layer {name}x; did you mean {name}"):
        spread(layers, conv[0].space, needed(conv[0].space))


def test_ways_that_exclude_each_other_are_refused(tmp_path: Path) -> None:
    path = file(tmp_path, "a.csv", f"{ETS}a,20,20,20,20,1\n")
    for settings in ({"sensitivities": path, "measured": True}, {"measured": True, "directions": 2}):
        with pytest.raises(UsageError):
            searched(**settings)
