"""Every encoding that is no candidate has a reason, in a solve and in the run that is kept of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from qnnsolve.constraints import Forbid, Site
from qnnsolve.encodings import FLOAT, FP16, Encoding
from qnnsolve.explain import describe
from qnnsolve.explain.sentences import sentence
from qnnsolve.facts.graph import Graph, Node, NodeKind, Ref, TensorFact
from qnnsolve.rules import Facts, problem_of
from qnnsolve.rules.wishes import By, Strength, What, Where, Wish
from qnnsolve.runs import Solved, load_run, save_run
from qnnsolve.solver import Solution, Unsatisfiable, solve
from tests.rules.graphs import call, item, param, placeholder, several
from tests.runs.kept import contradiction, facts

GRAPH = Graph.of(
    (
        placeholder("x", 1, 64),
        placeholder("unread", 1, 64),
        placeholder("ids", 1, 64, dtype="int64"),
        param("w", 64, 64),
        param("b", 64),
        param("g", 64),
        param("h", 64),
        call("linear", "linear.default", Ref("x"), Ref("w"), Ref("b"), shape=(1, 64)),
        call("norm", "layer_norm.default", Ref("linear"), (64,), Ref("g"), Ref("h"), 1e-5, shape=(1, 64)),
        call("product", "matmul.default", Ref("norm"), Ref("w"), shape=(1, 64)),
        call("scores", "softmax.int", Ref("product"), -1, shape=(1, 64)),
        call("odd", "not_an_op.default", Ref("scores"), shape=(1, 64)),
        call("zeros", "zeros.default", (1, 64), shape=(1, 64)),
        call("next", "add.Tensor", Ref("ids"), 1, shape=(1, 64), dtype="int64"),
        parts := several("parts", "split.Tensor", Ref("x"), 32, -1, tensors=(TensorFact((1, 32), "float32"),) * 2),
        item("part", parts, 0),
        Node("out", NodeKind.OUTPUT, "output", ((Ref("odd"), Ref("part"), Ref("next")),)),
    )
)
CASES = {
    "a signed activation": ("norm", "s8", "an activation is unsigned, unless a signed encoding is asked for"),
    "an activation per channel": ("norm", "s8/ch0", "an activation has one scale for the whole tensor"),
    "a symmetric activation": ("norm", "u8sym", "u8sym was not asked for; the candidates are float, u16, u8"),
    "an encoding that nobody has": ("norm", "s4/ch1", "an activation has one scale"),
    "an input": ("x", "s16", "an activation is unsigned"),
    "half precision": ("norm", "fp16", "half precision was not asked for"),
    "integers": ("norm", "int32", "int32 stands for no real numbers"),
    "a scale that nothing fixes": ("linear", "u16=0.25:3", "not asked for"),
    "a scale that is free where the op fixes it": ("scores", "u8", "Softmax on V68 fixes the scale and zero point"),
    "an operand per channel": ("w -> linear", "s32/ch1", "the channels of this tensor lie along axis 0"),
    "an unsigned weight": ("w -> linear", "u8", "a weight is signed and symmetric"),
    "a weight of two bits": ("w -> linear", "s2/ch0", "s2/ch0 was not asked for; the candidates are float, s16, "),
    "a narrow bias": ("b -> linear", "s8", "a bias is signed and has 32 bits"),
    "a norm per channel": ("g -> norm", "s8/ch0", "the weight of a normalization has one scale"),
    "an op without facts": ("odd", "u8", "no facts about aten.not_an_op.default, so it stays on the CPU"),
    "what an op without facts reads": ("scores -> odd", "u8", "no facts about aten.not_an_op.default"),
    "a constant that is not read": ("zeros", "u8", "no op on the accelerator reads it"),
    "an input that is not read": ("unread", "float", "no op on the accelerator reads it"),
    "an integer tensor": ("ids", "u8", "the tensor holds int64, which is never quantized"),
    "an integer edge": ("ids -> next", "float", "the tensor holds int64"),
    "a parameter": ("w", "s8", "a parameter has an encoding at each op that reads it"),
    "several outputs": ("parts", "u8", "each output of the node has an encoding of its own"),
    "one of several outputs": ("parts -> part", "u8", "each output of the node has an encoding of its own"),
    "what the graph yields": ("part -> out", "u8", "output reads it on no input of its own"),
}


def _site(text: str) -> Site:
    return Site(*text.split(" -> "))


def _solved(ask: str = "16a8w", wishes: Sequence[Wish] = ()) -> Solved:
    given = facts(GRAPH, ask=ask, wishes=wishes)
    problem = problem_of(given)
    outcome = solve(problem)
    return Solved(given, problem, outcome, describe(given, problem, outcome, soc="SM8350", timings=()))


def _why(answer: object, site: Site, encoding: Encoding) -> str:
    """What the rule of candidates says, in words."""
    assert isinstance(answer, Solution | Unsatisfiable)
    (removal,) = answer.why_removed(site, encoding)
    assert (removal.site, removal.encoding, removal.because) == (site, encoding, ())
    assert isinstance(removal.constraint, Forbid) and removal.constraint.reason.rule == "QC011"
    assert removal.constraint.reason.sources and removal.constraint.encodings == {encoding}
    return sentence(removal.constraint.reason)


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> tuple[object, object]:
    made = _solved()
    path = tmp_path_factory.mktemp("run") / "run.qnn"
    save_run(path, made)
    return made.outcome, load_run(path).outcome


@pytest.mark.parametrize("case", CASES)
def test_what_is_no_candidate_has_a_reason(answers: tuple[object, object], case: str) -> None:
    site, name, words = CASES[case]
    for answer in answers:
        assert words in _why(answer, _site(site), Encoding.of_name(name))


def test_every_site_has_a_reason_for_every_encoding(answers: tuple[object, object]) -> None:
    """Candidate or not: what is no candidate anywhere is answered, by a solve and by the kept run alike."""
    solved, kept = answers
    given: Facts = facts(GRAPH)
    every = {encoding for domain in given.domains.values() for encoding in domain} | {FP16}
    edges = [Site(node.name, user) for node in GRAPH for user in GRAPH.users[node.name]]
    asked = 0
    for site in (*(Site(node.name) for node in GRAPH), *edges):
        for encoding in every - set(given.domains.get(site, ())):
            assert _why(solved, site, encoding) == _why(kept, site, encoding)
            asked += 1
    assert asked > 200


def test_a_candidate_is_not_left_out(answers: tuple[object, object]) -> None:
    for answer in answers:
        assert isinstance(answer, Solution)
        assert answer.why_removed(Site("norm"), answer.encodings[Site("norm")]) == ()
        for nowhere in (Site("nowhere"), Site("x", "norm")):
            with pytest.raises(KeyError):
                answer.why_removed(nowhere, FLOAT)


def test_what_the_chip_does_not_take_is_still_told_by_its_table(answers: tuple[object, object]) -> None:
    """No wide weight stands with 16-bit activations on V68: a candidate that the operator's table removes."""
    for answer in answers:
        assert isinstance(answer, Solution)
        removed = answer.why_removed(Site("w", "linear"), Encoding.of_name("s16/ch0"))
        assert removed and removed[-1].constraint.reason.rule == "QC001"


def test_half_precision_leaves_no_quantized_activation() -> None:
    answer = _solved("fp16a8w").outcome
    words = "half precision was asked for, and does not mix with quantized activations"
    assert _why(answer, Site("norm"), Encoding.of_name("u8")) == words
    assert _why(answer, Site("norm"), Encoding.of_name("s8/ch0")) == words


def test_a_wish_at_the_node_is_among_the_sources() -> None:
    s8 = Encoding.of_name("s8")
    wish = Wish(Where(By.NODE, "norm", "in[0]"), What(encoding=s8), "--prefer norm@in[0]=s8", Strength.PREFER)
    made = _solved(wishes=(wish,))
    assert "unsigned" in _why(made.outcome, Site("linear", "norm"), s8)
    not_tried = made.problem.left_out(Site("linear", "norm")).why(Encoding.of_name("u8sym"))
    assert not_tried is not None and "--prefer norm@in[0]=s8" in {source.citation for source in not_tried.sources}


def test_a_conflict_tells_too(tmp_path: Path) -> None:
    made = contradiction()
    save_run(tmp_path / "run.qnn", made)
    for answer in (made.outcome, load_run(tmp_path / "run.qnn").outcome):
        assert "unsigned" in _why(answer, Site("gelu_0"), Encoding.of_name("s8"))
