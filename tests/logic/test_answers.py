"""Answers and proofs, held to nested loops over the same rows."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings

from qnnsolve.logic import Answers, Database, Given, Row, answered, read_question, read_rules
from tests.logic.generated import RELATIONS, Asked, asked, database_of
from tests.logic.plain import plain_answers


def _asked(case: Asked) -> Answers:
    return answered(case.question, case.clauses, database_of(case.rows), {})


def test_answers_are_those_of_nested_loops_and_their_proofs_are_sufficient() -> None:
    """Of the given rows of a proof alone the answer follows; and each line needs only lines before it.

    And what is asked is not trivial: many have answers, rest on rules and on what is negated.
    """
    kinds: list[set[str]] = []

    @settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(asked())
    def held(case: Asked) -> None:
        answers = _asked(case).answers
        kinds.append({line.kind for answer in answers for line in answer.proof} | {"answered" for _ in answers[:1]})
        found = [answer.values for answer in answers]
        assert len(set(found)) == len(found)
        assert set(found) == plain_answers(case.question, case.clauses, case.rows)
        for answer in answers:
            rows: dict[str, list[Row]] = {each.name: [] for each in RELATIONS}
            for at, line in enumerate(answer.proof):
                assert all(each < at for each in line.needs)
                if line.kind == "given":
                    assert line.row in case.rows[line.relation]
                    rows[line.relation].append(line.row)
            assert answer.values in plain_answers(case.question, case.clauses, rows)

    held()
    counted = {kind: sum(kind in each for each in kinds) for kind in ("answered", "derived", "absent")}
    assert len(kinds) > counted["answered"] > 400
    assert counted["derived"] > 150 and counted["absent"] > 150


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(asked())
def test_what_is_printed_reads_the_same(case: Asked) -> None:
    assert read_question(", ".join(map(str, case.question.goals))).goals == _renamed(case.question.goals)
    text = "\n".join(map(str, case.clauses))
    assert [str(clause) for clause in read_rules(text, "rules")] == text.splitlines()


def _renamed(goals: object) -> object:
    """``_`` is another variable wherever it stands."""
    return read_question(", ".join(map(str, goals))).goals  # type: ignore[call-overload]


def _chain(length: int) -> Database:
    edges = [(f"n{at}", f"n{at + 1}") for at in range(length)]
    return Database(RELATIONS, lambda name: Given(edges if name == "feeds" else ()))


def test_recursion_ends_also_where_a_rule_only_calls_itself() -> None:
    rules = read_rules("p(X) :- p(X). q(X, Y) :- q(Y, X). q(a, b).", "rules")
    assert answered(read_question("p(X)"), rules, _chain(3), {}).total == 0
    assert [each.values for each in answered(read_question("q(X, Y)"), rules, _chain(3), {}).answers] == [
        ("a", "b"),
        ("b", "a"),
    ]


def test_a_chain_of_a_thousand_derivations_is_proven() -> None:
    rules = read_rules("after(Y) :- feeds(n0, Y). after(Y) :- after(X), feeds(X, Y).", "rules")
    found = answered(read_question("after(n1000)"), rules, _chain(1000), {})
    proof = found.answers[0].proof
    assert [line.kind for line in proof].count("given") == 1000
    assert [line.kind for line in proof].count("derived") == 1000


def test_what_is_universal_is_proven_by_all_that_it_speaks_of() -> None:
    """``not`` over ``not``: all readers of a node are of a kind."""
    rows: dict[str, list[tuple[str, ...]]] = {
        "feeds": [("a", "b"), ("a", "c"), ("b", "c")],
        "kind": [("b",), ("c",)],
    }
    database = Database(RELATIONS, lambda name: Given(rows.get(name, ())))
    rules = read_rules("other(N) :- feeds(N, M), not kind(M).", "rules")
    found = answered(read_question("feeds(N, _), not other(N)"), rules, database, {})
    assert [each.values for each in found.answers] == [("a",), ("b",)]
    assert {str(line) for line in found.answers[0].proof if line.relation == "kind"} == {'kind("b")', 'kind("c")'}


def test_what_only_has_to_hold_is_not_enumerated() -> None:
    """Of what differs in hidden variables alone one is enough."""
    rows = {"feeds": [(f"a{one}", f"b{two}") for one in range(100) for two in range(100)]}
    database = Database(RELATIONS, lambda name: Given(rows.get(name, ())))
    assert answered(read_question("feeds(A, _B), feeds(_C, _B)"), (), database, {}).total == 100
    assert database.steps < 35_000


def test_answers_are_in_the_order_that_is_given() -> None:
    database = _chain(12)
    order = {f"n{at}": 12 - at for at in range(13)}
    found = answered(read_question("feeds(A, B)"), (), database, order, limit=3)
    assert [each.values for each in found.answers] == [("n11", "n12"), ("n10", "n11"), ("n9", "n10")]
    assert found.total == 12
