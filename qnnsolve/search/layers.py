"""Sensitivities that other tools have measured, layer by layer: :func:`read_layers`, and :func:`spread` over the sites.

Read are the table of ExecuTorch's ``PerLayerSqnrAnalyzer`` (``NAME_quantization_error.csv``: decibels of each layer's
output) and AIMET's ``per_layer_quant_enabled.json`` (what the model scores with one layer quantized, more is better).
Both say nothing of widths, so 8 bits are taken to be meant, and each bit less doubles the error, as for any rounding.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path

import attrs

from qnnsolve.constraints import Site
from qnnsolve.encodings import Encoding
from qnnsolve.errors import UsageError, suggestion
from qnnsolve.foreign import said
from qnnsolve.host.inputs import plain_bytes
from qnnsolve.search.origins import origins
from qnnsolve.search.spaces import Space

__all__ = ["Layers", "read_layers", "spread"]

_COLUMNS = ("group_name", "avg_sqnr")
_KNOWN = "AIMET's per_layer_quant_enabled.json or a NAME_quantization_error.csv of ExecuTorch's PerLayerSqnrAnalyzer"
_RANGE = re.compile(r"\[(\d+)-(\d+)\]")
_MEANT_BITS = 8


@attrs.frozen
class Layers:
    """The noise of each layer, by the name of its module (``layers.[0-3].wq`` stands for four) or of a node."""

    path: str
    noise: Mapping[str, float]

    @property
    def words(self) -> str:
        """How an error names the file."""
        return f"sensitivities {self.path}"


def read_layers(path: str | PathLike[str]) -> Layers:
    """What stands in the file.

    Raises:
        UsageError: it cannot be read, is of another form, or says nothing.
    """
    where, name = f"sensitivities {path}", Path(path).name
    try:
        text = plain_bytes(Path(path)).decode()
    except OSError as error:
        raise UsageError(f"{where} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{where} is no text; it is to be {_KNOWN}") from error
    match Path(path).suffix.lower():
        case ".csv":
            found = _of_decibels(text, where)
        case ".json" if "mse" in name or "disabled" in name:
            raise UsageError(f"{where}: {name} says what is lost when all is quantized; it is to be {_KNOWN}")
        case ".json":
            found = _of_scores(text, where)
        case _:
            raise UsageError(f"{where}: it is to be {_KNOWN}")
    if not any(found.values()):
        raise UsageError(f"{where}: no layer in it makes any noise")
    return Layers(str(path), found)


def _of_decibels(text: str, where: str) -> dict[str, float]:
    lines = csv.DictReader(text.splitlines())
    missing = [name for name in _COLUMNS if name not in (lines.fieldnames or ())]
    if missing:
        raise UsageError(f"{where}: column {missing[0]} is missing; it is to be {_KNOWN}")
    return {
        str(line["group_name"]): 10 ** (-_number(line["avg_sqnr"], f"{where}, line {lines.line_num}") / 10)
        for line in lines
    }


def _of_scores(text: str, where: str) -> dict[str, float]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where} is no JSON: {said(error)}") from error
    if not isinstance(found, dict) or not found:
        raise UsageError(f"{where} is no object of layers and scores; it is to be {_KNOWN}")
    scores = {name: _number(value, f"{where}, layer {name}") for name, value in found.items()}
    best = max(scores.values())
    return {name: (best - score) / (abs(best) or 1.0) for name, score in scores.items()}


def _number(value: object, where: str) -> float:
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if math.isfinite(number):
            return number
    raise UsageError(f"{where}: {value!r} is no number")


def spread(
    layers: Layers, space: Space, keys: Iterable[tuple[Site, Encoding]]
) -> tuple[dict[tuple[Site, Encoding], float], str]:
    """The noise of each of ``keys``: a layer's in equal parts on its parameters and on what its ops yield. And a note:
    what the file does not name makes none.

    Raises:
        UsageError: a layer that the model does not have; names the nearest.
    """
    graph = space.facts.graph
    members = {name: _nodes(name, space) for name in layers.noise}
    unknown = next((name for name, nodes in members.items() if not nodes), None)
    if unknown is not None:
        known = {node.module_path for node in graph if node.module_path}
        raise UsageError(f"{layers.words}: the model has no layer {unknown}; {suggestion(unknown, known)}")
    of_node = {node: name for name, nodes in members.items() for node in nodes}
    tensors: dict[str, int] = {}
    sites = origins(space)
    for site in sites:
        name = of_node.get(_computing(space, site))
        if name is not None:
            tensors[name] = tensors.get(name, 0) + 1
    noise = {}
    for site, encoding in keys:
        name = of_node.get(_computing(space, site))
        each = 0.0 if name is None or name not in tensors else layers.noise[name] / tensors[name]
        noise[site, encoding] = each * 4.0 ** (_MEANT_BITS - encoding.bits)
    silent = sum(_computing(space, site) not in of_node for site in sites)
    note = f"sensitivities come from {layers.path}, and predicted figures are in its terms"
    return noise, note + (
        f"; it does not name {silent} of {len(sites)} tensors: they count as free of noise" * bool(silent)
    )


def _computing(space: Space, site: Site) -> str:
    """The node to whose layer a tensor belongs: of a parameter the one that reads it."""
    return site.user if space.facts.graph.is_param(site.node) else space.facts.owner(Site(site.node))


def _nodes(layer: str, space: Space) -> list[str]:
    pattern = re.compile("".join(_pattern(layer)) + r"(\..*)?")
    return [node.name for node in space.facts.graph if node.name == layer or pattern.fullmatch(node.module_path)]


def _pattern(layer: str) -> Iterable[str]:
    at = 0
    for match in _RANGE.finditer(layer):
        yield re.escape(layer[at : match.start()])
        yield "(" + "|".join(map(str, range(int(match[1]), min(int(match[2]), int(match[1]) + 10_000) + 1))) + ")"
        at = match.end()
    yield re.escape(layer[at:])
