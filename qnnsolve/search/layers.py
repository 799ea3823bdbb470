"""Sensitivities that other tools have measured, layer by layer: :func:`read_layers`.

Read are the table of ExecuTorch's ``PerLayerSqnrAnalyzer`` (``NAME_quantization_error.csv``: decibels of each layer's
output), AIMET's ``per_layer_quant_enabled.json`` (what the model scores with one layer quantized, more is better) and
its ``accuracy_list.json`` (the same for a group of inputs, outputs and weights of layers at some widths). The first two
say nothing of widths, so 8 bits are taken to be meant. Each bit less doubles the error, as for any rounding.
"""

from __future__ import annotations

import csv
import enum
import json
import math
import re
from os import PathLike
from pathlib import Path

import attrs

from qnnsolve.errors import UsageError
from qnnsolve.foreign import said
from qnnsolve.host.inputs import plain_bytes

__all__ = ["LayerGroup", "LayerPart", "Layers", "read_layers"]

_COLUMNS = ("group_name", "avg_sqnr")
_KNOWN = (
    "AIMET's per_layer_quant_enabled.json or accuracy_list.json, or a NAME_quantization_error.csv of ExecuTorch's "
    "PerLayerSqnrAnalyzer"
)
_INPUT = re.compile(r"(.+)_input_quantizer_idx_\d+")
_WIDTHS = re.compile(r"\(\((\d+), <[\w.]+: \d+>\)(?:, \((\d+), <[\w.]+: \d+>\))?,?\)")
"""A candidate as AIMET 2.42 writes it: bits of activations, and of weights."""
_MEANT_BITS = 8


class LayerPart(enum.Enum):
    """What of a layer is meant."""

    ALL = "all"
    INPUT, OUTPUT, WEIGHT = "input", "output", "weight"


@attrs.frozen
class LayerGroup:
    """Tensors that were quantized together, and the noise of all of them: parts of layers, which are named by their
    modules (``layers.[0-3].wq`` stands for four) or by nodes."""

    parts: tuple[tuple[LayerPart, str], ...]
    noise: float
    activation_bits: int = _MEANT_BITS
    weight_bits: int = _MEANT_BITS


@attrs.frozen
class Layers:
    """What a file says."""

    path: str
    groups: tuple[LayerGroup, ...]

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
    if not any(group.noise for group in found):
        raise UsageError(f"{where}: no layer in it makes any noise")
    return Layers(str(path), tuple(found))


def _of_decibels(text: str, where: str) -> list[LayerGroup]:
    lines = csv.DictReader(text.splitlines())
    missing = [name for name in _COLUMNS if name not in (lines.fieldnames or ())]
    if missing:
        raise UsageError(f"{where}: column {missing[0]} is missing; it is to be {_KNOWN}")
    return [
        _whole(str(line["group_name"]), 10 ** (-_number(line["avg_sqnr"], f"{where}, line {lines.line_num}") / 10))
        for line in lines
    ]


def _whole(layer: str, noise: float) -> LayerGroup:
    return LayerGroup(((LayerPart.ALL, layer),), noise)


def _of_scores(text: str, where: str) -> list[LayerGroup]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where} is no JSON: {said(error)}") from error
    if isinstance(found, list) and found:
        groups = [_group(each, f"{where}, entry {number}") for number, each in enumerate(found, 1)]
    elif isinstance(found, dict) and found:
        groups = [_whole(name, _number(value, f"{where}, layer {name}")) for name, value in found.items()]
    else:
        raise UsageError(f"{where} has no layers and scores; it is to be {_KNOWN}")
    best = max(group.noise for group in groups)
    return [attrs.evolve(group, noise=(best - group.noise) / (abs(best) or 1.0)) for group in groups]


def _group(entry: object, where: str) -> LayerGroup:
    """An entry of ``accuracy_list.json``, with its score in the place of its noise."""
    match entry:
        case [list(parts), str(candidate), score, *_] if parts:
            widths = _WIDTHS.fullmatch(candidate)
            if widths is None:
                raise UsageError(f"{where}: {candidate!r} is no candidate of AIMET's")
            activation = int(widths[1])
            weight = int(widths[2] or activation)
            return LayerGroup(tuple(_part(each, where) for each in parts), _number(score, where), activation, weight)
    raise UsageError(f"{where} is no group, candidate and score; it is to be {_KNOWN}")


def _part(part: object, where: str) -> tuple[LayerPart, str]:
    match part:
        case ["input", str(name)]:
            found = _INPUT.fullmatch(name)
            return LayerPart.INPUT, name if found is None else found[1]
        case ["output" | "weight" as kind, str(name)]:
            return LayerPart(kind), name
    raise UsageError(f"{where}: {part!r} is no input, output or weight of a layer")


def _number(value: object, where: str) -> float:
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if math.isfinite(number):
            return number
    raise UsageError(f"{where}: {value!r} is no number")
