"""Mutated files of every kind that is read: ``python -m tests.hostile.fuzz --minutes 10`` (``make fuzz``).

Each is read as the command line reads it, in a process that is watched. It is read, or refused by one line of ours
in ten seconds and a gigabyte; nothing is run (a canary tells), and no file is written outside of TMPDIR or
left there.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

from qnnsolve.errors import QnnSolveError

ROOT = Path(__file__).parents[2]
CANARY = "from pathlib import Path\nPath('ran').touch()\n"
NO_MEMORY = ("allocate memory", "not enough memory", "bad_alloc", "Cannot allocate")


def work(root: Path, seed: int, rounds: int, minutes: float) -> None:
    """Read so many files (or as many as there is time for) in ``root``, and print what came of them.

    Raises:
        AssertionError: one did what no file may; it stands in ``root/files``.
    """
    from tests.hostile.kinds import kinds
    from tests.hostile.watching import Watch

    (root / "canary_module.py").write_text(CANARY)
    model = root / "genuine.pt2"
    found = kinds(model)
    model.write_bytes(found["model"].genuine)
    names = [name for name, kind in found.items() for _ in range(kind.weight)]
    warnings.simplefilter("ignore")
    for kind in found.values():  # what is imported late is imported now
        path = root / "files" / kind.name
        path.write_bytes(kind.genuine)
        kind.read(path)
        path.unlink()
    watch, rng = Watch(root), random.Random(seed)
    end, done, refused = time.monotonic() + 60 * minutes, 0, 0
    while done < rounds or time.monotonic() < end:
        done += 1
        name = rng.choice(names)
        kind = found[name]
        path = root / "files" / kind.name
        path.write_bytes(kind.mutate(kind.genuine, rng))
        try:
            with watch.over():
                kind.read(path)
        except QnnSolveError as error:
            refused += 1
            text, wanted = str(error), _wanted_memory(error)
            assert len(text) < 2_000 and "\n" not in text, f"{name}, file {done}: {text[:3_000]!r}"
            assert not wanted, f"{name}, file {done} takes more than a gigabyte: {text}"
        except BaseException as error:
            raise AssertionError(f"{name}, file {done}: {type(error).__name__}: {error}") from error
        path.unlink(missing_ok=True)
    print(f"seed {seed}: {done} files, {refused} of them refused, the others read")


def _wanted_memory(error: BaseException | None) -> bool:
    """Whether it was raised since there was no more memory."""
    while error is not None:
        if isinstance(error, MemoryError) or any(each in str(error) for each in NO_MEMORY):
            return True
        error = error.__cause__
    return False


def fuzz(seed: int, rounds: int = 0, minutes: float = 0.0) -> str:
    """What a process says that does the :func:`work`.

    Raises:
        AssertionError: a file did what none may, or ended that process; it is kept in TMPDIR as ``failed-<name>``.
    """
    with tempfile.TemporaryDirectory() as folder:
        for name in ("tmp", "home", "files"):
            Path(folder, name).mkdir()
        around = {"HOME": f"{folder}/home", "TMPDIR": f"{folder}/tmp", "PYTHONPATH": f"{ROOT}:{folder}"}
        around |= {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1", "QNN_SDK_ROOT": ""}
        command = [sys.executable, "-m", "tests.hostile.fuzz", "--work", folder]
        command += ["--seed", str(seed), "--rounds", str(rounds), "--minutes", str(minutes)]
        done = subprocess.run(command, cwd=folder, env=os.environ | around, capture_output=True, text=True)
        if done.returncode:
            kept = [shutil.copy(path, Path(tempfile.gettempdir(), f"failed-{path.name}")) for path in _files(folder)]
            raise AssertionError(f"seed {seed}, kept {kept}, exit code {done.returncode}:\n{done.stderr[-5_000:]}")
    return done.stdout.strip().splitlines()[-1]


def _files(folder: str) -> list[Path]:
    return list(Path(folder, "files").iterdir())


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--seed", type=int, default=int(time.time()) // 86_400, help="default: the day's")
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work is not None:
        work(given.work, given.seed, given.rounds, given.minutes)
    else:
        print(fuzz(given.seed, given.rounds, given.minutes))


if __name__ == "__main__":
    main()
