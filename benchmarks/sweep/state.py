"""Of which state of the code a record is: the last commit that changed the package or the forms."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

__all__ = ["ROOT", "UNKNOWN", "changed_since", "code_state"]

ROOT = Path(__file__).parents[2]
DECIDES = ("qnnsolve", "benchmarks/sweep/forms", "benchmarks/sweep/form.py")
"""What a figure depends on; the pages around it may change."""
UNKNOWN = "unknown"
"""Where git does not know: a copy without its history."""


@functools.cache
def code_state() -> str:
    """Its short hash, with a ``+`` behind it where files were changed since; :data:`UNKNOWN` without git."""
    commit = _git("log", "-1", "--format=%h", "--abbrev=9", "--", *DECIDES)
    return f"{commit}{'+' if _git('status', '--porcelain', '--', *DECIDES) else ''}" if commit else UNKNOWN


def changed_since(state: str) -> list[str]:
    """The wings of the package that were changed after a state, in order; none where git does not know it."""
    files = _git("diff", "--name-only", state.removesuffix("+"), "--", "qnnsolve") if state != UNKNOWN else ""
    return sorted({Path(file).parts[1].removesuffix(".py") for file in files.splitlines()})


def _git(*arguments: str) -> str:
    try:
        told = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return told.stdout.strip() if told.returncode == 0 else ""
