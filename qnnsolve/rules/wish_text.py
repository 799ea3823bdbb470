"""Wishes as people type them: ``WHERE=WHAT``, as in ``layers.0=16a8w`` or ``type:LayerNorm@out=u16``."""

from __future__ import annotations

import contextlib
import math
import re
from typing import Any

import attrs

from qnnsolve.encodings import Encoding
from qnnsolve.errors import UsageError, suggestion
from qnnsolve.rules.asking_places import is_question, read_place
from qnnsolve.rules.patterns import compiled
from qnnsolve.rules.request import PRECISIONS, Granularity
from qnnsolve.rules.wishes import By, Strength, What, Where, Wish, check_port

__all__ = ["parse_what", "parse_where", "parse_wish", "wish_of"]

_PREFIXES = {by.value: by for by in (By.NODE, By.OP, By.MODULE, By.TYPE, By.REGEX)}
_WIDTHS = re.compile(r"(?:(8|16|fp16)a)?(?:([248]|16)w(_block)?)?")
_PLAIN = {name: Encoding.of_name(name) for name in ("u8", "u16", "s8", "s16", "s4", "u8sym", "u16sym")}
_WORDS = (*PRECISIONS, "8a", "16a", "2w", "4w", "8w", "16w", "tensor", "channel", "block", "symmetric", "affine", "cpu")


def parse_wish(text: str, strength: Strength, words: str) -> Wish:
    """The wish ``WHERE=WHAT``.

    ``WHERE`` is ``*``, the name of a node, an op, a module or a type of modules (``node:``, ``op:``, ``module:``,
    ``type:`` in front say which; ``re:`` is a pattern in a module's path), or a question whose first variable stands
    for the nodes (``node(N, "LayerNorm"), feeds(N, S), node(S, "Softmax")``); and a port of it: ``@weight``, ``@out``,
    ``@in[0]``. ``WHAT`` is a preset (``16a8w``), widths (``16a``, ``4w``), ``tensor``, ``channel`` or ``block=32`` for
    a weight's scales, ``symmetric`` or ``affine`` for activations, an encoding (``u16``), ``cpu``, or several of them
    between commas.

    Raises:
        UsageError: it is not of this form; names the nearest word.
    """
    if is_question(text):
        question, port, said = read_place(text, words)
        where, equals, what = f"{question}@{port}" if port else question, "=" * (said is not None), said or ""
    else:
        where, equals, what = text.partition("=")
    if not equals or not where.strip() or not what.strip():
        raise UsageError(f"{words}: a wish is WHERE=WHAT, like layers.0=16a8w, not '{text}'")
    return wish_of(where, what, strength, words)


def wish_of(where: str, what: str, strength: Strength, words: str) -> Wish:
    """The wish for ``what`` at ``where``, both as people type them.

    Raises:
        UsageError: they cannot be; names the nearest word.
    """
    wish = Wish(parse_where(where.strip(), words), parse_what(what.strip(), words), words, strength)
    if wish.what.cpu and strength is Strength.PREFER:
        raise UsageError(f"{words}: nothing prefers the CPU; pin it there")
    return wish


_DOTTED = re.compile(r"(?P<where>.+)\.(?P<port>weight|out\[\d+\]|in\[\d+\])")
"""A place as questions have it, ``conv.weight``; ``conv.out`` may be a module."""


def parse_where(text: str, words: str) -> Where:
    """The place ``text``: ``WHERE``, ``WHERE@PORT``, or ``WHERE.PORT`` where no module can be called so.

    Raises:
        UsageError: a pattern that is none, a question that cannot be asked of a graph, or a port that cannot be.
    """
    if is_question(text):
        question, port, what = read_place(text, words)
        if port:
            check_port(port, words)
        if what is not None:
            raise UsageError(f"{words}: a place has no '=' behind its question")
        return Where(By.QUESTION, question, port)
    text, at, port = text.partition("@")
    if at:
        check_port(port, words)
    prefix, colon, key = text.partition(":")
    if text in ("*", ""):
        return Where(By.ALL, "", port)
    by = _PREFIXES.get(prefix) if colon else None
    if by is None:
        dotted = None if at else _DOTTED.fullmatch(text)
        return Where(By.ANY, text, port) if dotted is None else Where(By.ANY, dotted["where"], dotted["port"])
    if by is By.REGEX:
        try:
            compiled(key)
        except ValueError as error:
            raise UsageError(f"{words}: '{key}' is no regular expression: {error}") from error
    return Where(by, key, port)


def parse_what(text: str, words: str) -> What:
    """What is asked for, from words between commas.

    Raises:
        UsageError: an unknown word; names the nearest.
    """
    said: dict[str, Any] = {}
    for word in (each.strip() for each in text.split(",")):
        for key, value in _meaning(word, words).items():
            if said.setdefault(key, value) != value:
                raise UsageError(f"{words}: '{text}' asks for two things at once ({said[key]} and {value})")
    return What(**said)


def _meaning(word: str, words: str) -> dict[str, Any]:
    name, equals, value = word.partition("=")
    widths = _WIDTHS.fullmatch(word)
    if word and widths is not None:
        return _widths(*widths.groups())
    if word in ("tensor", "channel", "block"):
        return {"granularity": Granularity(word)}
    if word in ("symmetric", "affine"):
        return {"symmetric": word == "symmetric"}
    if word in ("cpu", "float"):
        return {"cpu": True}
    if word in _PLAIN:
        return {"encoding": _PLAIN[word]}
    if equals and name == "block":
        return {"granularity": Granularity.BLOCK, "block_size": _block_size(value, words)}
    if equals and name in ("observer", "weight_observer"):
        return {name: value}
    if equals and name == "eps":
        return {"eps": _step(value, words)}
    if equals and name in _PLAIN:
        return {"encoding": _fixed(_PLAIN[name], value, words)}
    with contextlib.suppress(ValueError):
        return {"encoding": Encoding.of_name(word)}
    raise UsageError(f"{words}: unknown wish '{word}': {suggestion(word, (*_WORDS, *_PLAIN, 'block=32'))}")


def _widths(activation: str | None, weight: str | None, block: str | None) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if activation is not None:
        said["activation"] = 0 if activation == "fp16" else int(activation)
    if weight is not None:
        said["weight"] = int(weight)
    if block is not None:
        said["granularity"] = Granularity.BLOCK
    return said


def _block_size(text: str, words: str) -> tuple[int, ...]:
    sizes = text.split("x")
    if not all(size.isdecimal() and int(size) > 0 for size in sizes):
        raise UsageError(f"{words}: a block size is like 32, or 1x32x1x1 with one size per dimension, not '{text}'")
    return tuple(map(int, sizes))


def _step(text: str, words: str) -> float:
    with contextlib.suppress(ValueError):
        step = float(text)
        if math.isfinite(step) and step > 0:
            return step
    raise UsageError(f"{words}: a least scale is like eps=1e-6, not '{text}'")


def _fixed(encoding: Encoding, text: str, words: str) -> Encoding:
    scale, _, zero_point = text.partition(":")
    try:
        step, zero = float(scale), int(zero_point or 0)
    except ValueError:
        step, zero = math.nan, 0
    if not (math.isfinite(step) and step > 0):
        raise UsageError(f"{words}: a scale and zero point are like u8=0.02:128, not '{text}'")
    low, high = encoding.quant_min, encoding.quant_max
    if low is None or high is None or not low <= zero <= high:
        raise UsageError(f"{words}: zero point {zero} is outside of {low}..{high}")
    return attrs.evolve(encoding, scale=step, zero_point=zero)
