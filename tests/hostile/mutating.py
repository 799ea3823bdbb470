"""Genuine files, changed at random: their bytes, their JSON, their members, their words."""

from __future__ import annotations

import json
import random
import zipfile
from typing import Any

from tests.hostile.tampering import members, zipped

__all__ = ["of_archive", "of_bytes", "of_json_text", "of_text"]

CODE = "__import__('pathlib').Path('ran').touch()"
STRANGE: tuple[Any, ...] = (
    None, True, -1, 0, 2**31, 2**63, 10**40, 1e308, float("nan"), "", "x" * 10_000, "caf\udce9", "\0", CODE, f'"{CODE}',
    f"x: {CODE}", "../../x", [], {}, [[]], {"as_int": -1}, {"as_expr": {"expr_str": CODE}}, "torch.os.system",
    "u99999999999",
)  # fmt: skip

WORDS = (
    b"!!python/object/apply:os.system [touch ran]", b"&a [*a, *a, *a]", b"*a", b"<<: *a", b"? {x: y}", b"---",
    b"[" * 5_000, b"{a: " * 2_000, b"1e999999999", b"9" * 5_000, b"0x" + b"f" * 5_000, b"1979-05-27T07:32:00Z",
    b"'" + b"x" * 100_000 + b"'", b'"""', b"\\", b"!!binary x", b"\0", b"re:(a+)+$", b"re:((", b"*=16a8w", b"null",
    b"[a: 1, a: 2]", b"/dev/zero", b"nan", b"-inf", b"~", b"\xff\xfe",
)  # fmt: skip


def of_json(value: Any, rng: random.Random) -> Any:
    """``value`` with one place in it changed."""
    if isinstance(value, dict) and value and rng.random() < 0.95:
        key = rng.choice(sorted(value))
        changed = {**value, key: of_json(value[key], rng)}
        if rng.random() < 0.05:
            changed[str(rng.choice(STRANGE))] = changed.pop(key)
        return changed
    if isinstance(value, list) and value and rng.random() < 0.95:
        at = rng.randrange(len(value))
        return [*value[:at], of_json(value[at], rng), *value[at + 1 :]]
    return rng.choice(STRANGE)


def of_bytes(data: bytes, rng: random.Random) -> bytes:
    """``data`` with some bytes changed, left out or doubled."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        at = rng.randrange(max(len(changed), 1))
        match rng.randrange(4):
            case 0:
                changed[at : at + 1] = bytes((rng.randrange(256),))
            case 1:
                del changed[at : at + rng.choice((1, 4, 1000))]
            case 2:
                changed[at:at] = changed[at : at + rng.choice((1, 4, 100))]
            case _:
                changed[at : at + 4] = rng.choice((b"\xff\xff\xff\x7f", b"\0\0\0\0", b"\xff\xff\xff\xff"))
    return bytes(changed)


def of_archive(data: bytes, rng: random.Random) -> bytes:
    """An archive with one member changed: its JSON, its bytes, its name."""
    if rng.random() < 0.15:
        return of_bytes(data, rng)
    content = members(data)
    name = rng.choice([each for each in content for _ in range(20 if each.endswith(".json") else 1)])
    if name.endswith(".json") and rng.random() < 0.9:
        content[name] = json.dumps(of_json(json.loads(content[name]), rng)).encode()
    elif rng.random() < 0.8:
        content[name] = of_bytes(content[name], rng)
    else:
        content[str(rng.choice(("../x", "data/aotinductor/m.so", name.upper(), "extra/x")))] = content.pop(name)
    return zipped(content, rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)))


def of_json_text(data: bytes, rng: random.Random) -> bytes:
    """JSON with one place in it changed, or its bytes."""
    return json.dumps(of_json(json.loads(data), rng)).encode() if rng.random() < 0.8 else of_bytes(data, rng)


def of_text(data: bytes, rng: random.Random) -> bytes:
    """Text with a word or a line of it put elsewhere, doubled very often, or replaced; or its bytes."""
    if rng.random() < 0.3:
        return of_bytes(data, rng)
    between = rng.choice((b" ", b"\n"))
    parts = data.split(between)
    at, to = rng.randrange(len(parts)), rng.randrange(len(parts))
    match rng.randrange(4):
        case 0:
            parts[at], parts[to] = parts[to], parts[at]
        case 1:
            parts[at] = parts[to]
        case 2:
            parts[at:at] = [parts[at]] * rng.choice((1, 30, 20_000))
        case _:
            parts[at] = rng.choice(WORDS)
    return between.join(parts)
