"""Why a port has its encoding, and what comes of asking for another; each answer is checked by a solve of its own."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import jsonschema
import pytest
import torch
from torch import nn

from qnnsolve import load_run, solve
from qnnsolve.cli import main
from qnnsolve.constraints import Allow, Convertible, Forbid, Problem, Same, Site
from qnnsolve.encodings import FLOAT, Encoding
from qnnsolve.errors import UsageError
from qnnsolve.questions import Opened, PlaceVerdict, WhyNot, places, why, why_not
from qnnsolve.questions.opened import QUESTION
from qnnsolve.reasons import Reason
from qnnsolve.solver import Solution, check
from qnnsolve.solver import solve as solver
from tests.nets import Attention, ConvNet, seeded

TOKENS, IMAGE = torch.randn(1, 4, 16), torch.randn(1, 3, 16, 16)
SCHEMA = Path(__file__).parents[2] / "qnnsolve" / "schema"


class Views(nn.Module):
    """A run of layout ops between two that compute, and one op that stays on the CPU."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = torch.relu(x).reshape(4, 16).transpose(0, 1).reshape(1, 16, 4).permute(0, 2, 1)
        out: torch.Tensor = torch.softmax(hidden, -1)
        return out


def kept(tmp_path: Path, net: type[nn.Module], sample: torch.Tensor, **asked: Any) -> Path:
    path = tmp_path / f"{net.__name__}.qnn"
    solve(seeded(net), (sample,), save=path, strict=False, **asked)
    return path


@pytest.fixture(scope="module")
def attention(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kept(tmp_path_factory.mktemp("runs"), Attention, TOKENS, soc="SM8350", precision="16a8w")


@pytest.fixture(scope="module")
def opened(attention: Path) -> Opened:
    return Opened.of(load_run(attention))


def one(opened: Opened, place: str, value: str = "") -> WhyNot:
    (found,) = places(opened, place)
    (answer,) = [why_not(opened, found, value)] if value else why(opened, found)
    return answer


def test_what_was_asked_for_is_told_with_who_asked_and_on_whose_word_it_is_legal(opened: Opened) -> None:
    answer = one(opened, "softmax.out")
    assert (answer.verdict, answer.sentence) == (PlaceVerdict.CHOSEN, "softmax out is u16, as was asked for")
    assert answer.steps[0].text == "u16 was asked for by --precision 16a8w"
    assert [step.rule for step in answer.steps] == ["QC006", "QC001"]
    assert {source.kind for step in answer.steps for source in step.sources} == {"user", "measured"}


def test_a_deviation_is_explained_step_by_step_and_a_chip_that_takes_it_is_a_hint(opened: Opened) -> None:
    answer = one(opened, "matmul.in[1]")
    assert (answer.chosen, answer.asked, answer.verdict) == ("u8", "s16", PlaceVerdict.IMPOSSIBLE)
    assert answer.sentence == "matmul in[1] is u8: it cannot be s16 on V68"
    asked, refused = answer.steps
    assert asked.text == "s16 was asked for by --precision 16a8w"
    assert refused.text == "MatMul on V68 with s16 at matmul in[1] takes no u16 or u8 at matmul in[0]"
    assert refused.rule == "QC001" and refused.sources[0].kind == "measured"
    (hint,) = answer.hints
    assert re.fullmatch(
        r"from V73 \(SM\d+\) on MatMul takes u16 at matmul in\[0\] and s16 at matmul in\[1\] and .*", hint
    )


def test_what_is_legal_has_its_price_and_the_price_its_parts(opened: Opened) -> None:
    answer = one(opened, "softmax.out", "u8")
    assert answer.verdict is PlaceVerdict.DEARER and answer.price is not None and answer.price > 0
    assert sum(tip.price for tip in answer.tips) == answer.price
    assert answer.difference is not None
    changes = {(c.node, c.port): (c.before, c.after) for c in answer.difference.changes}
    assert changes["softmax", "out"] == ("u16", "u8=0.00390625:0"), "the scale that the chip fixes"
    assert answer.difference.cost_after == answer.difference.cost_before + answer.price  # type: ignore[operator]


def test_a_preset_is_asked_of_every_port_of_a_node(opened: Opened) -> None:
    refused = one(opened, "linear", "16a16w")
    assert refused.verdict is PlaceVerdict.IMPOSSIBLE and "s16/ch0 at linear weight" in refused.steps[-1].text
    assert one(opened, "linear", "16a8w").verdict is PlaceVerdict.CHOSEN
    dearer = one(opened, "linear", "8a8w")
    assert dearer.verdict is PlaceVerdict.DEARER and dearer.difference is not None
    assert {c.port for c in dearer.difference.changes if c.node == "linear"} == {"in[0]", "out"}


def test_a_run_of_sharing_is_one_step(tmp_path: Path) -> None:
    opened = Opened.of(load_run(kept(tmp_path, Views, torch.randn(4, 16), precision="16a8w")))
    far = next(site for port, site in opened.sites_of["permute"] if port.name == "out")
    pinned = Allow(far, frozenset({Encoding.of_name("u16")}), Reason.in_words("QC010", "u16 is pinned by a test"))
    # Without converts all layout ops share one encoding.
    tied = [Same(c.sites, c.reason) if isinstance(c, Convertible) else c for c in opened.problem.constraints]
    opened = attrs.evolve(opened, problem=Problem(opened.problem.domains, (*tied, pinned)))
    answer = one(opened, "relu.out", "u8")
    assert answer.verdict is PlaceVerdict.IMPOSSIBLE
    (run,) = (step.text for step in answer.steps if "share one encoding" in step.text)
    assert re.match(r"\d ports from relu out to \w+ (out|in\[0\]) share one encoding", run)
    assert "Reshape moves the bits unchanged; " in run and run.count("Reshape") == 1
    assert "permute out: u16 is pinned by a test" in [step.text for step in answer.steps]


def test_the_cpu_can_be_asked_for_and_the_accelerator(opened: Opened, tmp_path: Path) -> None:
    answer = one(opened, "softmax", "cpu")
    assert answer.verdict is PlaceVerdict.DEARER and answer.difference is not None
    assert ("softmax", "npu", "cpu") in [(m.node, m.before, m.after) for m in answer.difference.moved]
    assert any(tip.text == "on the CPU: softmax" for tip in answer.tips)
    assert one(opened, "softmax", "npu").verdict is PlaceVerdict.CHOSEN
    left = Opened.of(load_run(kept(tmp_path, Attention, TOKENS, soc="SM8350", pin="op:aten.softmax=cpu")))
    stays = one(left, "softmax", "npu")
    assert (stays.verdict, stays.chosen) == (PlaceVerdict.IMPOSSIBLE, "cpu")
    assert "you asked for it" in stays.steps[0].text


def every_question(opened: Opened) -> Iterator[tuple[Site, Encoding, WhyNot]]:
    for node in opened.facts.graph:
        for port, site in opened.sites_of.get(node.name, ()):
            (place,) = places(opened, f"node:{node.name}.{port.name}")
            for encoding in opened.problem.domains[site]:
                if encoding != opened.encodings[site]:
                    yield site, encoding, why_not(opened, place, encoding.name)


@pytest.mark.parametrize(
    ("net", "sample", "asked"),
    [
        (Attention, TOKENS, {"soc": "SM8350", "precision": "16a8w"}),
        (ConvNet, IMAGE, {"soc": "SM8450", "precision": "16a4w"}),
        (Views, torch.randn(4, 16), {"soc": "SM8750", "precision": "8a8w"}),
    ],
)
def test_every_answer_is_what_an_independent_solve_finds(
    tmp_path: Path, net: type[nn.Module], sample: torch.Tensor, asked: dict[str, Any]
) -> None:
    opened = Opened.of(load_run(kept(tmp_path, net, sample, **asked)))
    verdicts = set()
    for site, encoding, answer in itertools.islice(every_question(opened), 120):
        reason = Reason.in_words("TEST", "asked")
        pin = Allow(site, frozenset({encoding}), reason)
        stay = [
            Forbid(each, frozenset({FLOAT}), reason)
            for each, chosen in opened.encodings.items()
            if chosen != FLOAT and each != (site if encoding == FLOAT else None)
        ]
        constraints = opened.problem.constraints
        tight = solver(Problem(opened.problem.domains, (*constraints, pin, *stay)))
        loose = solver(Problem(opened.problem.domains, (*constraints, pin)))
        verdicts.add(answer.verdict)
        if isinstance(tight, Solution):
            assert answer.verdict is PlaceVerdict.DEARER
            assert answer.price == tight.cost - opened.solution.cost
            assert check(opened.problem, tight.encodings).legal
        else:
            assert answer.verdict is (PlaceVerdict.OFF if isinstance(loose, Solution) else PlaceVerdict.IMPOSSIBLE)
            assert answer.steps and "question" not in " ".join(step.rule for step in answer.steps)
        assert QUESTION not in answer.sentence and "Site(" not in answer.sentence
    assert PlaceVerdict.DEARER in verdicts


@pytest.mark.parametrize(
    ("place", "value", "line"),
    [
        ("matmull", "u8", "matmull: nothing in the model is 'matmull'; did you mean matmul"),
        ("matmul.in[7]", "u8", "matmul.in[7]: no port 'in[7]' there carries a float; these do: in[0], in[1], out"),
        (" ", "u8", "a place is NODE or NODE.PORT, such as linear.weight, and not empty"),
        ("matmul.out", "u17", "unknown encoding 'u17': did you mean u16"),
        ("matmul.out", "16a8w", "unknown encoding '16a8w'"),
    ],
)
def test_what_is_not_there_is_named_with_the_nearest(opened: Opened, place: str, value: str, line: str) -> None:
    with pytest.raises(UsageError) as raised:
        one(opened, place, value)
    assert str(raised.value).startswith(line)


def test_a_run_without_a_config_has_nothing_to_ask_about(tmp_path: Path) -> None:
    path = tmp_path / "no.qnn"
    solve(seeded(ConvNet), (IMAGE,), soc="SM8450", precision="16a8w", pin="classify=16w", save=path)
    with pytest.raises(UsageError, match=r"no\.qnn is unsatisfiable: there is no config to ask about"):
        Opened.of(load_run(path))


def test_the_commands_answer_without_torch(attention: Path) -> None:
    code = (
        "import sys; from qnnsolve.cli import main; "
        f"codes = [main([*args]) for args in (['why', {str(attention)!r}, 'matmul.in[1]'], "
        f"['why-not', {str(attention)!r}, 'softmax.out', 'u8'], ['what-if', {str(attention)!r}, '--soc', 'SM8750'], "
        f"['diff', {str(attention)!r}, {str(attention)!r}])]; "
        "assert not {'torch', 'torchao', 'scipy'} & set(sys.modules); print(codes)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip().endswith("[0, 0, 0, 0]")
    assert "because s16 was asked for by --precision 16a8w [QC006] (you)" in done.stdout
    assert "[QC001] (measured with QNN 2." in done.stdout and "are the same config" in done.stdout


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("why-1", ["why", "RUN", "matmul"]),
        ("why-1", ["why-not", "RUN", "softmax.out", "u8"]),
        ("why-1", ["why-not", "RUN", "op:aten.matmul", "npu"]),
        ("difference-1", ["what-if", "RUN", "--soc", "SM8750", "--prefer", "softmax=8a"]),
    ],
)
def test_answers_as_json_hold_to_their_schemas(
    attention: Path, capsys: pytest.CaptureFixture[str], name: str, arguments: list[str]
) -> None:
    given = [str(attention) if each == "RUN" else each for each in arguments]
    assert main([*given, "--format", "json"]) == 0
    schema = json.loads((SCHEMA / f"{name}.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    document = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator(schema).validate(document)
    for answer in document.get("answers", ()):
        assert answer["sentence"]


def test_float_that_was_asked_for_stands_in_the_step_that_refutes_it(opened: Opened) -> None:
    """Without it the step would say that the op takes nothing at its other port at all."""
    answers = [why_not(opened, place, "float") for place in places(opened, "softmax.in[0]")]
    steps = [step.text for answer in answers for step in answer.steps]
    assert any("float" in text for text in steps[1:]), steps
    assert not any("takes no  at" in text for text in steps)


def test_places_are_called_by_their_names(opened: Opened) -> None:
    (moved,) = [why_not(opened, place, "cpu") for place in places(opened, "softmax")]
    assert moved.sentence.startswith("softmax could run on the CPU, but the best config that has it costs")
    (there,) = [why_not(opened, place, "npu") for place in places(opened, "softmax")]
    assert there.sentence == "softmax runs on the accelerator"


def test_a_pattern_is_found_in_names_where_no_path_has_it(opened: Opened) -> None:
    assert [place.node.name for place in places(opened, "re:^softm")] == ["softmax"]
    with pytest.raises(UsageError, match=r"nothing in the model is 're:\^nothing'"):
        places(opened, "re:^nothing")


def test_what_keeps_an_op_on_the_cpu_stands_first(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('format = 1\n\n[[cpu]]\nop = "Softmax"\nwhy = "ticket 123"\n')
    path = tmp_path / "own.qnn"
    solve(seeded(Attention), (TOKENS,), soc="SM8350", precision="16a8w", user_facts=[own], save=path)
    opened = Opened.of(load_run(path))
    (answer,) = why(opened, *places(opened, "softmax"))
    assert answer.sentence == "softmax stays on the CPU: it cannot run on the accelerator (V68)"
    assert answer.steps[0].text == "your facts leave Softmax nothing on the accelerator"
    assert not any("you ask" in step.text for step in answer.steps)
