"""What nodes, encodings, wishes, constraints and answers say is kept to the last field."""

from __future__ import annotations

from pathlib import Path

import attrs

from qnnsolve import load_run
from qnnsolve.constraints import LeftOut, Site
from qnnsolve.encodings import Encoding
from qnnsolve.facts.graph import CodeLine, Graph, Node, NodeKind, Ref, TensorFact
from qnnsolve.results import (
    CalibrationRecord,
    ConvertedCheck,
    CpuOp,
    Decibels,
    ExportResult,
    InfiniteValues,
    JoinedPart,
    JoinRecord,
    Outlier,
    OutputCheck,
    Stand,
    Unrunnable,
    Verdict,
    Verification,
)
from qnnsolve.rules import problem_of
from qnnsolve.rules.request import Granularity
from qnnsolve.rules.wishes import By, Strength, What, Where, Wish
from qnnsolve.runs import Solved, save_run
from tests.runs.kept import U8, U16, blocks, facts, pinned, solved, text
from tests.runs.spelled import spelled


def test_all_that_a_node_is_is_kept(made: Solved, tmp_path: Path) -> None:
    """A field that is new has to be written, too."""
    odd = Node(
        "odd",
        NodeKind.OTHER,
        "aten.odd",
        (Ref("x"), (Ref("x"), None, True, 1, -1.5, float("inf"), "x", ())),
        (("key", (Ref("x"), 2**70)), ("other", "{")),
        (TensorFact((None, 2), "int64"), TensorFact((), "bool")),
        "a.b",
        True,
        CodeLine("läufe.py", 3, "x = 'y'"),
        ("models.Net", "torch.nn.modules.linear.Linear"),
    )
    assert all(getattr(odd, field.name) != field.default for field in attrs.fields(Node)), "each has another value"
    graph = Graph.of((*made.facts.graph, odd))
    problem = attrs.evolve(made.problem, left_out=lambda site: LeftOut())
    changed = attrs.evolve(made, facts=attrs.evolve(made.facts, graph=graph), problem=problem)
    save_run(tmp_path / "run.qnn", changed)
    kept = load_run(tmp_path / "run.qnn").facts.graph["odd"]
    assert kept == odd and str(kept) == str(odd), "True is not 1"


def test_pins_and_every_kind_of_constraint_are_kept(made: Solved, tmp_path: Path) -> None:
    from qnnsolve.constraints import Forbid

    pin = pinned("soft_0", U16, "--pin soft_0@out:u16")
    forbidden = Forbid(Site("gelu_1"), frozenset({U8}), pin.reason)
    kept = solved(made.facts, pin, forbidden)
    save_run(tmp_path / "run.qnn", kept)
    run = load_run(tmp_path / "run.qnn")
    assert spelled(run.problem) == spelled(kept.problem)
    assert {type(c).__name__ for c in run.problem.constraints} == {
        *("Allow", "Convertible", "Derived", "Forbid", "Prefer", "Same", "Table")
    }
    assert text(run.solve()) == text(kept.result)


def test_encodings_keep_everything_that_they_are(made: Solved, tmp_path: Path) -> None:
    fixed = attrs.evolve(U8, scale=0.3, zero_point=7)
    block = Encoding.symmetric(U8.dtype.INT8, 4, 0, (1, 32))
    domains = {site: (fixed, block, *domain) for site, domain in made.problem.domains.items()}
    problem = attrs.evolve(made.problem, domains=domains)
    save_run(tmp_path / "run.qnn", attrs.evolve(made, problem=problem))
    assert load_run(tmp_path / "run.qnn").problem.domains == domains


def test_what_calibration_and_the_export_showed_is_kept(made: Solved, tmp_path: Path) -> None:
    calibration = CalibrationRecord(
        (JoinRecord("cat", "aten.cat.default", 8, 0.1, (0,), (JoinedPart("a", -1.0, 1.0, 20.0, 40.0, None),)),),
        (Outlier("x", 3, 1e9, 1.0),),
        (InfiniteValues("add_0", 7),),
    )
    result = attrs.evolve(made.result, calibration=calibration, notes=("input x: size 0 is fixed at 2",))
    check = OutputCheck(
        0, 0.1, 0.01, float("inf"), 3, 8, Verdict.ROUNDING, Decibels(1, 2, 3, 4), None, "channel 2", 200
    )
    export = ExportResult(
        result,
        2,
        (CpuOp("add_0", "aten.add.Tensor", "no facts", Stand.BETWEEN),),
        "model.pte",
        1234,
        Verification(0.01, float("-inf"), 0.01, 2, (check,), "a note", 0.5, (1,)),
        (("lower", 1.5),),
        (Unrunnable("aten::sort", ("sort",), "no kernel"),),
        (ConvertedCheck(0, Decibels(40.0, 30.0, 35.0, 8)),),
    )
    save_run(tmp_path / "run.qnn", attrs.evolve(made, result=result), export=export)
    run = load_run(tmp_path / "run.qnn")
    assert run.export == export
    assert run.solve().calibration == calibration and run.solve().notes == result.notes


def test_wishes_are_kept_with_all_that_they_say(tmp_path: Path) -> None:
    exact = attrs.evolve(U16, scale=0.3, zero_point=7)
    wishes = (
        Wish(Where(By.MODULE, "layers.*"), What(activation=8, symmetric=True, weight=4), "recipe a.yaml:3"),
        Wish(Where(By.OP, "aten.linear.default", "weight"), What(granularity=Granularity.TENSOR), "--pin"),
        Wish(Where(By.REGEX, r"layers\.0", "in[1]"), What(block_size=(1, 4)), "a map"),
        Wish(Where(By.NODE, "gelu_1", "out"), What(encoding=exact), "encodings.json", Strength.PIN),
        Wish(Where(By.TYPE, "Linear"), What(observer="minmax", weight_observer="mse"), "set_recipe()", may_miss=True),
        Wish(Where(By.NODE, "soft_1"), What(cpu=True), "add_discard_nodes()"),
    )
    made = solved(facts(blocks(2), wishes=wishes))
    save_run(tmp_path / "run.qnn", made)
    run = load_run(tmp_path / "run.qnn")
    assert run.facts.wanted.all == wishes
    assert all(run.facts.asked(site) == made.facts.asked(site) for site in made.problem.domains)
    assert run.result == made.result and text(run.solve()) == text(made.result)
    assert spelled(problem_of(run.facts)) == spelled(made.problem)
