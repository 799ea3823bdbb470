"""Questions about kept runs: each relation says what the run says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import attrs
import pytest

from qnnsolve.asking import RELATIONS, RunRelations, ask, rules_in
from qnnsolve.asking.declared import OF_THE_SOLUTION
from qnnsolve.encodings import Encoding
from qnnsolve.errors import QuestionError, RunError
from qnnsolve.facts.graph import Graph, Node, Ref
from qnnsolve.logic import Row, answered, read_question
from qnnsolve.rules.graph_relations import GRAPH_RELATIONS
from qnnsolve.rules.wish_text import parse_wish
from qnnsolve.rules.wishes import Strength
from qnnsolve.runs import Run, load_run, save_run
from qnnsolve.solver import Solution
from tests.rules.graphs import call, item, placeholder, several, tensor
from tests.runs.kept import blocks, contradiction, facts, solved

ROOT = Path(__file__).parents[2]
PRODUCTS = [("scores_0", "u8"), ("mixed_0", "u8"), ("scores_1", "u8"), ("mixed_1", "u8")]


def _kept(folder: Path, graph: Graph, *pins: str) -> Run:
    wishes = [parse_wish(text, Strength.PIN, f"--pin {text}") for text in pins]
    save_run(folder / "kept.qnn", solved(facts(graph, wishes=wishes)))
    return load_run(folder / "kept.qnn")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return _kept(tmp_path_factory.mktemp("kept"), blocks(2), "soft_1=cpu", "norm_1=8a")


def _values(run: Run, question: str, *rules: str) -> list[Row]:
    return [answer.values for answer in ask(run, question, rules=rules).answers]


def test_every_relation_is_there_and_says_something(run: Run) -> None:
    empty = [
        each.name
        for each in RELATIONS
        if not ask(run, f"{each.name}({', '.join('ABCDEFGH'[: len(each.columns)])})", limit=1).total
    ]
    assert empty == ["type"]  # nobody noted the classes of these modules
    assert {each.name for each in RELATIONS} - {each.name for each in GRAPH_RELATIONS} >= OF_THE_SOLUTION


def test_which_products_got_an_8_bit_second_operand_and_why(run: Run) -> None:
    found = ask(run, 'node(N, "MatMul"), chosen(N, "in[1]", E), bits(E, 8)')
    assert found.variables == ("N", "E")
    assert [each.values for each in found.answers] == PRODUCTS
    line = next(line for line in found.answers[0].proof if line.relation == "chosen")
    assert line.because == "s16 -> u8, because MatMul on V68 takes no (u16, s16) -> u16 [QC001]"
    assert [source.kind.value for source in line.sources] == ["measured"]


def test_an_op_is_found_by_every_name_and_told_by_one(run: Run) -> None:
    for name in ("MatMul", "aten.matmul", "aten.matmul.default"):
        assert len(_values(run, f'node(N, "{name}"), module(N, "layers.0")')) == 2
    assert _values(run, "node(scores_0, Op)") == [("MatMul",)]
    assert _values(run, "node(x, Op)") == [("placeholder",)]
    assert _values(run, "node(N, placeholder), reaches(N, add_1)") == [("x",)]


def test_a_module_is_also_those_around_it(run: Run) -> None:
    assert _values(run, "module(gelu_0, P)") == [("layers.0",)]
    assert len(_values(run, 'module(N, layers), node(N, Op), like(Op, "*Gelu*")')) == 2


def test_a_weight_is_found_by_its_position_too(run: Run) -> None:
    named, placed = _values(run, "chosen(linear_0, weight, E)"), _values(run, 'chosen(linear_0, "in[1]", E)')
    assert named == placed != []
    assert ("in[1]",) not in _values(run, "chosen(linear_0, P, _)")
    assert _values(run, "reads(linear_0, P, w_0)") == [("weight",)]
    assert _values(run, "port(linear_0, P, bias)") == [("in[2]",)]
    assert _values(run, 'chosen(linear_0, "out[0]", E)') == _values(run, "chosen(linear_0, out, E)") != []


def test_what_was_chosen_is_what_the_solution_has(run: Run) -> None:
    for site, encoding in run.encodings.items():
        node, port = (site.user, run.facts.port(site).name) if site.user else (site.node, "out")
        if run.facts.built.get(node) is not None and run.facts.built[node].inputs:
            assert (encoding.name,) in _values(run, f'chosen("{node}", "{port}", E)')
            assert (run.facts.asked(site).name,) in _values(run, f'asked("{node}", "{port}", E)')
    assert {Encoding.of_name(str(name)).bits: bits for name, bits in _values(run, "bits(E, B)")}


def test_places_deviations_and_converts_are_those_of_the_report(run: Run) -> None:
    placed = [(node.name, node.placement.value) for node in run.result.nodes]
    assert sorted(map(str, _values(run, "placed(N, P)"))) == sorted(map(str, placed))
    assert len(_values(run, "convert(A, B, F, T)")) == len(run.result.converts) > 0
    told = {(each.requested, each.chosen, each.rule) for each in run.result.deviations}
    assert set(_values(run, "deviates(_, _, A, C, R)")) == told
    (cpu,) = ask(run, "placed(N, cpu)").answers
    assert cpu.values == ("soft_1",)
    assert "--pin soft_1=cpu" in cpu.proof[0].because


def test_what_shares_an_encoding_has_one_group(run: Run) -> None:
    assert isinstance(run.outcome, Solution)
    assert len({group for (group,) in _values(run, "shares(_, _, G)")}) == len(run.outcome.groups)
    ports = "larger(S) :- group(_, S), group(_, T), T > S."
    longest = _values(run, "group(G, S), not larger(S), shares(N, P, G)", ports)
    assert len({group for group, *_ in longest}) * int(longest[0][1]) == len(longest)


def test_constraints_name_their_sources(run: Run) -> None:
    found = ask(run, 'constraint(C, "QC001", scores_0, "in[1]"), source(C, K, T)')
    assert {each.values[1] for each in found.answers} == {"measured"}
    assert "MatMul on V68 accepts certain dtypes only [QC001]" in found.answers[0].proof[0].because


def test_wishes_are_told_in_the_user_s_words(run: Run) -> None:
    assert ("soft_1", "--pin soft_1=cpu", "pin") in _values(run, "wish(N, W, S)")
    (asked,) = ask(run, "asked(norm_1, out, E)").answers
    assert asked.proof[0].sources[0].citation == "--pin norm_1=8a"


def test_what_lies_between_two_ops_on_the_cpu(tmp_path: Path) -> None:
    run = _kept(tmp_path, blocks(2), "scores_0=cpu", "scores_1=cpu")
    between = "placed(_A, cpu), reaches(_A, N), reaches(N, _B), placed(_B, cpu), placed(N, npu)"
    found = [str(name) for (name,) in _values(run, between)]
    assert found == ["soft_0", "mixed_0", "gelu_0", "add_0", "norm_1", "linear_1", "turned_1"]


def test_one_of_several_outputs_has_the_port_of_its_owner(tmp_path: Path) -> None:
    nodes = (
        placeholder("x", 1, 8),
        several("split", "split.Tensor", Ref("x"), 4, -1, tensors=(*tensor(1, 4), *tensor(1, 4))),
        item("first", _named("split"), 0),
        item("second", _named("split"), 1),
        call("relu", "relu.default", Ref("second"), shape=(1, 4)),
    )
    run = _kept(tmp_path, Graph.of(nodes))
    assert _values(run, "port(split, P, output)") == [("out",), ("out[1]",)]
    assert _values(run, 'chosen(split, "out[1]", E)') == _values(run, "chosen(second, out, E)") != []


def _named(name: str) -> Node:
    return several(name, "split.Tensor", Ref("x"), 4, -1, tensors=(*tensor(1, 4), *tensor(1, 4)))


def test_an_edge_that_is_read_twice_is_two_ports(tmp_path: Path) -> None:
    run = _kept(
        tmp_path,
        Graph.of((placeholder("x", 1, 4, 4), call("m", "matmul.default", Ref("x"), Ref("x"), shape=(1, 4, 4)))),
    )
    assert {port for (port,) in _values(run, "chosen(m, P, _)")} == {"in[0]", "in[1]", "out"}


BAD_NAMES = ('say "hi"', "a\nb", "[red]x[/red]", "it's", "back\\slash", "\u202eevil", "π", "</script>", "n" * 550)


def test_names_with_quotes_newlines_and_brackets_harm_nothing(tmp_path: Path) -> None:
    last, nodes = "x", [placeholder("x", 1, 4)]
    for name in BAD_NAMES:
        nodes.append(attrs.evolve(call(name, "relu.default", Ref(last)), module_path=name))
        last = name
    run = _kept(tmp_path, Graph.of(tuple(nodes)))
    found = ask(run, "node(N, Op), node(N, aten_relu) , module(N, P)".replace("aten_relu", '"aten.relu"'))
    assert [each.values[0] for each in found.answers] == list(BAD_NAMES)
    for answer in found.answers:
        line = answer.proof[0]
        assert str(line).isprintable()
        assert ask(run, f"{line}, {answer.proof[-1]}").total == 1


def test_a_run_without_config_has_no_solution_but_its_graph(tmp_path: Path) -> None:
    save_run(tmp_path / "kept.qnn", contradiction())
    run = load_run(tmp_path / "kept.qnn")
    for name in sorted(OF_THE_SOLUTION):
        relation = next(each for each in RELATIONS if each.name == name)
        assert ask(run, f"{name}({', '.join('_' * len(relation.columns))})").total == 0
    assert ask(run, "node(N, Op)").total == len(run.facts.graph)


def test_rules_stand_in_files_too(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "mine.rules"
    path.write_text(
        '% those at the end\nlate(N) :- node(N, "Softmax"), not early(N).\nearly(N) :- module(N, "layers.0").'
    )
    found = ask(run, "late(N)", rule_files=[path])
    assert [each.values for each in found.answers] == [("soft_1",)]
    assert any(line.rule == 'late(N) :- node(N, "Softmax"), not early(N).' for line in found.answers[0].proof)
    path.write_text("late(N) :- nod(N).")
    with pytest.raises(QuestionError, match=f"{path}:1:12: unknown relation 'nod'"):
        ask(run, "late(N)", rule_files=[path])
    for bad in (tmp_path, tmp_path / "none", _of(tmp_path / "binary", b"\xff\xfe\x00")):
        with pytest.raises(QuestionError, match="cannot be read"):
            rules_in(bad)
    with pytest.raises(RunError):
        ask(tmp_path / "none", "node(N, _)")


def _of(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_four_goals_over_2000_nodes_take_few_steps(tmp_path: Path) -> None:
    """As many as there are rows that fit, and not the product of what is asked."""
    run = _kept(tmp_path, blocks(170))
    relations = RunRelations(run)
    database = relations.database()
    question = read_question('node(N, "MatMul"), chosen(N, "in[1]", E), bits(E, 8), feeds(N, S)')
    assert answered(question, (), database, relations.order).total == 340
    assert len(run.facts.graph) > 2000
    assert database.steps < 4000


def test_asking_loads_no_torch(run: Run) -> None:
    code = (
        "import sys; from qnnsolve import ask; from qnnsolve.report import answers;"
        f'found = ask({run.path!r}, \'node(N, "MatMul"), chosen(N, "in[1]", E), bits(E, 8)\');'
        "sys.exit(str((found.total, sorted({'torch', 'torchao', 'executorch'} & set(sys.modules)))))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "(4, [])"
