"""A solve that is kept is the same when it is loaded, and when it is solved again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest

from qnnsolve import load_run
from qnnsolve.explain import describe
from qnnsolve.opinfo_facts import operator_facts
from qnnsolve.report.text import solve_lines
from qnnsolve.results import (
    Status,
)
from qnnsolve.rules import problem_of
from qnnsolve.runs import Run, Solved, save_run
from qnnsolve.solver import Limits, Method, Solution, Unknown, Unsatisfiable
from tests.runs.kept import blocks, contradiction, facts, solved, text
from tests.runs.spelled import removal, spelled

ROOT = Path(__file__).parents[2]


def test_the_answer_is_that_which_was_given(made: Solved, run: Run) -> None:
    assert run.result == made.result
    assert any(node.deviations for node in made.result.nodes) and made.result.converts, "there is something to keep"
    assert run.status is Status.SATISFIABLE
    assert run.limits == made.limits


def test_solving_again_gives_the_same_bytes(made: Solved, run: Run) -> None:
    assert text(run.solve()) == text(made.result)
    assert text(run.solve(Limits(method=Method.MILP))) == text(made.result)


def test_it_says_what_it_is_of(run: Run) -> None:
    assert dict(run.about) | {"model": "blocks", "soc": "SM8350", "arch": "V68", "precision": "16a8w"} == run.about
    assert len(run.about["content"]) == 64 and {"qnnsolve", "torch", "executorch"} <= set(run.about)


def test_the_facts_are_those_that_were_solved(made: Solved, run: Run) -> None:
    assert list(run.facts.graph) == list(made.facts.graph)
    assert [type(arg) for node in run.facts.graph for arg in node.args] == [
        type(arg) for node in made.facts.graph for arg in node.args
    ]
    assert run.facts.built == made.facts.built
    assert run.facts.request == made.facts.request
    assert run.facts.domains == made.facts.domains
    assert run.facts.operators.records == made.facts.operators.records
    assert run.facts.operators.curated == made.facts.operators.curated
    assert all(run.facts.asked(site) == made.facts.asked(site) for site in made.problem.domains)


def test_what_operators_take_is_kept_for_every_form_of_the_graph(made: Solved, run: Run) -> None:
    kept = run.facts.operators
    seen = 0
    for node, built in made.facts.calls:
        for op, form in [(op, made.facts.form(node, built)) for op in built.ops[:1]]:
            there, here = made.facts.operators.accepted(op, form), kept.accepted(op, form)
            assert there is not None and here is not None
            assert (here.rows, here.refused, here.repeats) == (there.rows, there.refused, there.repeats)
            assert (here.inputs, here.outputs, here.known_from) == (there.inputs, there.outputs, there.known_from)
            seen += 1
    assert seen > 10
    assert "MatMul" in kept.names and not kept.knows("Conv2d")


def test_the_rules_say_the_same_of_the_kept_facts(made: Solved, run: Run) -> None:
    """So that other wishes can be tried on a kept run, without the model."""
    again = problem_of(run.facts)
    assert spelled(again) == spelled(made.problem)


def test_the_problem_is_the_same(made: Solved, run: Run) -> None:
    assert run.problem.domains == made.problem.domains
    assert spelled(run.problem) == spelled(made.problem)
    there, here = (len({id(getattr(c, "relation", None)) for c in p.constraints}) for p in (made.problem, run.problem))
    assert here <= there, "relations are shared"


def test_the_solution_is_the_same_with_its_trail(made: Solved, run: Run) -> None:
    there, here = made.outcome, run.outcome
    assert isinstance(there, Solution) and isinstance(here, Solution)
    for name in ("encodings", "groups", "converts", "cost", "breakdown", "lower_bound", "statistics", "limit", "proof"):
        assert getattr(here, name) == getattr(there, name), name
    removed = [
        (site, encoding)
        for site, domain in made.problem.domains.items()
        for encoding in domain
        if there.why_removed(site, encoding)
    ]
    assert removed
    for site, encoding in removed:
        mine, own = here.why_removed(site, encoding), there.why_removed(site, encoding)
        assert [removal(each) for each in mine] == [removal(each) for each in own]


def test_it_says_where_there_may_be_more_conflicts(tmp_path: Path) -> None:
    made = contradiction()
    assert isinstance(made.outcome, Unsatisfiable)
    note = "a limit ended the search for conflicts, so there may be more than these"
    assert not any(note in line.text for line in solve_lines(made.result, "m"))
    cut = attrs.evolve(made.outcome, exhaustive=False)
    result = describe(made.facts, made.problem, cut, soc="SM8350", timings=())
    assert any(note in line.text for line in solve_lines(result, "m"))
    result = attrs.evolve(result, notes=("sizes are fixed", *result.notes))
    save_run(tmp_path / "run.qnn", attrs.evolve(made, outcome=cut, result=result))
    run = load_run(tmp_path / "run.qnn")
    assert run.result == result
    assert run.solve(Limits()).notes == ("sizes are fixed",), "what the model gave, and no limit was hit this time"


def test_a_conflict_is_kept_with_its_reasons(tmp_path: Path) -> None:
    made = contradiction()
    assert isinstance(made.outcome, Unsatisfiable)
    save_run(tmp_path / "run.qnn", made)
    run = load_run(tmp_path / "run.qnn")
    assert run.result == made.result and "--pin a asks for u8" in run.result.conflicts[0].text
    assert text(run.solve()) == text(made.result)
    again = run.outcome
    assert isinstance(again, Unsatisfiable) and again.conflicts[0].derivation
    assert run.encodings == {}


def test_an_answer_that_a_limit_cut_off_stays_one(made: Solved, tmp_path: Path) -> None:
    given = Unknown("seconds=1")
    result = attrs.evolve(
        made.result,
        status=Status.UNKNOWN,
        proof=None,
        cost=None,
        breakdown=(),
        nodes=(),
        converts=(),
        limit="seconds=1",
    )
    save_run(tmp_path / "run.qnn", attrs.evolve(made, outcome=given, result=result, limits=Limits(seconds=1)))
    run = load_run(tmp_path / "run.qnn")
    assert run.result == result and run.limits.seconds == 1


def test_the_content_hangs_on_what_was_solved_and_not_on_the_answer(made: Solved, tmp_path: Path) -> None:
    def content(each: Solved) -> str:
        save_run(tmp_path / "run.qnn", each)
        return load_run(tmp_path / "run.qnn").about["content"]

    other = solved(made.facts, limits=Limits(method=Method.MILP))
    assert content(made) == content(attrs.evolve(made, result=attrs.evolve(made.result, notes=("a note",))))
    assert content(made) != content(other), "limits are a part of what was asked"
    assert content(made) != content(solved(facts(blocks(3), ask="8a8w")))
    assert content(made) != content(solved(facts(blocks(4))))


def test_no_process_that_reads_a_run_loads_torch(made: Solved, tmp_path: Path) -> None:
    save_run(tmp_path / "run.qnn", made)
    code = (
        "import sys; from qnnsolve import load_run; run = load_run(sys.argv[1]); run.solve(); run.result; run.export; "
        "print(sorted({'torch', 'torchao', 'executorch', 'onnxruntime_qnn'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "run.qnn")], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_shipped_tables_are_not_asked(run: Run, monkeypatch: pytest.MonkeyPatch, made: Solved) -> None:
    """A kept run answers from what was known then, whatever this version knows by now."""

    def gone(*_: Any) -> None:
        raise AssertionError("a kept run looks at the shipped facts")

    operator_facts.cache_clear()
    for where in ("qnnsolve.opinfo_facts.shipped_tables", "qnnsolve.facts.curated.curated"):
        monkeypatch.setattr(where, gone)
    assert text(run.solve()) == text(made.result)
