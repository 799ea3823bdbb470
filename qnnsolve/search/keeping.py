"""What a search has measured, kept as it comes: :class:`Ledger`, and the key under which it counts: :func:`key_of`."""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch.fx import GraphModule

from qnnsolve import __version__
from qnnsolve.constraints import Site
from qnnsolve.encodings import Encoding
from qnnsolve.runs import content_key
from qnnsolve.search.rounding import Rounding
from qnnsolve.search.spaces import Space

__all__ = ["Ledger", "Memory", "key_of", "named", "rounding_from", "rounding_record"]

_DISTRIBUTIONS = ("torch", "torchao", "executorch")
_FORM = 2
"""Of what is kept: another number where it becomes another. 2: a config's noise for each sample."""


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
    parts: dict[str, str | bytes] = {
        "versions": repr([__version__, _FORM, *map(importlib.metadata.version, _DISTRIBUTIONS)]),
        "graph": repr(list(space.facts.graph)),
        "more": repr(sorted(more.items())),
        "choices": repr([(str(s), sorted(e.name for e in each)) for s, each in sorted(space.choices.items())]),
    }
    for uniform in space.uniforms:
        parts[f"uniform {uniform.name}"] = repr((uniform.facts.wanted.all, named(uniform.solution.encodings)))
    for name, value in model.state_dict(keep_vars=True).items():
        parts[f"weight {name}"] = _digest(value)
    for index, sample in enumerate(samples):
        for place, leaf in enumerate(torch.utils._pytree.tree_leaves(sample)):
            parts[f"sample {index} {place}"] = _digest(leaf)
    return content_key(parts)


def _digest(value: Any) -> str | bytes:
    """Of a tensor its form and a hash of its values."""
    if not isinstance(value, torch.Tensor):
        return repr(value)
    values = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    return f"{value.dtype} {tuple(value.shape)} ".encode() + hashlib.sha256(values.data).digest()


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
