"""What the user names on the command line, loaded: a model with its example inputs, from a file or from code.

A model is a ``.pt2`` file (``torch.export.save``), or ``module:callable`` (also ``folder/file.py:callable``) where the
callable takes nothing and returns ``(nn.Module, example_inputs)`` or ``(nn.Module, example_inputs, calibration)``.
Everything that can be wrong with either is a :class:`~qnnsolve.errors.UsageError` of one line.

A ``.pt2`` file is data: see :mod:`qnnsolve.models.archive`.
"""

from __future__ import annotations

import contextlib
import inspect
import logging
import os
import tempfile
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import attrs

from qnnsolve.errors import UsageError
from qnnsolve.foreign import foreign
from qnnsolve.models.archive import checked_copy
from qnnsolve.models.locating import CodeRef, FileRef, call, kind_of
from qnnsolve.models.refused import Refused

if TYPE_CHECKING:
    import torch
    from torch.export import ExportedProgram

__all__ = ["LoadedModel", "load_model"]


@attrs.frozen(eq=False)
class LoadedModel:
    """A model ready for the pipeline.

    ``example_inputs`` are positional. ``calibration`` is the callable's third item, not looked at yet; None where there
    is none. ``input_names`` has one name per tensor among the flattened example inputs.
    """

    name: str
    model: torch.nn.Module | ExportedProgram
    example_inputs: tuple[Any, ...] | None
    input_names: tuple[str, ...]
    calibration: Iterable[Any] | None = None
    varying: tuple[frozenset[int], ...] = ()
    """Per tensor among the flattened inputs of a program, which of its sizes may be others than the example's."""


def load_model(ref: FileRef | CodeRef) -> LoadedModel:
    """The model that ``ref`` names.

    Raises:
        UsageError: it cannot be read, imported or called, or is something else.
    """
    if isinstance(ref, FileRef):
        return _load_pt2(ref)
    returned = call(ref, "model")
    with foreign(f"model {ref.text} cannot be used"):  # what it returned may run code wherever it is asked
        return _of_code(ref, returned)


def _load_pt2(ref: FileRef) -> LoadedModel:
    import torch
    import torchao.quantization.pt2e.quantize_pt2e  # noqa: F401  # registers ops and classes of quantized models

    with foreign(f"model {ref.text} cannot be read"), tempfile.TemporaryFile() as copy, _quiet_data_only():
        try:
            checked_copy(ref.path, copy)
        except Refused as error:
            raise UsageError(f"model {ref.text} {error}") from error
        copy.seek(0)
        program = torch.export.load(copy)
    examples: tuple[Any, ...] | None = None
    if program.example_inputs is not None:
        examples, keywords = program.example_inputs
        if keywords:
            raise UsageError(
                f"model {ref.text} was exported with keyword inputs ({', '.join(keywords)}); "
                "export it with positional inputs only"
            )
    names = tuple(map(str, program.graph_signature.user_inputs))
    values = {node.name: node.meta.get("val") for node in program.graph.nodes if node.op == "placeholder"}
    sizes = [getattr(values.get(name), "shape", ()) for name in names]
    varying = tuple(frozenset(at for at, size in enumerate(each) if not isinstance(size, int)) for each in sizes)
    return LoadedModel(ref.text, program, examples, names, varying=varying if any(varying) else ())


@contextlib.contextmanager
def _quiet_data_only() -> Iterator[None]:
    """torch loads tensors only, never objects, and logs no tracebacks (torch 2.13 logs one for every failed load)."""
    name = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
    before = os.environ.get(name)
    loggers = [logging.getLogger(each) for each in ("torch.export", "torch.export.pt2_archive._package")]
    levels = [logger.level for logger in loggers]
    os.environ[name] = "1"
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _of_code(ref: CodeRef, returned: object) -> LoadedModel:
    import torch

    if not isinstance(returned, tuple) or len(returned) not in (2, 3):
        raise UsageError(
            f"model {ref.text} returned {kind_of(returned)}, not (nn.Module, example_inputs[, calibration inputs])"
        )
    model, examples = returned[0], returned[1]
    if not isinstance(model, torch.nn.Module):
        raise UsageError(f"model {ref.text} returned {kind_of(model)} as its first item, not an nn.Module")
    if isinstance(examples, torch.Tensor):
        examples = (examples,)
    if not isinstance(examples, tuple | list):
        raise UsageError(f"model {ref.text} returned {kind_of(examples)} as its example inputs, not a tuple of tensors")
    calibration = returned[2] if len(returned) == 3 else None
    if calibration is not None and not isinstance(calibration, Iterable):
        raise UsageError(f"model {ref.text} returned {kind_of(calibration)} as its calibration inputs, not an iterable")
    return LoadedModel(ref.text, model, tuple(examples), _argument_names(model, tuple(examples)), calibration)


def _argument_names(model: torch.nn.Module, examples: tuple[Any, ...]) -> tuple[str, ...]:
    """The names of ``forward``'s arguments where each is one tensor, else ``input_0`` and so on."""
    from torch.utils import _pytree as pytree

    leaves = pytree.tree_leaves(examples)
    names = list(inspect.signature(model.forward).parameters)[: len(examples)]
    if len(leaves) == len(examples) == len(names):
        return tuple(names)
    return tuple(f"input_{index}" for index in range(len(leaves)))
