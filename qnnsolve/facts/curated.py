"""Curated facts: what a sweep over dtypes cannot tell, read from ``data/<backend>/curated.toml``."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import attrs

from qnnsolve.errors import FactsError
from qnnsolve.facts import backends
from qnnsolve.sources import Source, SourceKind

__all__ = [
    "SECTIONS",
    "Curated",
    "DerivedScale",
    "FixedEncoding",
    "LeastFactor",
    "NarrowMultiplier",
    "curated",
    "parse",
]


@attrs.frozen
class DerivedScale:
    """The scale at port ``port`` is the product of those at ``sources`` (port names).

    ``largest``: how many steps a value there may lie from zero, by the bits of the output.
    """

    port: str
    sources: tuple[str, ...]
    source: Source
    largest: Mapping[int, float] = attrs.field(factory=dict)


@attrs.frozen
class FixedEncoding:
    """At ``port``, a tensor of port code ``code`` has this scale (real units per step) and zero point.

    The scale may be halved up to ``halvings`` times, for what is smaller than the whole range. ``case`` is the one case
    of the operator's table that it holds for; None: all those that have no fact of their own.
    """

    port: str
    code: str
    scale: float
    zero_point: int
    source: Source
    halvings: int = attrs.field(default=0, validator=attrs.validators.ge(0))
    case: str | None = None


@attrs.frozen
class NarrowMultiplier:
    """Before arch ``until``, ``ops`` bring an accumulator to their output's scale with ``bits`` significant bits."""

    ops: tuple[str, ...]
    until: str
    bits: int
    source: Source


@attrs.frozen
class LeastFactor:
    """For products of ``width`` bits with weights of at most ``bits`` bits, input scale x weight scale / output
    scale must be ``least`` or more.

    Where an op of ``fused`` follows, the compiler has the product write that op's output: then its scale counts.
    """

    least: float
    width: int
    bits: int
    fused: tuple[str, ...]
    source: Source


@attrs.frozen
class Curated:
    """All curated facts of a backend, by operator (or by aten target, or by port code)."""

    invariant: Mapping[str, tuple[tuple[str, ...], Source]]
    """Operator -> ports that carry one encoding."""
    one_dtype: Mapping[str, Source]
    derived: Mapping[str, DerivedScale]
    fixed: Mapping[str, tuple[FixedEncoding, ...]]
    symmetric: Mapping[tuple[str, str], tuple[frozenset[str], Source]]
    """(op, port) -> port codes that must be symmetric there."""
    at_least: Mapping[tuple[str, str], tuple[Mapping[str, float], Source]]
    """(op, port) -> smallest scale (real units per step) that the backend computes right, by port code."""
    no_convert_after: Mapping[str, Source]
    since: Mapping[str, tuple[str, Source]]
    """Port code -> first HTP arch that computes it right."""
    multiplier: tuple[NarrowMultiplier, ...] = ()
    least_factor: Mapping[str, tuple[LeastFactor, ...]] = attrs.field(factory=dict)


@functools.cache
def curated(backend: str) -> Curated:
    """The shipped curated facts of ``backend``; empty where it has none.

    Raises:
        UnknownNameError: there is no such backend.
        FactsError: the file is malformed.
    """
    folder = backends.backend(backend).data
    path = None if folder is None else folder / "curated.toml"
    if path is None or not path.is_file():
        return _curated({section: [] for section in SECTIONS})
    return parse(path.read_text(encoding="utf-8"), str(path))


SECTIONS = tuple(field.name for field in attrs.fields(Curated))
"""Kinds of curated facts: the sections of the file, in the order in which they are shown."""


def parse(text: str, path: str) -> Curated:
    """Curated facts from TOML ``text``; ``path`` is only named in errors.

    Raises:
        FactsError: not TOML, another format, an unknown section, or an entry without a field it needs.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FactsError(path, f"not TOML: {error}") from error
    unknown = set(data) - set(SECTIONS) - {"format", "backend"}
    if data.get("format") != 1 or unknown:
        raise FactsError(
            path, f"unknown section '{min(unknown)}'" if unknown else "not a curated facts file of format 1"
        )
    try:
        return _curated({section: data.get(section, []) for section in SECTIONS})
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FactsError(path, f"malformed entry: {type(error).__name__} {error}") from error


def _curated(data: dict[str, list[dict[str, Any]]]) -> Curated:
    fixed: dict[str, list[FixedEncoding]] = {}
    least_factor: dict[str, list[LeastFactor]] = {}
    for entry in data["least_factor"]:
        for op in entry["ops"]:
            least_factor.setdefault(op, []).append(_least_factor(entry))
    for entry in data["fixed"]:
        for op in entry["ops"]:
            for code, value in entry["codes"].items():
                found = FixedEncoding(entry["port"], code, source=_source(entry), case=entry.get("case"), **value)
                fixed.setdefault(op, []).append(found)
    return Curated(
        invariant={
            op: (tuple(entry.get("ports", ("in[0]", "out[0]"))), _source(entry))
            for entry in data["invariant"]
            for op in entry["ops"]
        },
        one_dtype={op: _source(entry) for entry in data["one_dtype"] for op in entry["ops"]},
        derived={
            op: DerivedScale(
                entry["port"],
                tuple(entry["sources"]),
                _source(entry),
                {int(bits): steps for bits, steps in _scales(entry.get("largest", {})).items()},
            )
            for entry in data["derived"]
            for op in entry["ops"]
        },
        fixed={op: tuple(facts) for op, facts in fixed.items()},
        symmetric={
            (op, entry["port"]): (frozenset(entry["codes"]), _source(entry))
            for entry in data["symmetric"]
            for op in entry["ops"]
        },
        at_least={
            (op, entry["port"]): (MappingProxyType(_scales(entry["codes"])), _source(entry))
            for entry in data["at_least"]
            for op in entry["ops"]
        },
        no_convert_after={target: _source(entry) for entry in data["no_convert_after"] for target in entry["targets"]},
        since={entry["code"]: (entry["arch"], _source(entry)) for entry in data["since"]},
        multiplier=tuple(
            NarrowMultiplier(tuple(entry["ops"]), entry["until"], int(entry["bits"]), _source(entry))
            for entry in data["multiplier"]
        ),
        least_factor={op: tuple(facts) for op, facts in least_factor.items()},
    )


def _least_factor(entry: dict[str, Any]) -> LeastFactor:
    width, bits = int(entry["width"]), int(entry["bits"])
    return LeastFactor(float(entry["least"]), width, bits, tuple(entry["fused"]), _source(entry))


def _scales(codes: dict[str, Any]) -> dict[str, float]:
    scales = {code: float(scale) for code, scale in codes.items()}
    if not all(scale > 0 for scale in scales.values()):
        raise ValueError("a number is not positive")
    return scales


def _source(entry: dict[str, Any]) -> Source:
    return Source(SourceKind(entry["kind"]), entry["citation"])
