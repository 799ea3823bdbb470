"""A space has every uniform config, and nothing that no candidate asks for."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from torch import nn

from qnnsolve.encodings import FLOAT
from qnnsolve.errors import UnsatisfiableError, UsageError
from qnnsolve.rules.request import Role
from qnnsolve.search.spaces import Space, solved_with
from qnnsolve.solver import check
from tests.nets import Attention, ConvNet, TwoConvs, images, seeded
from tests.search.spaced import draws, spaced

NETS: dict[str, tuple[type[nn.Module], Any]] = {
    "ConvNet": (ConvNet, images(1)[0]),
    "Attention": (Attention, draws(1, 1, 4, 16)[0]),
    "TwoConvs": (TwoConvs, images(1)[0]),
}


def space_of(name: str, *args: Any, **more: Any) -> Space:
    net, sample = NETS[name]
    return spaced(seeded(net), sample, *args, **more)[1]


@pytest.fixture(scope="module")
def spaces() -> dict[str, Space]:
    return {name: space_of(name, "8a8w,16a8w,16a4w") for name in NETS}


@pytest.mark.parametrize("name", NETS)
def test_every_uniform_config_is_in_it(spaces: dict[str, Space], name: str) -> None:
    space = spaces[name]
    for uniform in space.uniforms:
        verdict = check(space.problem, uniform.solution.encodings)
        assert not verdict.violations, f"{uniform.name}: {verdict.violations[:3]}"
        assert dict(solved_with(space, uniform.solution.encodings).encodings) == dict(uniform.solution.encodings)


@pytest.mark.parametrize("name", NETS)
def test_nothing_is_on_the_cpu_that_need_not_be(spaces: dict[str, Space], name: str) -> None:
    space = spaces[name]
    for site, choices in space.choices.items():
        had = {uniform.solution.encodings[site] for uniform in space.uniforms}
        assert choices == {FLOAT} if had == {FLOAT} else FLOAT not in choices, site


def test_of_16a4w_and_8a8w_no_config_has_8a4w() -> None:
    space = space_of("ConvNet", "16a4w,8a8w")
    facts = space.facts
    tried = 0
    for node, built in facts.calls:
        at = {entry.role: edge for _, entry, edge, _ in reversed([*facts.float_inputs(facts.graph[node.name], built)])}
        if Role.WEIGHT not in at:
            continue
        first, weight = at[Role.ACTIVATION], at[Role.WEIGHT]
        for a, w in itertools.product(space.choices[first], space.choices[weight]):
            if (a.bits, w.bits) == (8, 4):
                tried += 1
                with pytest.raises(UnsatisfiableError):
                    solved_with(space, {first: a, weight: w})
    assert tried


def test_a_place_has_its_own_candidates() -> None:
    space = space_of("ConvNet", ["8a8w,16a8w", "conv2d=16a4w"])
    bits = {site.user: {e.bits for e in each} for site, each in space.choices.items() if "weight" in site.node}
    assert bits == {"conv2d": {4}, "linear": {8}}


def test_what_is_fixed_has_one_preset() -> None:
    space = space_of("ConvNet", "16a8w,8a8w", fixed="linear")
    assert {e.bits for site, each in space.choices.items() for e in each if site.node == "linear"} == {16}
    assert {e.bits for site, each in space.choices.items() for e in each if site.node == "relu"} == {8, 16}


def test_pins_bound_it() -> None:
    space = space_of("ConvNet", pin="relu=16a")
    own = next(site for site in space.choices if site.node == "relu" and not site.user)
    assert {each.solution.encodings[own].bits for each in space.uniforms} == {16}
    for narrow in (e for e in space.choices[own] if e.bits == 8):
        with pytest.raises(UnsatisfiableError):
            solved_with(space, {own: narrow})


@pytest.mark.parametrize(("texts", "fixed"), [("nothing_there=16a8w", ()), ("8a8w,16a8w", "nothing_there")])
def test_a_place_that_finds_nothing_is_one_line(texts: str, fixed: Any) -> None:
    with pytest.raises(UsageError) as refused:
        space_of("ConvNet", texts, fixed=fixed)
    assert "nothing_there" in str(refused.value)
    assert "\n" not in str(refused.value)
