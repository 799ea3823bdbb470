"""The Python code of a graph, written once for many passes: :func:`recompiled_once`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from torch.fx import GraphModule

__all__ = ["recompiled_once"]


def _later() -> None:
    """Stands for ``GraphModule.recompile``."""


@contextlib.contextmanager
def recompiled_once(model: GraphModule) -> Iterator[None]:
    """Inside, ``model.recompile()`` does nothing; it is done at the end, also after an error.

    Each of ExecuTorch's forty passes over a graph writes the code of all of it anew, which nobody
    runs before the last: passes read the graph. Of one module alone, so that threads do not see each other.
    """
    vars(model)["recompile"] = _later
    try:
        yield
    finally:
        del vars(model)["recompile"]
        model.recompile()
