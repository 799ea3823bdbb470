"""Wishes as they are typed: what reaches the pipeline, and what is refused before any work."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.faked import EXPORT, SOLVE, never
from tests.records import export_result, solve_result


@pytest.mark.parametrize(("command", "answered"), [(SOLVE, solve_result), (EXPORT, export_result)])
def test_wishes_reach_the_pipeline_in_the_order_in_which_they_were_typed(
    run: Callable[..., int], command: tuple[str, ...], answered: Callable[[], Any]
) -> None:
    seen: dict[str, Any] = {}

    def answer(*_: object, **request: object) -> object:
        seen.update(request)
        return answered()

    run(*command, "--pin", "a=16a", "--prefer", "b=4w", "--pin=c=u8", answer=answer)
    assert [(each.words, each.strength.value) for each in seen["wishes"]] == [
        ("--pin a=16a", "pin"),
        ("--prefer b=4w", "prefer"),
        ("--pin c=u8", "pin"),
    ]


@pytest.mark.parametrize(
    ("wish", "line"),
    [
        (("--pin", "conv"), "--pin conv: a wish is WHERE=WHAT, like layers.0=16a8w, not 'conv'"),
        (("--prefer", "conv=17a"), "--prefer conv=17a: unknown wish '17a': did you mean 16a"),
        (("--pin", "re:(=16a"), "--pin re:(=16a: '(' is no regular expression"),
        (("--prefer", "conv=cpu"), "--prefer conv=cpu: nothing prefers the CPU; pin it there"),
        (("--pin", "conv@bottom=16a"), "--pin conv@bottom=16a: a port is weight, out, or in[0], in[1] ..., not"),
    ],
)
def test_a_wish_that_cannot_be_read_is_one_line_and_exits_2(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str], wish: tuple[str, ...], line: str
) -> None:
    assert run(*SOLVE, *wish, answer=never) == 2
    out, err = capsys.readouterr()
    assert out == "" and len(err.splitlines()) == 1
    assert err.startswith(f"error: {line}")


def test_recipes_reach_the_pipeline_and_leave_the_precision_to_it(run: Callable[..., int]) -> None:
    Path("one.yaml").write_text("format: 1\nprecision: 16a4w_block\nwishes: [{where: a, pin: 16a}]\n")
    Path("two.toml").write_text("format = 1\nwishes = [{where = 'b', prefer = '8a'}]\n")
    seen: dict[str, Any] = {}

    def answer(*_: object, **request: object) -> object:
        seen.update(request)
        return solve_result()

    asked = ("--recipe", "one.yaml", "--recipe", "two.toml", "--block-size", "16", "--save-recipe", "new.json")
    assert run("solve", "MODEL:tiny", "--soc", "SM8350", *asked, answer=answer) == 0
    assert [wish.words for wish in seen["recipe"].wishes] == ["recipe one.yaml:3", "recipe two.toml:2"]
    assert (seen["precision"], seen["block_size"], seen["save_recipe"]) == (None, 16, "new.json")


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (
            ("--recipe", "none.yaml"),
            "recipe none.yaml: cannot be read: No such file or directory; did you mean ",
        ),
        (("--recipe", "one.yaml"), "recipe one.yaml:2: unknown key 'wish': did you mean wishes?"),
        (("--recipe", "one.txt"), "recipe one.txt: a recipe's name ends with .yaml"),
        (("--save-recipe", "one.txt"), "a recipe's name ends with .yaml, .yml, .toml, .json, .py, not '.txt'"),
        (("--save-recipe", "no/one.yaml"), "--save-recipe no/one.yaml: no folder no"),
        (("--save", "a.qnn", "--save-recipe", "a.qnn"), "--save-recipe a.qnn is the --save"),
        (("--recipe", "good.yaml", "--save-recipe", "good.yaml"), "--save-recipe good.yaml is a --recipe"),
        (("--recipe", "good.yaml", "--save-recipe", "link.yaml"), "--save-recipe link.yaml is a --recipe (good.yaml)"),
    ],
)
def test_a_recipe_that_cannot_be_is_one_line_and_exits_2(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str], given: tuple[str, ...], line: str
) -> None:
    Path("one.yaml").write_text("format: 1\nwish: []\n")
    Path("good.yaml").write_text("format: 1\n")
    Path("link.yaml").symlink_to("good.yaml")
    assert run(*SOLVE, *given, answer=never) == 2
    out, err = capsys.readouterr()
    assert out == "" and len(err.splitlines()) == 1
    assert err.startswith(f"error: {line}")
    assert Path("good.yaml").read_text() == "format: 1\n"


def test_wishes_are_read_before_torch_is_loaded() -> None:
    code = (
        "import sys; from qnnsolve.cli import main; "
        "code = main(['solve', 'm:f', '--soc', 'SM8750', '--pin', 'a=17a']); "
        "assert 'torch' not in sys.modules; sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
