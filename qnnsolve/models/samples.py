"""Calibration samples: read without running code, and checked against the model's inputs before any long work.

Files (``--calibration``):

* ``.npz``: one array per input, all named like the model's inputs, or ``arr_0``, ``arr_1`` ... in their order (what
  ``numpy.savez(file, x, y)`` writes). The first axis counts samples: an input of shape ``(1, 3, 224, 224)`` has an
  array of shape ``(samples, 1, 3, 224, 224)``. An array with as many axes as its input, ``(images, 3, 224, 224)``, is
  cut along its first axis into pieces of the input's length.
* ``.pt``: a list of samples (each a tuple of tensors, or a dict by input name, or the tensor of a single input), or a
  dict of stacked tensors as in ``.npz``. It is read with ``weights_only``.

``module:callable`` takes nothing and returns an iterable of samples.
"""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qnnsolve.errors import UsageError, nearest
from qnnsolve.foreign import foreign
from qnnsolve.models.arrays import load_arrays
from qnnsolve.models.files import LoadedModel
from qnnsolve.models.locating import CodeRef, FileRef, call, kind_of
from qnnsolve.models.refused import Refused
from qnnsolve.models.saved import load_tensors

if TYPE_CHECKING:
    import torch

__all__ = ["calibration_samples"]

Sample = tuple[Any, ...]


def calibration_samples(model: LoadedModel, ref: FileRef | CodeRef | None) -> tuple[Sample, ...]:
    """The samples to calibrate with: from ``ref``, else the model's own, else its example inputs.

    Each sample has the structure of the example inputs. Floats are cast to the width that the model wants.

    Raises:
        UsageError: there are none, they cannot be read, or one does not fit the model's inputs.
    """
    if ref is not None:
        raw, origin = _read(model, ref), f"calibration {ref.text}"
    elif model.calibration is not None:
        raw, origin = model.calibration, f"calibration inputs of {model.name}"
    elif model.example_inputs is not None:
        return (model.example_inputs,)
    else:
        raise UsageError(f"model {model.name} carries no example inputs; give --calibration")
    with foreign(f"{origin} failed"):
        samples = tuple(_fit(sample, model, f"{origin}: sample {index}") for index, sample in enumerate(raw))
    if not samples:
        raise UsageError(f"{origin}: no samples")
    return samples


def _read(model: LoadedModel, ref: FileRef | CodeRef) -> Iterable[Any]:
    if isinstance(ref, CodeRef):
        returned = call(ref, "calibration")
        if isinstance(returned, Iterable):
            return returned
        raise UsageError(f"calibration {ref.text} returned {kind_of(returned)}, not an iterable of samples")
    loaded = _load(ref)
    if isinstance(loaded, Mapping):
        return _unstack(loaded, model, f"calibration {ref.text}")
    if isinstance(loaded, list | tuple):
        return loaded
    raise UsageError(f"calibration {ref.text} holds a {type(loaded).__name__}, not samples or stacked tensors")


def _load(ref: FileRef) -> object:
    with foreign(f"calibration {ref.text} cannot be read"):
        try:
            if ref.path.suffix.lower() == ".npz":
                return load_arrays(ref.path)
            with ref.path.open("rb") as stream:
                return load_tensors(stream)
        except pickle.UnpicklingError as error:
            raise UsageError(f"calibration {ref.text} is no .pt file of plain tensors; nothing else is read") from error
        except Refused as error:
            raise UsageError(f"calibration {ref.text} {error}") from error


def _unstack(arrays: Mapping[str, Any], model: LoadedModel, origin: str) -> list[dict[str, Any]]:
    """Samples, by input name, from one array per input whose first axis counts them."""
    import torch

    names, count = model.input_names, len(model.input_names)
    if set(arrays) == {f"arr_{index}" for index in range(count)}:
        arrays = {name: arrays[f"arr_{index}"] for index, name in enumerate(names)}
    _check_names(arrays, names, origin)
    columns: dict[str, Sequence[Any]] = {}
    wanted = _leaves(model.example_inputs) if model.example_inputs is not None else [None] * count
    for name, want in zip(names, wanted, strict=True):
        array = arrays[name]
        if not isinstance(array, torch.Tensor) or array.ndim == 0:
            raise UsageError(f"{origin}: '{name}' is not a tensor with a leading sample axis")
        columns[name] = array.unbind(0)
        if isinstance(want, torch.Tensor) and array.ndim == want.ndim:
            length = max(want.shape[0], 1)
            if array.shape[0] % length:
                raise UsageError(f"{origin}: '{name}' of length {array.shape[0]} cannot be cut into {length}s")
            columns[name] = torch.split(array, length)
    counts = {name: len(column) for name, column in columns.items()}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"'{name}' {number}" for name, number in counts.items())
        raise UsageError(f"{origin}: the inputs differ in their number of samples: {listed}")
    return [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _check_names(given: Iterable[Any], names: tuple[str, ...], origin: str) -> None:
    """Every input is named, and nothing else is."""
    found = [str(name) for name in given]
    for name in sorted(set(found) - set(names)):
        near = nearest(name, names)
        hint = f"; did you mean {' or '.join(near)}?" if near else f"; the model's inputs: {', '.join(names)}"
        raise UsageError(f"{origin} names '{name}', which is no input{hint}")
    missing = [name for name in names if name not in found]
    if missing:
        raise UsageError(f"{origin} lacks {', '.join(missing)}")


def _leaves(tree: object) -> list[Any]:
    from torch.utils import _pytree as pytree

    return pytree.tree_leaves(tree)


def _fit(sample: object, model: LoadedModel, origin: str) -> Sample:
    """``sample`` in the structure of the model's example inputs, each tensor of the right shape and dtype."""
    import torch
    from torch.utils import _pytree as pytree

    if isinstance(sample, Mapping):
        _check_names(sample, model.input_names, origin)
        sample = tuple(sample[name] for name in model.input_names)
    elif isinstance(sample, torch.Tensor):
        sample = (sample,)
    elif isinstance(sample, list):
        sample = tuple(sample)
    if not isinstance(sample, tuple):
        raise UsageError(f"{origin} is {kind_of(sample)}, not a tuple of tensors")
    values = pytree.tree_leaves(sample)
    if len(values) != len(model.input_names):
        raise UsageError(
            f"{origin} has {len(values)} input(s), the model takes {len(model.input_names)} "
            f"({', '.join(model.input_names)})"
        )
    if model.example_inputs is None:
        return sample
    wanted, structure = pytree.tree_flatten(model.example_inputs)
    varying = model.varying or (frozenset(),) * len(wanted)
    fitted = [
        _fit_value(value, want, f"{origin}, input '{name}'", free)
        for value, want, name, free in zip(values, wanted, model.input_names, varying, strict=True)
    ]
    whole: Sample = pytree.tree_unflatten(fitted, structure)
    return whole


def _fit_value(value: object, want: object, where: str, free: frozenset[int]) -> object:
    """``value`` as the model takes it; its sizes may be others than the example's at the places in ``free``."""
    import torch

    if not isinstance(want, torch.Tensor):
        return value
    if not isinstance(value, torch.Tensor):
        raise UsageError(f"{where}: a {type(value).__name__}, not a tensor")
    both = itertools.zip_longest(value.shape, want.shape)
    if any(size != wanted for at, (size, wanted) in enumerate(both) if at not in free or None in (size, wanted)):
        raise UsageError(f"{where}: shape {tuple(value.shape)}, the model takes {tuple(want.shape)}")
    if value.dtype != want.dtype:
        if not (value.is_floating_point() and want.is_floating_point()):
            raise UsageError(f"{where}: dtype {_dtype(value)}, the model takes {_dtype(want)}")
        value = value.to(want.dtype)
    if value.is_floating_point() and bool(torch.isnan(value).any()):
        raise UsageError(f"{where}: holds NaN")
    return value


def _dtype(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
