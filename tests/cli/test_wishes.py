"""Wishes as they are typed: what reaches the pipeline, and what is refused before any work."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
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


def test_wishes_are_read_before_torch_is_loaded() -> None:
    code = (
        "import sys; from qnnsolve.cli import main; "
        "code = main(['solve', 'm:f', '--soc', 'SM8750', '--pin', 'a=17a']); "
        "assert 'torch' not in sys.modules; sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
