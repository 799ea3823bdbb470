"""What holds for one call holds for all of its kind: asked about each call alone, rules say the same."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from benchmarks.bench_graph import transformer
from qnnsolve.constraints import Constraint, Forbid, Same, Site, Table, of_type
from qnnsolve.encodings import FLOAT
from qnnsolve.facts.graph import Graph, Node, Ref
from qnnsolve.opinfo_facts import operator_facts
from qnnsolve.reasons import Reason
from qnnsolve.reference.example_graphs import EXAMPLES
from qnnsolve.rules import Facts, backend_rules, problem_of
from qnnsolve.rules.kinds import Call, becoming
from qnnsolve.rules.repeating import at_each_call
from qnnsolve.rules.request import Request, precision
from qnnsolve.rules.wish_text import parse_wish
from qnnsolve.rules.wishes import Strength, Wish
from tests.rules.graphs import B, W, X, call, facts, item, param, placeholder, several, tensor

_SPLIT = several("split", "split.Tensor", Ref("x"), 2, 1, tensors=(*tensor(1, 2), *tensor(1, 2)))
GRAPHS: dict[str, tuple[Node, ...]] = {
    "a transformer": tuple(transformer(60)),
    "ends of one split": (
        X,
        _SPLIT,
        item("one", _SPLIT, 0),
        item("other", _SPLIT, 1),
        item("again", _SPLIT, 1),
        call("a", "relu.default", Ref("one"), shape=(1, 2)),
        call("b", "relu.default", Ref("other"), shape=(1, 2)),
        call("c", "relu.default", Ref("again"), shape=(1, 2)),
    ),
    "one input twice, and two inputs": (
        X,
        placeholder("y", 1, 4),
        call("twice", "add.Tensor", Ref("x"), Ref("x")),
        call("both", "add.Tensor", Ref("x"), Ref("y")),
    ),
    "behind a sigmoid, and not": (
        X,
        call("gate", "sigmoid.default", Ref("x")),
        call("plain", "relu.default", Ref("x")),
        call("a", "view.default", Ref("gate"), (4,), shape=(4,)),
        call("b", "view.default", Ref("plain"), (4,), shape=(4,)),
        call("c", "unknown_op.default", Ref("gate")),
        call("d", "unknown_op.default", Ref("plain")),
    ),
    "weights of two shapes": (
        X,
        W,
        B,
        param("wide", 4, 4, 3, 3),
        call("point", "conv2d.default", Ref("x"), Ref("w"), Ref("b")),
        call("wider", "conv2d.default", Ref("x"), Ref("wide"), Ref("b")),
        call("bare", "conv2d.default", Ref("x"), Ref("w")),
    ),
}


def _alone(given: Facts) -> Facts:
    """The same facts, where every call is the only one of its kind."""
    apart = Facts(given.graph, given.operators, given.wanted, given.built)
    apart.kinds.of.update({name: number for number, name in enumerate(given.built)})
    return apart


def _said(constraints: Iterable[Constraint]) -> list[str]:
    return [_spelled(each) for each in constraints]


def _spelled(constraint: Constraint) -> str:
    """All of a constraint; relations, which are compared by identity, by their rows."""
    relation = getattr(constraint, "relation", None)
    rows = () if relation is None else sorted(zip(map(str, relation.rows), relation.prices, strict=True))
    rest = [getattr(constraint, name, None) for name in ("costs", "price")]
    sets = [sorted(map(str, getattr(constraint, name, ()))) for name in ("encodings", "pairs")]
    return str((type(constraint).__name__, constraint.sites, constraint.reason, rows, rest, sets))


def _checked(given: Facts) -> None:
    alone = _alone(given)
    assert list(given.domains.items()) == list(alone.domains.items())
    for rule in backend_rules(given.operators.backend):
        assert _said(rule.generate(given)) == _said(rule.generate(alone)), rule.code


@pytest.mark.parametrize("ask", ["8a8w", "16a4w_block", "fp16a8w"])
@pytest.mark.parametrize("graph", GRAPHS)
def test_rules_say_of_each_call_what_they_say_of_its_kind(graph: str, ask: str) -> None:
    _checked(facts(*GRAPHS[graph], ask=ask))
    _checked(Facts.of(Graph.of(GRAPHS[graph]), operator_facts("htp", "V68"), Request.of(precision(ask))))


@pytest.mark.parametrize("code", EXAMPLES)
def test_so_they_do_in_the_example_of_each_rule(code: str) -> None:
    _checked(EXAMPLES[code].facts())


def _pins(*texts: str) -> list[Wish]:
    return [parse_wish(text, Strength.PIN, text) for text in texts]


def test_a_wish_at_one_call_is_not_one_at_the_others() -> None:
    nodes, request = tuple(transformer(60)), Request.of(precision("16a8w"))
    pins = _pins("q1@out=u8", "k2@weight=4w", "s0@in[1]=u16", "p3=8a8w")
    given = Facts.of(Graph.of(nodes), operator_facts("htp", "V68"), request, pins)
    _checked(given)
    pinned = [c.sites for rule in backend_rules("htp") if rule.code == "QC010" for c in rule.generate(given)]
    assert (Site("q1"),) in pinned and (Site("q2"),) not in pinned


def test_calls_of_one_kind_are_asked_about_once() -> None:
    given = Facts.of(Graph.of(tuple(transformer(520))), operator_facts("htp", "V68"), Request.of(precision("16a8w")))
    asked: list[str] = []

    def note(each: Call) -> Iterable[Constraint]:
        asked.append(each.node.name)
        return ()

    assert list(at_each_call(given, lambda each: iter(note(each)))) == []
    assert len(given.built) > 500 and len(asked) < 30


def test_a_rule_about_a_call_names_its_sites_only() -> None:
    given = facts(X, call("a", "relu.default", Ref("x")), call("b", "relu.default", Ref("a")))
    elsewhere = Forbid(Site("elsewhere"), frozenset({FLOAT}), Reason.in_words("QC999", "it tries to"))
    with pytest.raises(ValueError, match="QC999 names elsewhere"):
        list(at_each_call(given, lambda _: iter([elsewhere])))


def test_some_constraints_of_a_problem_are_those_that_a_look_at_all_finds() -> None:
    problem = problem_of(
        Facts.of(Graph.of(tuple(transformer(60))), operator_facts("htp", "V68"), Request.of(precision("8a8w")))
    )
    for kind, code in (*((Same, each) for each in ("QC002", "QH002", "QX001")), (Table, None), (Forbid, None)):
        meant = [c for c in problem.constraints if isinstance(c, kind) and code in (None, c.reason.rule)]
        assert _said(of_type(problem.constraints, kind, code)) == _said(meant)
    assert list(of_type(problem.constraints, Same, "QC002"))


def test_calls_are_found_by_what_they_become_in_their_order() -> None:
    given = facts(*GRAPHS["a transformer"])
    ops = dict.fromkeys(built.op for _, built in given.calls)
    assert becoming(given, *ops) == list(given.calls)
    for op in ops:
        assert becoming(given, op) == [(node, built) for node, built in given.calls if built.op == op]
    assert becoming(given, "Nothing") == []
