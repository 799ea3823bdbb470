"""What upstream says stays off the user's terminal, and only while we work."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from qnnsolve.host.quiet import quiet


def test_quiet_silences_upstream_alone_and_only_inside(caplog: pytest.LogCaptureFixture) -> None:
    user, upstream = logging.getLogger("my.app"), logging.getLogger("executorch.exir")
    level, handlers = logging.root.level, logging.root.handlers[:]
    with quiet():
        logging.root.setLevel(logging.INFO)  # as importing ExecuTorch's passes does
        logging.root.addHandler(logging.NullHandler())
        upstream.warning("hidden")
        upstream.error("an error")
        user.warning("mine")
    upstream.warning("after")
    assert caplog.messages == ["an error", "mine", "after"]
    assert (logging.root.level, logging.root.handlers) == (level, handlers)


def test_the_end_of_an_inner_one_leaves_the_outer_one_quiet(caplog: pytest.LogCaptureFixture) -> None:
    upstream = logging.getLogger("executorch.exir")
    with quiet():
        with quiet():
            upstream.warning("hidden")
        upstream.warning("hidden as well")
    upstream.warning("after")
    assert caplog.messages == ["after"]


SCRIPT = """
import torch
from qnnsolve import solve
from qnnsolve.models.tracing import evaluating
from tests.nets import ConvNet, images, seeded
solve(seeded(ConvNet), images(1)[0])
import logging
assert logging.root.handlers == [] and logging.root.level == logging.WARNING
"""


@pytest.mark.slow
def test_a_users_terminal_stays_clean() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
