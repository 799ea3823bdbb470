"""Custom annotations, read as pins: :func:`custom_wishes`.

ExecuTorch's functions (KV caches in 8 bits, matmuls at 16a8w ...) write torchao's annotations into a graph that is
annotated already. They run here as they are, on annotations that are thrown away afterwards; what they have written is
asked for in the solve.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch.fx import GraphModule
from torch.fx import Node as FxNode
from torchao.quantization.pt2e.quantizer import (
    FixedQParamsQuantizationSpec,
    QuantizationAnnotation,
    QuantizationSpec,
    SharedQuantizationSpec,
)
from torchao.quantization.pt2e.quantizer.quantizer import Q_ANNOTATION_KEY

from qnnsolve.annotating.named_observers import NamedObservers
from qnnsolve.annotating.settings import range_of
from qnnsolve.encodings import DType, Encoding, QScheme
from qnnsolve.errors import UsageError
from qnnsolve.foreign import foreign
from qnnsolve.rules.wishes import By, Strength, What, Where, Wish

__all__ = ["custom_wishes", "encoding_of", "given_wishes"]

Place: TypeAlias = "FxNode | tuple[FxNode, FxNode]"
Annotating: TypeAlias = Callable[[GraphModule], None]


def custom_wishes(
    model: GraphModule, functions: Sequence[Annotating], before: Annotating, observers: NamedObservers
) -> tuple[Wish, ...]:
    """Pins for what ``functions`` write, named after them. ``before`` writes what they expect to find.

    Raises:
        UsageError: a function raises, or writes a spec that no backend has.
    """
    if not functions:
        return ()
    kept = {node: node.meta.pop(Q_ANNOTATION_KEY, None) for node in model.graph.nodes}
    wishes: list[Wish] = []
    try:
        before(model)
        for function in functions:
            wishes += _written(model, function, observers)
    finally:
        for node, annotation in kept.items():
            node.meta.pop(Q_ANNOTATION_KEY, None)
            if annotation is not None:
                node.meta[Q_ANNOTATION_KEY] = annotation
    return tuple(wishes)


def given_wishes(model: GraphModule, observers: NamedObservers, words: str) -> Iterator[Wish]:
    """Pins for what stands annotated in ``model``, in these ``words``; biases follow from what is pinned.

    Raises:
        UsageError: no backend has such a spec.
    """
    specs = dict(_specs(model))
    for place, spec in specs.items():
        concrete = _concrete(spec, specs)
        if isinstance(concrete, QuantizationSpec | FixedQParamsQuantizationSpec) and concrete.qscheme in _QSCHEMES:
            yield _pinned(place, concrete, words, observers)


def _pinned(
    place: Place, spec: QuantizationSpec | FixedQParamsQuantizationSpec, words: str, observers: NamedObservers
) -> Wish:
    observer = observers.name_of(spec, weight=False) if isinstance(spec, QuantizationSpec) else None
    return Wish(_where(place), What(encoding=encoding_of(spec, words), observer=observer), words, Strength.PIN)


def _written(model: GraphModule, function: Annotating, observers: NamedObservers) -> Iterator[Wish]:
    name = getattr(function, "__name__", None) or getattr(getattr(function, "func", None), "__name__", repr(function))
    words = f"custom annotation {name}"
    before = dict(_specs(model))
    with foreign(words):
        function(model)
    after = dict(_specs(model))
    for place, spec in after.items():
        if before.get(place) is spec:
            continue
        spec = _concrete(spec, after)
        if isinstance(spec, QuantizationSpec | FixedQParamsQuantizationSpec):
            yield _pinned(place, spec, words, observers)


def _specs(model: GraphModule) -> Iterator[tuple[Place, Any]]:
    for node in model.graph.nodes:
        annotation: QuantizationAnnotation | None = node.meta.get(Q_ANNOTATION_KEY)
        if annotation is not None:
            yield from (((producer, node), spec) for producer, spec in annotation.input_qspec_map.items())
            if annotation.output_qspec is not None:
                yield node, annotation.output_qspec


def _concrete(spec: Any, specs: Mapping[Place, Any]) -> Any:
    """The spec at the end of a chain of shared ones; None where the chain ends nowhere."""
    met: set[Place] = set()
    while isinstance(spec, SharedQuantizationSpec):
        if spec.edge_or_node in met:
            return None
        met.add(spec.edge_or_node)
        spec = specs.get(spec.edge_or_node)
    return spec


def _where(place: Place) -> Where:
    if isinstance(place, tuple):
        return Where(By.NODE, place[1].name, f"from:{place[0].name}")
    return Where(By.NODE, place.name, "out")


_DTYPES = {
    torch.uint8: DType.UINT8,
    torch.int8: DType.INT8,
    torch.uint16: DType.UINT16,
    torch.int16: DType.INT16,
    torch.int32: DType.INT32,
}
_QSCHEMES = {
    torch.per_tensor_affine: QScheme.PER_TENSOR_AFFINE,
    torch.per_tensor_symmetric: QScheme.PER_TENSOR_SYMMETRIC,
    torch.per_channel_symmetric: QScheme.PER_CHANNEL_SYMMETRIC,
}


def encoding_of(spec: QuantizationSpec | FixedQParamsQuantizationSpec, words: str) -> Encoding:
    """The encoding that a concrete spec of torchao's stands for; 16 bits without a sign are written as int32.

    Raises:
        UsageError: there is none.
    """
    low, high = range_of(spec)
    dtype = DType.UINT16 if (low, high) == (0, 2**16 - 1) else _DTYPES.get(spec.dtype)
    scheme = _QSCHEMES.get(spec.qscheme)
    if dtype is None or scheme is None:
        raise UsageError(f"{words}: no backend has {spec.dtype} with {spec.qscheme}")
    axis = spec.ch_axis if scheme is QScheme.PER_CHANNEL_SYMMETRIC else None
    fixed = isinstance(spec, FixedQParamsQuantizationSpec)
    scale, zero_point = (spec.scale, spec.zero_point) if fixed else (None, None)
    try:
        return Encoding(dtype, scheme, low, high, ch_axis=axis, scale=scale, zero_point=zero_point)
    except ValueError as error:
        raise UsageError(f"{words}: {error}") from error
