"""Rules of the user's own: they count in a solve, have the user as their source, and a broken file is one line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
import torch

from qnnsolve import load_run, solve
from qnnsolve.cli import main
from qnnsolve.constraints import Allow, Constraint, Site
from qnnsolve.encodings import Encoding
from qnnsolve.errors import QnnSolveError
from qnnsolve.questions import Opened, places, what_if, why
from qnnsolve.reasons import Reason
from qnnsolve.rules import Facts, backend_rules, problem_of, rule
from qnnsolve.rules.own_files import own_rules_in
from tests.nets import Attention, seeded
from tests.runs.kept import blocks, facts

TOKENS = torch.randn(1, 4, 16)
U8 = frozenset({Encoding.of_name("u8")})
FILE = '''
from qnnsolve.constraints import Allow, Site
from qnnsolve.encodings import Encoding
from qnnsolve.reasons import Reason
from qnnsolve.rules import rule


@rule("MY001")
def scores_in_eight_bits(facts):
    """What a softmax reads has eight bits.

    Why: our chip's cache is small.

    Instead: nothing.
    """
    for node, built in facts.calls:
        for _, _, edge, _ in facts.float_inputs(node, built) if built.op == "Softmax" else ():
            reason = Reason.in_words("MY001", "a softmax reads 8 bits in our products")
            yield Allow(edge, frozenset({Encoding.of_name("u8")}), reason)
'''


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rules")
    (folder / "my_rules.py").write_text(FILE)
    path = folder / "run.qnn"
    solve(seeded(Attention), (TOKENS,), precision="16a8w", rules=[folder / "my_rules.py"], save=path)
    return path


def test_a_rule_of_ones_own_counts_and_is_told_with_its_source(run: Path) -> None:
    opened = Opened.of(load_run(run))
    (place,) = places(opened, "softmax.in[0]")
    (answer,) = why(opened, place)
    assert answer.chosen == "u8" and answer.asked == "u16"
    (step,) = (step for step in answer.steps if step.rule == "MY001")
    assert "a softmax reads 8 bits in our products" in step.text
    assert [source.kind for source in step.sources] == ["user"] and "my_rules.py" in step.sources[0].citation


def test_it_holds_in_later_questions_too(run: Path) -> None:
    opened = Opened.of(load_run(run))
    solved, _ = what_if(opened, ask="16a16w")
    (place,) = places(opened, "softmax.in[0]")
    assert place.site is not None
    assert any(c.reason.rule == "MY001" for c in solved.problem.constraints)
    assert Opened.of(solved).encodings[place.site].name == "u8"


def own(path: Path, text: str) -> None:
    path.write_text(text)
    rules = own_rules_in([path], backend_rules("htp"))
    problem_of(facts(blocks(1)), rules)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("def", "SyntaxError"),
        ("raise SystemExit(3)", "SystemExit"),
        ("import nowhere_at_all", "ModuleNotFoundError"),
        ("x = 1", "no rule stands in it; a rule is a generator with @rule('MY001') before it"),
        (FILE.replace("MY001", "QC002"), "bits_move_unchanged has this code already"),
        (FILE.replace("facts.calls", "facts.cals"), "AttributeError"),
        (FILE.replace("yield Allow(edge,", "yield (edge,"), "which is no constraint"),
        (FILE.replace("yield Allow(edge,", 'yield Allow(Site("nowhere"),'), "names nowhere, which has no encoding"),
        (FILE.replace('in_words("MY001"', 'in_words("QC001"'), "gives a reason with the code QC001"),
        (FILE.replace("yield Allow", "return; yield Allow").replace("for node", "return 3\n    for node"), None),
    ],
)
def test_what_is_wrong_with_a_file_is_one_line_that_names_it(tmp_path: Path, text: str, says: str | None) -> None:
    path = tmp_path / "mine.py"
    if says is None:
        own(path, text)
        return
    with pytest.raises(QnnSolveError) as raised:
        own(path, text)
    assert says in str(raised.value) and "mine.py" in str(raised.value) and "\n" not in str(raised.value)


def test_rules_from_python_have_the_user_as_a_source_too() -> None:
    @rule("MY002")
    def first(facts: Facts) -> Iterator[Constraint]:
        """The first softmax has 8 bits."""
        yield Allow(Site("scores_0", "soft_0"), U8, Reason.in_words("MY002", "said in Python"))

    (mine,) = own_rules_in([first], backend_rules("htp"))
    problem = problem_of(facts(blocks(1)), [mine])
    (found,) = (each for each in problem.constraints if each.reason.rule == "MY002")
    assert [source.citation for source in found.reason.sources] == ["your own: first"]
    with pytest.raises(QnnSolveError, match="first has this code already: give other another"):
        own_rules_in([first, attrs.evolve(first, name="other")], ())


def test_the_command_takes_a_file_and_refuses_a_broken_one_before_the_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["solve", "nowhere:net", "--soc", "SM8750", "--rules", str(tmp_path / "no.py")]) == 2
    assert "no.py: there is no such file" in capsys.readouterr().err
