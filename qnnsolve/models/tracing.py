"""A model as a graph, in evaluation mode, and the inputs to run it with."""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qnnsolve.errors import UnsupportedGraphError, UsageError
from qnnsolve.foreign import first_paragraph, foreign
from qnnsolve.host.values import check_values, holds_nan, lacking, without_values

if TYPE_CHECKING:
    import torch
    from torch.export import ExportedProgram

__all__ = ["checked_samples", "evaluating", "example_inputs_of", "exported", "module_of", "single"]


def module_of(program: ExportedProgram) -> torch.fx.GraphModule:
    """The program as a module, without torch's check of the inputs (a call in its graph)."""
    import torch

    module = program.module(check_guards=False)
    assert isinstance(module, torch.fx.GraphModule)
    return module


def exported(
    model: torch.nn.Module | ExportedProgram, examples: tuple[Any, ...], *, values: bool = True
) -> torch.fx.GraphModule:
    """The graph of ``model``, traced with the ``examples`` unless it is a program already.

    Its sizes are those of the ``examples``, its floats float32 (see :func:`~qnnsolve.rewriting.notes.notes_of`).
    Without ``values``, tensors may be on the meta device, or fake.

    Raises:
        UnsupportedGraphError: it cannot be traced, returns no tensor, holds NaN, or is in training mode.
    """
    import torch

    name = type(model).__name__

    def refused(what: str) -> UnsupportedGraphError:
        if _packs():
            return UnsupportedGraphError("pack_padded_sequence", _PACKED)
        if _depends_on_data():
            return UnsupportedGraphError(name, f"{_DEPENDS}{_own_line()}")
        reshaped = _reshaped(model, examples) if isinstance(model, torch.nn.Module) else None
        return UnsupportedGraphError(name, what if reshaped is None else f"{what}: {reshaped}")

    if not isinstance(model, torch.nn.Module):
        # A program may come from a file, whose parts need not fit each other.
        with foreign("its graph cannot be read", refused):
            return _fixed(module_of(model), examples, values)
    check_values(model, values)
    examples = without_values(model, examples)
    said, log = io.StringIO(), logging.getLogger("torch._subclasses.fake_tensor")
    level = log.level
    try:
        # A graph that cannot be traced is printed there, and an op that fails logged (torch 2.13); the error says both.
        log.setLevel(logging.CRITICAL)
        tracing = foreign("torch.export cannot trace it", refused, first_paragraph)
        with torch.no_grad(), contextlib.redirect_stderr(said), tracing:
            program = torch.export.export(model, examples, strict=False)
            module = module_of(program)
        sys.stderr.write(said.getvalue())
    finally:
        log.setLevel(level)
    return _fixed(module, examples, values)


_PACKED = (
    "its shapes depend on the lengths that are given, and a graph has fixed ones; run the layer over the padded batch, "
    "and take with gather, or mask, what lies within the lengths"
)


_DEPENDS = (
    "a value that is computed decides a size, a branch or a position, and a graph has fixed ones; index with a tensor "
    "of one dimension (k[i.reshape(1)] = y), choose with torch.where, or mask"
)


def _reshaped(model: torch.nn.Module, examples: tuple[Any, ...]) -> str | None:
    """What the model does to the shape of an input in place, which torch.export fails on; None where it does not."""
    import torch
    from torch.utils import _pytree as pytree

    def kept(what: str) -> UnsupportedGraphError:
        return UnsupportedGraphError(type(model).__name__, what)

    copies = pytree.tree_map_only(torch.Tensor, torch.clone, examples)
    with contextlib.suppress(UnsupportedGraphError), torch.no_grad(), foreign("it cannot be run", kept):
        model(*copies)
    tensors = zip(pytree.tree_leaves(examples), pytree.tree_leaves(copies), strict=True)
    changed = [index for index, pair in enumerate(tensors) if len({getattr(each, "shape", None) for each in pair}) > 1]
    if not changed:
        return None
    index = changed[0]
    return f"it changes the shape of input {index} in place (unsqueeze_, squeeze_ ...); make a new tensor instead"


def _depends_on_data() -> bool:
    """Whether the error that is being raised is torch's for a graph that depends on data."""
    error = sys.exc_info()[1]
    while error is not None:
        if type(error).__name__ in ("GuardOnDataDependentSymNode", "DynamicOutputShapeException"):
            return True
        error = error.__cause__ or error.__context__
    return False


def _own_line() -> str:
    """The innermost line of the program that is being left by an error, which is neither torch's nor ours."""
    import torch

    others = (str(Path(torch.__file__).parent), str(Path(__file__).parents[1]), str(Path(contextlib.__file__)), "<")
    frames = traceback.extract_tb(sys.exc_info()[2])
    own = [frame for frame in frames if frame.line and not frame.filename.startswith(others)]
    return f": {own[-1].filename}:{own[-1].lineno}: {own[-1].line}" if own else ""


def _packs() -> bool:
    """Whether what is being raised came out of a packed sequence, or out of packing one."""
    from torch.nn.utils.rnn import PackedSequence

    trace = sys.exc_info()[2]
    while trace is not None:
        code, values = trace.tb_frame.f_code, trace.tb_frame.f_locals.values()
        packing = code.co_name in ("pack_padded_sequence", "pad_packed_sequence", "pack_sequence")
        if packing or any(isinstance(value, PackedSequence) for value in values):
            return True
        trace = trace.tb_next
    return False


def _fixed(module: torch.fx.GraphModule, examples: tuple[Any, ...], values: bool) -> torch.fx.GraphModule:
    """``module`` with its sizes, dtypes and computed weights as they are compiled."""
    from torch.utils import _pytree as pytree

    from qnnsolve.rewriting.constants import fold_constants
    from qnnsolve.rewriting.fixing import fix
    from qnnsolve.rewriting.given import without_given
    from qnnsolve.rewriting.opening import opened

    check_values(module, values)
    # Folded now, since torchao folds batch norms into no weights that are computed.
    return _checked(fold_constants(fix(without_given(opened(module)), pytree.tree_leaves(examples))))


def single(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """``inputs`` with float32 for floats of another width; the same object where there are none."""
    import torch
    from torch.utils import _pytree as pytree

    def other(leaf: Any) -> bool:
        return isinstance(leaf, torch.Tensor) and leaf.is_floating_point() and leaf.dtype != torch.float32

    if not any(map(other, pytree.tree_leaves(inputs))):
        return inputs
    taken: tuple[Any, ...] = pytree.tree_map(lambda leaf: leaf.to(torch.float32) if other(leaf) else leaf, inputs)
    return taken


def _checked(module: torch.fx.GraphModule) -> torch.fx.GraphModule:
    """``module``, which can be calibrated and lowered.

    Raises:
        UnsupportedGraphError: it returns no tensor, holds NaN, branches or loops over graphs, or a normalization in it
            computes the statistics of its input, as in a program that was exported in training mode.
    """
    import torch

    for name, value in (*module.named_parameters(), *module.named_buffers()):
        if holds_nan(value):
            raise UnsupportedGraphError(name, "its values hold NaN")
    for node in module.graph.nodes:
        if node.target is torch.ops.aten.batch_norm.default and node.args[5] and node.args[3] is not None:
            raise UnsupportedGraphError(node.name, "batch_norm is in training mode; call .eval() before torch.export")
        if isinstance(node.target, torch._ops.HigherOrderOperator):
            raise UnsupportedGraphError(
                node.name, f"{node.target} runs graphs of its own, which no compiler here takes"
            )
        if node.op == "output" and not node.all_input_nodes:
            raise UnsupportedGraphError(node.name, "the model returns no tensor")
    return module


@contextlib.contextmanager
def evaluating(model: torch.nn.Module | ExportedProgram) -> Iterator[None]:
    """Inside, every layer is in evaluation mode (no dropout, no batch statistics); afterwards it is as it was."""
    import torch

    training = [layer for layer in model.modules() if layer.training] if isinstance(model, torch.nn.Module) else []
    for layer in training:
        layer.training = False
    try:
        yield
    finally:
        for layer in training:
            layer.training = True


def example_inputs_of(
    model: torch.nn.Module | ExportedProgram, given: tuple[Any, ...] | None, *, values: bool = True
) -> tuple[Any, ...]:
    """Those ``given``, or those that a program carries. Without ``values``, they may have none.

    Raises:
        UsageError: there are none, or only by keyword; or one is an empty tensor, or one without values.
    """
    import torch
    from torch.utils import _pytree as pytree

    if given is None:
        carried = None if isinstance(model, torch.nn.Module) else model.example_inputs
        if not carried or carried[1]:
            raise UsageError("there are no positional example inputs; give them as a tuple")
        given = carried[0]
    for leaf in pytree.tree_leaves(given):
        if isinstance(leaf, torch.Tensor):
            what = lacking(leaf, values)
            if what is not None:
                raise UsageError(f"an example input of shape {tuple(leaf.shape)} {what}")
    return tuple(given)


def checked_samples(calibration: Iterable[tuple[Any, ...]] | None, examples: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    """The calibration samples, each of the form of the example inputs, which stand in where there are none.

    Raises:
        UsageError: there are none, or one has another form.
    """
    from torch.utils import _pytree as pytree

    if calibration is None:
        return [examples]
    samples = [tuple(sample) for sample in calibration]
    if not samples:
        raise UsageError("there are no calibration samples")
    wanted = [_form(leaf) for leaf in pytree.tree_leaves(examples)]
    for index, sample in enumerate(samples):
        found = [_form(leaf) for leaf in pytree.tree_leaves(sample)]
        if found != wanted:
            raise UsageError(f"calibration sample {index} is {', '.join(found)}; the model takes {', '.join(wanted)}")
    return samples


def _form(leaf: Any) -> str:
    import torch

    if not isinstance(leaf, torch.Tensor):
        return type(leaf).__name__
    return f"{str(leaf.dtype).removeprefix('torch.')}{list(leaf.shape)}"
