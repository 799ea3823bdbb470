"""One consistent, legal quantization config for a PyTorch model on Qualcomm's QNN backend, with reasons.

``from qnnsolve import solve, export, SolveQuantizer`` serve without a command line. They load torch when they
are first touched: ``import qnnsolve`` does not. ``load_run`` reads a run that was kept, ``ask`` asks it questions, and
``save_recipe`` writes what was chosen in it: they never load torch. ``search_config`` finds the best mixed precision,
and ``compare`` the nodes at which accuracy is lost.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qnnsolve.asking import ask
    from qnnsolve.pipeline import export, solve
    from qnnsolve.pipeline.comparing import compare
    from qnnsolve.quantizer import SolveQuantizer
    from qnnsolve.recipes import save_recipe
    from qnnsolve.runs import load_run
    from qnnsolve.search.door import search_config

__all__ = [
    "SolveQuantizer",
    "__version__",
    "ask",
    "compare",
    "export",
    "load_run",
    "save_recipe",
    "search_config",
    "solve",
]

__version__ = "0.1.0"

_LAZY = {
    "SolveQuantizer": "qnnsolve.quantizer",
    "ask": "qnnsolve.asking",
    "compare": "qnnsolve.pipeline.comparing",
    "export": "qnnsolve.pipeline",
    "load_run": "qnnsolve.runs",
    "save_recipe": "qnnsolve.recipes",
    "search_config": "qnnsolve.search.door",
    "solve": "qnnsolve.pipeline",
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module 'qnnsolve' has no attribute '{name}'")
    return getattr(importlib.import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
