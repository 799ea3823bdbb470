"""ExecuTorch's lowering, imported in two thirds of the time: :func:`lightly`."""

from __future__ import annotations

import contextlib
import importlib
import sys
import types
from collections.abc import Iterator
from typing import Any

from qnnsolve.lowering.patching import patched

__all__ = ["lightly"]

_INDUCTOR = "torch._inductor.fx_passes.post_grad"


@contextlib.contextmanager
def lightly() -> Iterator[None]:
    """Inside, importing ExecuTorch reads its table of ops in C, and leaves out torch's compiler for CPUs and GPUs.

    ExecuTorch (1.5.1) reads a file of 138 kB with a YAML parser in Python, and ``torch.export`` (2.13) needs one
    function of the compiler, for a kind of node that lowering rarely sees.
    """
    stand_in: Any = types.ModuleType(_INDUCTOR)
    stand_in.decompose_auto_functionalized = _decompose_auto_functionalized
    with contextlib.ExitStack() as stack:
        stack.enter_context(_parsed_in_c())
        if _INDUCTOR not in sys.modules:
            sys.modules[_INDUCTOR] = stand_in
            stack.callback(sys.modules.pop, _INDUCTOR, None)
        yield


def _decompose_auto_functionalized(graph: Any) -> None:
    """Import the function of that name, and call it, where there is something for it to do."""
    from torch._higher_order_ops.auto_functionalize import auto_functionalized, auto_functionalized_v2

    if any(node.target in (auto_functionalized, auto_functionalized_v2) for node in graph.nodes):
        importlib.import_module(_INDUCTOR).decompose_auto_functionalized(graph)


@contextlib.contextmanager
def _parsed_in_c() -> Iterator[None]:
    """Inside, ``ruamel.yaml`` reads text with libyaml, where Python has that."""
    import ruamel.yaml
    import yaml

    load = ruamel.yaml.YAML.load

    def loaded(parser: Any, stream: Any) -> Any:
        plain = isinstance(stream, str) and parser.typ == ["safe"]
        return yaml.load(stream, yaml.CSafeLoader) if plain else load(parser, stream)

    if not yaml.__with_libyaml__:
        yield
        return
    with patched(ruamel.yaml.YAML, "load", loaded):
        yield
