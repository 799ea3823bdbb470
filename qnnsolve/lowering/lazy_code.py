"""The Python code of a graph, written when it is run: :func:`code_when_run`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from qnnsolve.lowering.patching import patched

__all__ = ["code_when_run"]

_WRITTEN = ("_code", "_lineno_map", "_prologue_start")
"""What ``GraphModule.recompile`` (torch 2.13) leaves in a module beside its ``forward``."""


@contextlib.contextmanager
def code_when_run() -> Iterator[None]:
    """Inside, ``GraphModule.recompile()`` only notes that the code is old: it is written when something asks for it.

    Passes read graphs, and make some three hundred of them, of which a few are run. Of the whole process: for one
    module alone, see :func:`qnnsolve.rewriting.recompiling.recompiled_once`.
    """
    from torch.fx import GraphModule
    from torch.fx.graph import _PyTreeCodeGen

    write = GraphModule.recompile

    class Forward:
        """Stands for ``forward`` in a module's own class; to look at it, as a signature or to run it, writes it."""

        def __get__(self, module: Any, kind: type) -> Any:
            if module is None:
                return self
            write(module)
            return kind.__dict__["forward"].__get__(module, kind)

    class Written:
        """Stands for an attribute that a module does not have before its code is written."""

        def __init__(self, name: str) -> None:
            self._name = name

        def __get__(self, module: Any, kind: type) -> Any:
            if module is None:
                return self
            write(module)
            return vars(module)[self._name]

    def recompile(module: Any) -> None:
        codegen = module._graph._codegen
        if isinstance(codegen, _PyTreeCodeGen):
            module._in_spec, module._out_spec = codegen.pytree_info.in_spec, codegen.pytree_info.out_spec
        for name in _WRITTEN:
            vars(module).pop(name, None)
        type(module).forward = Forward()

    with contextlib.ExitStack() as stack:
        for name in _WRITTEN:
            stack.enter_context(patched(GraphModule, name, Written(name)))
        stack.enter_context(patched(GraphModule, "recompile", recompile))
        yield
