"""ExecuTorch's own flows with :class:`~qnnsolve.SolveQuantizer` in place of ``QnnQuantizer``: one line swaps the class.

::

    import qnnsolve.executorch

    qnnsolve.executorch.install()

From then on ``make_quantizer``, ExecuTorch's scripts and every other module of the process that says ``QnnQuantizer``
make a ``SolveQuantizer``. It is a ``QnnQuantizer``, so that ``isinstance`` keeps working. Divisions of integers stay
whole, on the CPU, as ``qnnsolve export`` has them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType

__all__ = ["install", "uninstall"]

_NAME = "QnnQuantizer"


def install() -> None:
    """Put ``SolveQuantizer`` wherever a module has ExecuTorch's class, in those that are imported later too."""
    from qnnsolve.annotating.divisions import keep_whole
    from qnnsolve.quantizer import SolveQuantizer

    original = _original()
    for module in _having(original):
        setattr(module, _NAME, SolveQuantizer)
    keep_whole()


def uninstall() -> None:
    """Put ExecuTorch's class back wherever :func:`install` has put another."""
    from qnnsolve.annotating.divisions import take_apart
    from qnnsolve.quantizer import SolveQuantizer

    original = _original()
    for module in _having(SolveQuantizer):
        setattr(module, _NAME, original)
    take_apart()


def _original() -> type:
    """ExecuTorch's class, whatever stands in its place: ours is made from it."""
    from qnnsolve.annotating.wishing import WishingQuantizer

    base: type = WishingQuantizer.__bases__[0]
    return base


def _having(kind: type) -> Iterator[ModuleType]:
    """Modules that have ``kind`` under the name of ExecuTorch's class, our own left out, which build on it."""
    for name, module in list(sys.modules.items()):
        if not name.startswith("qnnsolve") and vars(module).get(_NAME) is kind:
            yield module
