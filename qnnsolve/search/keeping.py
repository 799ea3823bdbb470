"""What a search has measured, kept as it comes: :class:`Ledger`, and the key under which it counts: :func:`key_of`."""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch.fx import GraphModule

from qnnsolve import __version__
from qnnsolve.constraints import Site
from qnnsolve.encodings import Encoding
from qnnsolve.search.rounding import Rounding
from qnnsolve.search.spaces import Space

__all__ = ["Ledger", "Memory", "key_of", "named", "rounding_from", "rounding_record"]

_DISTRIBUTIONS = ("torch", "torchao", "executorch")


class Ledger(Protocol):
    """Where measurements are kept, by kind and name; values are JSON's."""

    def get(self, kind: str, name: str) -> Any | None:
        """What was measured; None where it was not yet."""

    def put(self, kind: str, name: str, value: Any) -> None:
        """Keep it; it is safe when this returns."""


class Memory:
    """A ledger that ends with the process."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str], Any] = {}

    def get(self, kind: str, name: str) -> Any | None:
        """What was measured; None where it was not yet."""
        return self._values.get((kind, name))

    def put(self, kind: str, name: str, value: Any) -> None:
        """Keep it."""
        self._values[kind, name] = value


def key_of(model: GraphModule, space: Space, samples: Sequence[Any], more: Mapping[str, Any]) -> str:
    """A hash of all that a measurement depends on: the graph, its weights and states, the samples, the candidates with
    what each of them has everywhere, the versions, and ``more``. A change of any of these is another key."""
    found = hashlib.sha256()
    _add(found, "versions", [__version__, *(f"{each} {importlib.metadata.version(each)}" for each in _DISTRIBUTIONS)])
    _add(found, "graph", (repr(node) for node in space.facts.graph))
    _add(found, "more", (f"{name}={value!r}" for name, value in sorted(more.items())))
    for uniform in space.uniforms:
        had = (f"{site}={encoding.name}" for site, encoding in uniform.solution.encodings.items())
        _add(found, uniform.name, [*had, repr(uniform.facts.wanted.all)])
    _add(found, "choices", (f"{s}={sorted(e.name for e in each)}" for s, each in sorted(space.choices.items())))
    _tensors(found, "weights", dict(model.state_dict(keep_vars=True)).items())
    for index, sample in enumerate(samples):
        leaves = torch.utils._pytree.tree_leaves(sample)
        _tensors(found, f"sample {index}", ((str(place), leaf) for place, leaf in enumerate(leaves)))
    return found.hexdigest()


def _add(found: Any, name: str, texts: Iterable[str]) -> None:
    for text in (name, *texts):
        data = text.encode()
        found.update(len(data).to_bytes(8, "little"))
        found.update(data)


def _tensors(found: Any, kind: str, named_values: Iterable[tuple[str, Any]]) -> None:
    for name, value in named_values:
        if isinstance(value, torch.Tensor):
            _add(found, kind, [name, str(value.dtype), str(tuple(value.shape))])
            found.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
        else:
            _add(found, kind, [name, repr(value)])


def named(config: Mapping[Site, Encoding]) -> str:
    """A name of a config: a hash of what each site has."""
    text = "\n".join(f"{site}={encoding.name}" for site, encoding in sorted(config.items()))
    return hashlib.sha256(text.encode()).hexdigest()


def rounding_record(rounding: Rounding) -> dict[str, Any]:
    """A rounding's numbers, exact."""
    return {
        "shape": list(rounding.scale.shape),
        "scale": rounding.scale.reshape(-1).tolist(),
        "zero_point": rounding.zero_point.reshape(-1).tolist(),
    }


def rounding_from(encoding: Encoding, record: Mapping[str, Any]) -> Rounding:
    """What :func:`rounding_record` wrote, for the encoding that it was of."""
    shape = record["shape"]
    scale = torch.tensor(record["scale"], dtype=torch.float32).reshape(shape)
    return Rounding(encoding, scale, torch.tensor(record["zero_point"], dtype=torch.int32).reshape(shape))
