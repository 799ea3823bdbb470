"""Which output of a delegate is which: :class:`OutputOrder`.

ExecuTorch's runtime (1.5.1) returns a delegate's outputs in the order of QNN's graph: the order in which its ops define
them. The program that calls the delegate reads them in its own order. The two orders differ where some of the outputs
come from an op with several (``split``, ``topk``, ``unbind``, ``max``), since such an op defines all of its outputs at
once. Each output is then silently taken for another one.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

__all__ = ["OutputOrder", "places"]

_OUTPUT, _BUFFER = "output_", "output_mutbuf_"
"""How ExecuTorch (``node_visitor.py``) begins the names of outputs, and of buffers that are written to."""


class OutputOrder:
    """Remembers, per delegate, where QNN has each of its outputs; has the program read them there."""

    def __init__(self) -> None:
        self._places: dict[tuple[str, ...], list[int]] = {}
        """By the names of a delegate's outputs, in the program's order."""

    def install(self) -> None:
        """Listen to this process's backend as it builds the ops of each delegate."""
        from executorch.backends.qualcomm.qnn_preprocess import QnnBackend

        build = QnnBackend._build_op_wrappers

        def build_op_wrappers(program: Any, *args: Any, **kwargs: Any) -> Any:
            names = tuple(program.graph_signature.user_outputs)
            ops = build(program, *args, **kwargs)
            if isinstance(ops, list):
                self._places[names] = places(_returned(program.graph_module.graph), _defined(ops))
            return ops

        QnnBackend._build_op_wrappers = staticmethod(build_op_wrappers)

    def apply(self, graph_module: Any) -> None:
        """Have the lowered ``graph_module`` read each output of its delegates where QNN has it."""
        from executorch.exir.delegate import executorch_call_delegate

        for node in graph_module.graph.nodes:
            if node.target is not executorch_call_delegate:
                continue
            program = getattr(graph_module, node.args[0].target).original_module
            found = self._places.get(tuple(program.graph_signature.user_outputs), [])
            if found != sorted(found):
                _reorder(node, program, found)
        graph_module.recompile()


def _defined(ops: Sequence[Any]) -> list[str]:
    """The names of the output tensors, in the order in which the ops define them."""
    from executorch.backends.qualcomm.python.PyQnnManagerAdaptor import PyQnnTensorWrapper

    names = (PyQnnTensorWrapper(tensor).GetName() for op in ops for tensor in op.GetOpWrapper().GetOutputTensors())
    return list(dict.fromkeys(name for name in names if name.startswith(_OUTPUT) and not name.startswith(_BUFFER)))


def _returned(graph: Any) -> list[str]:
    """The names of the output tensors, in the order in which the graph returns them."""
    (returned,) = graph.output_node().args
    names = []
    for node in returned:
        source, index = (node.args[0], node.args[1]) if node.target is operator.getitem else (node, 0)
        names.append(f"{_OUTPUT}{source.name}@{index}")
    return names


def places(returned: Sequence[str], defined: Sequence[str]) -> list[int]:
    """Where each of ``returned`` stands in ``defined``; nothing where the two are not the same tensors."""
    return [defined.index(name) for name in returned] if sorted(returned) == sorted(defined) else []


def _reorder(call: Any, program: Any, found: Sequence[int]) -> None:
    """What ``program`` returns, and who reads it; ExecuTorch's passes run both once more."""

    def moved(values: Any) -> Any:
        return type(values)(values[found.index(place)] for place in range(len(found)))

    for key in ("val", "spec"):
        if key in call.meta:
            call.meta[key] = moved(call.meta[key])
    output = program.graph_module.graph.output_node()
    output.args = (moved(output.args[0]),)
    program.graph_module.recompile()
    program.graph_signature.output_specs = moved(program.graph_signature.output_specs)
    for item in list(call.users):
        item.args = (call, found[item.args[1]])
