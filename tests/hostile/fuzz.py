"""Mutated files of every kind that is read: ``python -m tests.hostile.fuzz --minutes 10`` (``make fuzz``).

Each is read as the command line reads it. It is read, or refused by an error of ours of one short line, in ten seconds
and a gigabyte; nothing is run, and no file is written outside of TMPDIR.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import random
import resource
import signal
import sys
import tempfile
import time
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from qnnsolve.errors import QnnSolveError
from qnnsolve.facts.table_reading import load_table
from qnnsolve.facts.table_writing import dump_table
from qnnsolve.facts.tables import shipped_tables
from qnnsolve.facts.user_file import read_user_facts
from qnnsolve.models.files import LoadedModel, load_model
from qnnsolve.models.references import FileRef
from qnnsolve.models.samples import calibration_samples
from qnnsolve.models.tracing import exported
from qnnsolve.pipeline import solve
from qnnsolve.runs import load_run
from tests.hostile.tampering import archive, members, zipped

SECONDS = 10
MEMORY = 2**30
CODE = "__import__('pathlib').Path('ran').touch()"
STRANGE: tuple[Any, ...] = (
    None, True, -1, 0, 2**31, 2**63, 10**40, 1e308, float("nan"), "", "x" * 10_000, "caf\udce9", "\0", CODE, f'"{CODE}',
    f"x: {CODE}", "../../x", [], {}, [[]], {"as_int": -1}, {"as_expr": {"expr_str": CODE}}, "torch.os.system",
    "u99999999999",
)  # fmt: skip
FACTS = """format = 1
[[forbid]]
op = "Softmax"
port = "out[0]"
codes = ["u8"]
why = "x"
[[fixed]]
op = "Softmax"
port = "out[0]"
code = "u8"
scale = 0.00390625
zero_point = 0
why = "y"
"""


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


def _read_model(path: Path) -> None:
    loaded = load_model(FileRef(path.name, path))
    if loaded.example_inputs is not None:
        exported(loaded.model, loaded.example_inputs)


def _read_samples(path: Path) -> None:
    calibration_samples(LoadedModel("m", nn.ReLU(), (torch.zeros(2, 3),), ("x",)), FileRef(path.name, path))


def _kept_run() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "run.qnn")
        solve(nn.ReLU(), (torch.zeros(2, 3),), save=path)
        return path.read_bytes()


def seeds() -> dict[str, tuple[bytes, Callable[[bytes, random.Random], bytes], Callable[[Path], object]]]:
    """By file name: a genuine file, how it is mutated, and how it is read."""
    pt, npz = io.BytesIO(), io.BytesIO()
    torch.save([(torch.zeros(2, 3),), {"x": torch.ones(2, 3)}], pt)
    np.savez(npz, x=np.zeros((4, 3), np.float32))
    table = dump_table(shipped_tables("htp")["Softmax"])

    def of_table(data: bytes, rng: random.Random) -> bytes:
        return json.dumps(of_json(json.loads(data), rng)).encode() if rng.random() < 0.8 else of_bytes(data, rng)

    return {
        "m.pt2": (archive(), of_archive, _read_model),
        "x.pt": (pt.getvalue(), of_bytes, _read_samples),
        "x.npz": (npz.getvalue(), of_bytes, _read_samples),
        "facts.toml": (FACTS.encode(), of_bytes, lambda path: read_user_facts([path])),
        "Softmax.json": (table.encode(), of_table, load_table),
        "run.qnn": (_kept_run(), of_bytes, load_run),
    }


class TooLong(BaseException):
    """Reading took longer than it may."""


def _alarm(*_: object) -> None:
    raise TooLong


def fuzz(seed: int, rounds: int | None, minutes: float = 0.0) -> int:
    """So many files, or as many as there is time for; how many were refused. In the working directory.

    Raises:
        AssertionError: one did what no file may; its bytes are kept in TMPDIR as ``failed-<name>``.
    """
    rng, genuine = random.Random(seed), seeds()
    end, done, refused = time.monotonic() + 60 * minutes, 0, 0
    signal.signal(signal.SIGALRM, _alarm)
    before = set(Path().iterdir())
    while done < rounds if rounds is not None else time.monotonic() < end:
        done += 1
        name = rng.choice([*genuine, "m.pt2", "m.pt2"])
        data, mutate, read = genuine[name]
        path = Path(name)
        path.write_bytes(mutate(data, rng))
        signal.alarm(SECONDS)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                read(path)
        except QnnSolveError as error:
            refused += 1
            assert len(str(error)) < 2_000, f"{name}, seed {seed}, {done}: {len(str(error))} characters"
        except BaseException as error:
            kept = Path(tempfile.gettempdir(), f"failed-{name}")
            kept.write_bytes(path.read_bytes())
            raise AssertionError(f"{name}, seed {seed}, file {done}: {type(error).__name__}: {error}") from error
        finally:
            signal.alarm(0)
        path.unlink(missing_ok=True)
        assert set(Path().iterdir()) == before, (
            f"{name}, seed {seed}, file {done} wrote {set(Path().iterdir()) - before}"
        )
    return refused


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=int(time.time()) // 86_400, help="default: the day's")
    given = parser.parse_args()
    at_first = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        refused = fuzz(given.seed, None, given.minutes)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - at_first) * 1024
    assert grown < MEMORY, f"{grown:,} bytes of memory"
    print(f"seed {given.seed}: {refused} files refused, the others read; {grown / 2**20:.0f} MB", file=sys.stdout)


if __name__ == "__main__":
    main()
