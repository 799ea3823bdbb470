"""Wishes: which nodes they find, what the later ones say over the earlier, what pins leave, and how they are typed."""

from __future__ import annotations

import attrs
import pytest

from qnnsolve.constraints import Allow, Prefer, Site
from qnnsolve.encodings import FLOAT, DType, Encoding
from qnnsolve.errors import UsageError
from qnnsolve.explain import sentence
from qnnsolve.facts.curated import curated
from qnnsolve.facts.graph import Graph, Node, Ref
from qnnsolve.opinfo_facts import OperatorFacts
from qnnsolve.rules import problem_of
from qnnsolve.rules.asked import Asked, Port
from qnnsolve.rules.base import Facts
from qnnsolve.rules.builders import Fate
from qnnsolve.rules.patterns import found
from qnnsolve.rules.request import U8_SYMMETRIC, Granularity, Request, precision
from qnnsolve.rules.requested import without_pins
from qnnsolve.rules.saying import keeps
from qnnsolve.rules.wish_text import parse_wish
from qnnsolve.rules.wishes import Strength, Wish
from qnnsolve.solver import Solution, Unsatisfiable, solve
from tests.rules.graphs import CONV, TABLES, B, W, X, call, of_kind, yielded

PREFER, PIN = Strength.PREFER, Strength.PIN
RELU = attrs.evolve(
    call("relu", "relu.default", Ref("conv")), module_path="head.act", module_types=("m.Head", "t.ReLU")
)
NODES = (X, W, B, attrs.evolve(CONV, module_path="body.conv", module_types=("m.Body", "t.Conv2d")), RELU)
U8, U16 = Encoding.affine(DType.UINT8), Encoding.affine(DType.UINT16)
OUT, WEIGHT = Site("relu"), Site("w", "conv")


def wished(*texts: str, strength: Strength = PREFER, ask: str = "8a8w", nodes: tuple[Node, ...] = NODES) -> Facts:
    operators = OperatorFacts("htp", "V68", {t.op: t for t in TABLES}, curated("htp"))
    wishes = [parse_wish(text, strength, f"--{strength.value} {text}") for text in texts]
    return Facts.of(Graph.of(nodes), operators, Request.of(precision(ask)), wishes)


@pytest.mark.parametrize(
    "where",
    [
        "relu",
        "node:relu",
        "op:aten.relu",
        "op:aten.relu.default",
        "head",
        "module:head.act",
        "head.*",
        "type:ReLU",
        "Head",
    ],
)
def test_a_place_is_named_by_node_op_module_or_type(where: str) -> None:
    given = wished(f"{where}=16a")
    assert (given.asked(OUT), given.asked(Site("conv")), given.asked(Site("conv", "relu"))) == (U16, U8, U16)


def test_a_pattern_that_takes_for_ever_is_refused() -> None:
    with pytest.raises(UsageError, match=r"re:.*: the search in 'a+!' takes too long; write a simpler pattern"):
        found(r"(?:(a|a)(?=a))+b", "a" * 60 + "!")


def test_a_pattern_is_found_in_the_path_of_a_module() -> None:
    assert wished("re:^body.c..v$=16a").asked(Site("conv")) == U16
    with pytest.raises(UsageError, match=r"--prefer re:\(=16a: '\(' is no regular expression"):
        wished("re:(=16a")


def test_one_port_can_be_meant() -> None:
    given = wished("conv@weight=4w", "conv@out=16a", "relu@in[0]=16a", "relu@from:conv=u16")
    assert (given.asked(WEIGHT).bits, given.asked(Site("conv")), given.asked(OUT)) == (4, U16, U8)
    assert given.asked(Site("x", "conv")) == U8
    assert given.asked(Site("conv", "relu")) == U16
    with pytest.raises(UsageError, match=r"a port is weight, out, or in\[0\], in\[1\] \.\.\., not 'bottom'"):
        wished("conv@bottom=16a")


def test_a_port_may_stand_behind_a_dot_as_in_questions() -> None:
    given = wished("conv.weight=4w", "relu.in[0]=16a")
    assert (given.asked(WEIGHT).bits, given.asked(Site("conv", "relu")), given.asked(Site("conv"))) == (4, U16, U8)
    with pytest.raises(UsageError, match=r"nothing in the model is 'conv\.out'"):
        wished("conv.out=16a")
    with pytest.raises(UsageError, match=r"nothing in the model is 'module:conv\.weight'"):
        wished("module:conv.weight=4w")


def test_the_later_of_two_wishes_counts_for_what_it_says() -> None:
    given = wished("*=16a4w", "conv=8a", "conv=tensor")
    asked = given.asked(WEIGHT)
    assert (given.asked(Site("conv")), given.asked(OUT), asked.bits, asked.ch_axis) == (U8, U16, 4, None)
    ((node, earlier, later),) = [each for each in given.wanted.overridden() if each[0] == "conv"]
    assert (node, str(earlier.what), str(later.what)) == ("conv", "16a,4w", "8a")


def test_an_input_of_the_graph_has_what_all_its_readers_ask_for() -> None:
    assert wished("conv=16a").asked(Site("x")) == U16
    assert wished("relu=16a").asked(Site("x")) == U8


BOTH = (*NODES, call("other", "relu.default", Ref("x")))


@pytest.mark.parametrize(
    ("texts", "encoding"),
    [
        (("conv=16a4w", "other=16a"), U16),  # they say the same of activations, in other words
        (("conv=u16", "other=16a"), U16),
        (("conv=16a",), U8),  # the other reader has the 8 bits of all
    ],
)
def test_an_input_that_several_nodes_read_has_what_they_agree_on(texts: tuple[str, ...], encoding: Encoding) -> None:
    """Else it would be rounded to 8 bits before it is converted to the 16 that all want."""
    assert wished(*texts, nodes=BOTH).asked(Site("x")) == encoding


@pytest.mark.parametrize(("strengths", "pinned"), [((PIN, PIN), True), ((PREFER, PIN), False), ((PIN, PREFER), False)])
def test_an_input_is_pinned_where_each_reader_has_it_from_a_pin(
    strengths: tuple[Strength, Strength], pinned: bool
) -> None:
    wishes = [parse_wish(f"{name}=16a", how, name) for name, how in zip(("conv", "other"), strengths, strict=True)]
    asked = Asked.of(Request.of(precision("8a8w")), wishes, Graph.of(BOTH))
    allowed, pins = asked.allowed("x", Port(), (U8, U16))
    assert (bool(pins), allowed) == (pinned, frozenset((U16,) if pinned else (U8, U16)))


def test_what_finds_nothing_names_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"--prefer conw=16a: nothing in the model is 'conw'; did you mean .*conv"):
        wished("conw=16a")
    with pytest.raises(UsageError, match="nothing in the model is 'type:ReLu'; did you mean ReLU"):
        wished("type:ReLu=16a")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("conv", "a wish is WHERE=WHAT, like layers.0=16a8w, not 'conv'"),
        ("conv=17a", "unknown wish '17a': did you mean 16a"),
        ("conv=16a,8a", "'16a,8a' asks for two things at once (16 and 8)"),
        ("conv=block=0", "a block size is like 32, or 1x32x1x1 with one size per dimension, not '0'"),
        ("conv=u8=nan:3", "a scale and zero point are like u8=0.02:128, not 'nan:3'"),
        ("conv=eps=0", "a least scale is like eps=1e-6, not '0'"),
        ("conv=s8/ch0=nan:0", "unknown wish 's8/ch0=nan:0'"),
        ("conv=u8=0.1:300", "zero point 300 is outside of 0..255"),
        ("conv=cpu", "nothing prefers the CPU; pin it there"),
    ],
)
def test_a_wish_that_cannot_be_read_is_one_line(text: str, line: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_wish(text, PREFER, "--prefer")
    assert str(caught.value).startswith(f"--prefer: {line}")


def test_what_is_typed_is_said_again() -> None:
    what = parse_wish("*=16a4w,block=1x32x1x1,symmetric,observer=MinMaxObserver", PREFER, "").what
    assert str(what) == "16a,symmetric,4w,block,block=1x32x1x1,observer=MinMaxObserver"
    assert (what.granularity, what.block_size) == (Granularity.BLOCK, (1, 32, 1, 1))
    for name in ("s8/ch0", "s4/block1x32@0", "s32/ch0", "u8=0.5:3"):
        assert str(parse_wish(f"x={name}", PREFER, "").what) == name
    assert parse_wish("x=u8=0.5:3", PREFER, "").what.encoding == attrs.evolve(U8, scale=0.5, zero_point=3)


def test_a_preference_costs_and_carries_its_words() -> None:
    prefers = {c.site: c for c in of_kind(Prefer, yielded("QC006", wished("relu=16a")))}
    assert dict(prefers[OUT].costs)[U8] > 0
    assert [source.citation for source in prefers[OUT].reason.sources] == ["--prefer relu=16a"]
    assert prefers[Site("conv")].reason.sources == ()


def test_a_pin_leaves_what_it_says_and_nothing_is_pinned_without_one() -> None:
    assert yielded("QC010", wished("relu=16a")) == []
    allows = {c.site: c for c in of_kind(Allow, yielded("QC010", wished("relu=16a", strength=PIN)))}
    assert set(allows) == {OUT, Site("conv", "relu")}
    assert {each.name for each in allows[OUT].encodings} == {"u16"}
    assert sentence(allows[OUT].reason) == "16a is pinned by --pin relu=16a"
    (weight,) = of_kind(Allow, yielded("QC010", wished("conv=4w,channel", strength=PIN)))
    assert (weight.site, {each.name for each in weight.encodings}) == (WEIGHT, {"s4/ch0"})


def test_a_pin_to_a_width_takes_whatever_scale_the_op_fixes() -> None:
    fixed = attrs.evolve(U8, scale=1 / 256, zero_point=0)
    what = parse_wish("softmax=u8", PIN, "").what
    assert (keeps(fixed, "encoding", what), keeps(U16, "encoding", what)) == (True, False)
    exact = parse_wish("softmax=u8=0.5:0", PIN, "").what
    assert (keeps(fixed, "encoding", exact), keeps(U8, "encoding", exact)) == (False, False)


def test_a_later_preference_takes_a_pin_back() -> None:
    operators = OperatorFacts("htp", "V68", {t.op: t for t in TABLES}, curated("htp"))
    wishes: list[Wish] = [parse_wish("relu=16a", PIN, "one"), parse_wish("relu=8a", PREFER, "two")]
    given = Facts.of(Graph.of(NODES), operators, Request.of(precision("8a8w")), wishes)
    assert yielded("QC010", given) == []


def test_pins_that_cannot_hold_are_a_conflict_and_can_be_given_up() -> None:
    """A 16-bit convolution with a 16-bit weight needs V73."""
    given = wished("conv=16a16w", "relu=16a", strength=PIN)
    problem = problem_of(given)
    outcome = solve(problem)
    assert isinstance(outcome, Unsatisfiable)
    assert {c.reason.rule for c in outcome.conflicts[0].constraints} == {"QC001", "QC010"}
    relaxed = solve(without_pins(problem))
    assert isinstance(relaxed, Solution)
    assert FLOAT not in relaxed.encodings.values(), "a width is given up, not the accelerator"


def test_what_counts_in_calibration_is_kept_wherever_a_port_is_quantized() -> None:
    given = wished("*=observer=MinMaxObserver,eps=0.5", strength=PIN)
    (wish,) = given.wanted.all
    assert yielded("QC010", given) == [], "an observer pins no encoding"
    assert given.wanted.held("relu", given.port(OUT), U8) == {wish: True}
    assert given.wanted.held("relu", given.port(OUT), FLOAT) == {wish: False}
    assert (given.wanted.observer("relu", given.port(OUT)), given.wanted.least_scale("relu", given.port(OUT))) == (
        "MinMaxObserver",
        0.5,
    )


def test_what_is_kept_on_the_cpu_has_that_fate() -> None:
    given = wished("relu=cpu", strength=PIN)
    assert (given.built["relu"].fate, given.built["relu"].why) == (Fate.CPU, "you asked for it (--pin relu=cpu)")
    solution = solve(problem_of(given))
    assert isinstance(solution, Solution)
    assert (solution.encodings[OUT], solution.encodings[Site("conv")]) == (FLOAT, U8)


def test_half_precision_does_not_stand_beside_quantized_activations() -> None:
    with pytest.raises(UsageError, match="half precision and quantized activations do not stand in one program"):
        wished("relu=fp16a")


EXACT = [
    (("relu@out=u16", "relu=8a"), U8),
    (("relu=8a", "relu@out=u16"), U16),
    (("relu@out=u16sym", "relu=affine"), U16),
    (("relu@out=u8", "relu=symmetric"), U8_SYMMETRIC),
    (("relu=symmetric", "relu@out=u8=0.5:3", "relu=16a"), U16),
    (("relu=16a,symmetric", "relu@out=u8", "relu=affine"), U8),
]


@pytest.mark.parametrize("strength", [PREFER, PIN])
@pytest.mark.parametrize(("wishes", "asked"), EXACT)
def test_of_an_exact_encoding_and_a_width_the_later_counts(
    wishes: tuple[str, ...], asked: Encoding, strength: Strength
) -> None:
    facts = wished(*wishes, strength=strength)
    assert facts.asked(OUT) == asked
    domain = facts.domains[OUT]
    allowed, pins = facts.wanted.allowed("relu", facts.port(OUT), domain)
    assert allowed == ({asked} if strength is PIN else set(domain)), (
        "what a later one says, an earlier one does not pin"
    )
    assert bool(pins) == (strength is PIN)


def test_a_width_after_an_exact_weight_changes_the_width_alone() -> None:
    assert wished("conv@weight=s4", "conv=8w").asked(WEIGHT).name == "s8"
    assert wished("conv=tensor,4w", "conv@weight=s8/ch0", "conv=4w").asked(WEIGHT).name == "s4/ch0"
