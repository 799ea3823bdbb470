"""What an op gives for the same fake tensors, computed once for all passes: :func:`results_known`."""

from __future__ import annotations

import contextlib
from collections.abc import Hashable, Iterator
from typing import TYPE_CHECKING, Any

from qnnsolve.lowering.patching import patched

if TYPE_CHECKING:
    import torch

__all__ = ["Results", "results_known"]


class _Unknown(Exception):
    """An argument about which nothing can be remembered."""


class Results:
    """Results by op and arguments. Fake tensors count by their identity: they have a shape and a type, and no values.

    Not remembered: what has symbolic sizes or a constant's values, what writes to its arguments, and what has no fake
    tensor among them, for its result depends on the mode that it is called in.
    """

    def __init__(self) -> None:
        self._known: dict[Hashable, Any] = {}
        self._held: list[Any] = []
        """Every argument that counts by its identity: what is held keeps it."""

    def result(self, interpreter: Any, target: Any, args: Any, kwargs: Any) -> Any:
        """What ``interpreter.call_function`` gives, or gave for the same before."""
        held: list[Any] = []
        key = self._key(target, args, kwargs, held)
        if key is None or not held:
            return interpreter.call_function(target, args, kwargs)
        if key not in self._known:
            found = interpreter.call_function(target, args, kwargs)
            if not _fixed(found):
                return found
            self._known[key] = found
            self._held += held
        return self._known[key]

    @classmethod
    def _key(cls, target: Any, args: Any, kwargs: Any, held: list[Any]) -> Hashable | None:
        import torch
        from executorch.exir.dialects.edge._ops import EdgeOpOverload

        op = target._op if isinstance(target, EdgeOpOverload) else target  # which is what it calls
        if not isinstance(op, torch._ops.OpOverload) or op._schema.is_mutable:
            return None
        with contextlib.suppress(_Unknown):
            # Whether a result needs a gradient is written into the program.
            return op, torch.is_grad_enabled(), cls._part(args, held), cls._part(kwargs, held)
        return None

    @classmethod
    def _part(cls, value: Any, held: list[Any]) -> Hashable:
        import torch
        from torch._subclasses.fake_tensor import FakeTensor

        if type(value) is FakeTensor and _fixed(value):
            held.append(value)
            return id(value)
        if isinstance(value, (list, tuple)):
            return list, *(cls._part(each, held) for each in value)
        if isinstance(value, dict):
            return dict, *((name, cls._part(each, held)) for name, each in value.items())
        plain = (int, float, bool, str, torch.dtype, torch.device, torch.layout, torch.memory_format)
        if value is None or type(value) in plain:
            return type(value), value
        raise _Unknown


def _fixed(value: Any) -> bool:
    """Whether ``value`` is made of fake tensors whose sizes are numbers, and whose values nobody knows."""
    from torch._subclasses.fake_tensor import FakeTensor

    if type(value) is FakeTensor:
        return value.constant is None and all(type(size) is int for size in value.shape)
    return isinstance(value, (list, tuple)) and all(map(_fixed, value))


class _Remembering:
    """The interpreter of a pass, which calls ops; what is known is not called again."""

    def __init__(self, interpreter: torch.fx.Interpreter, results: Results) -> None:
        self._interpreter, self._results = interpreter, results

    def __getattr__(self, name: str) -> Any:
        return getattr(self._interpreter, name)

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        return self._results.result(self._interpreter, target, args, kwargs)


@contextlib.contextmanager
def results_known() -> Iterator[None]:
    """Inside, the passes of ExecuTorch and of ``torch._export`` that run a graph compute no shape a second time.

    Each of them runs every op of the graph on fake tensors to find its result's shape, whether it changed anything or
    not. The inputs of a graph are the same fake tensors from pass to pass, and so is all that is computed from them.
    """
    from executorch.exir.pass_base import _ExportPassBase
    from torch._export.pass_base import _ExportPassBaseDeprecatedDoNotUse

    results = Results()

    def remembering(call: Any) -> Any:
        def _fx(self: Any, kind: str, *args: Any) -> Any:
            if not isinstance(self.interpreter, _Remembering):
                self.interpreter = _Remembering(self.interpreter, results)
            return call(self, kind, *args)

        return _fx

    bases = (_ExportPassBase, _ExportPassBaseDeprecatedDoNotUse)
    with contextlib.ExitStack() as stack:
        for base in bases:
            stack.enter_context(patched(base, "_fx", remembering(base._fx)))
        yield
