"""Signals at random moments of a whole export: ``python -m tests.hostile.signals --count 40`` (``make signals``).

Whenever they come, and also where they come twice, the old program or the new one is there afterwards, whole. Nothing
else is left, no child lives on, and the exit code is that of the first signal.
"""

from __future__ import annotations

import argparse
import operator
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import attrs

ROOT = Path(__file__).parents[2]
NET = "import torch\ndef net(): return torch.nn.Linear(4, 2), (torch.ones(1, 4),)\n"
COMMAND = ("-m", "qnnsolve", "export", "nets.py:net", "--soc", "SM8750", "--out", "out.pte")
STARTING = 0.3
"""Seconds after which Python is sure to have got to the command; until then it is Python that ends."""
ENDING = 60.0
"""Seconds in which an interrupted command has to be gone."""
GONE = 1.0
"""Seconds in which Linux takes down a child that was killed: a second signal may end the wait for it."""


@attrs.frozen
class Signals:
    """So many seconds after the start, one signal; and where there are two, the other one so long after it."""

    after: float
    numbers: tuple[signal.Signals, ...]
    gap: float

    @classmethod
    def drawn(cls, rng: random.Random, duration: float) -> Signals:
        """At any moment of an export that takes so long: half of them in its last third, where the program is put."""
        after = rng.uniform(STARTING, duration) if rng.random() < 0.5 else rng.uniform(duration * 2 / 3, duration)
        kinds = [(signal.SIGINT,), (signal.SIGTERM,), (signal.SIGHUP,), (signal.SIGINT,) * 2, (signal.SIGTERM,) * 2]
        kinds += [(signal.SIGTERM, signal.SIGINT), (signal.SIGINT, signal.SIGTERM)]
        # Nearer to one another their order is unknown: see qnnsolve.host.stopping.
        return cls(after, rng.choice(kinds), rng.choice((0.02, 0.1, 0.5)))

    def __str__(self) -> str:
        return f"{' and '.join(each.name for each in self.numbers)} after {self.after:.2f} s, {self.gap:g} s apart"


class Exports:
    """Exports of one small model over an old program, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("tmp", "home"):
            (folder / name).mkdir()
        (folder / "nets.py").write_text(NET)
        start = time.monotonic()
        code, err = self._run(None)
        assert code == 0, err
        self.duration = time.monotonic() - start
        self.new = (folder / "out.pte").read_bytes()

    def interrupted(self, signals: Signals) -> str:
        """What came of it, in words.

        Raises:
            AssertionError: it is not as it should be.
        """
        (self.folder / "out.pte").write_bytes(b"old")
        code, err = self._run(signals)
        told = f"{signals}: exit code {code}, {err!r}"
        assert code in (0, 128 + signals.numbers[0]), told
        lines = [line for line in err.splitlines() if line]
        assert lines == ([] if code == 0 else ["error: interrupted"]), told
        found = (self.folder / "out.pte").read_bytes()
        assert self._is_new(found) or (found == b"old" and code), f"{told}: {len(found)} bytes in the program"
        self._check_nothing_left(told)
        return f"{signals}: exit code {code}, the {'old' if found == b'old' else 'new'} program"

    def _is_new(self, found: bytes) -> bool:
        """Whole. QNN writes 50 bytes that differ from time to time."""
        return len(found) == len(self.new) and sum(map(operator.ne, found, self.new)) < 200

    def _check_nothing_left(self, told: str) -> None:
        left = {str(path.relative_to(self.folder)) for path in self.folder.rglob("*")}
        assert left == {"tmp", "home", "nets.py", "out.pte"}, f"{told}: left {left}"
        deadline = time.monotonic() + GONE
        while (alive := [pid for pid in Path("/proc").glob("[0-9]*") if self._is_ours(pid)]) and (
            time.monotonic() < deadline
        ):
            time.sleep(0.02)
        assert alive == [], f"{told}: still running {alive}"

    def _is_ours(self, process: Path) -> bool:
        try:
            return str(self.folder).encode() in (process / "environ").read_bytes()
        except OSError:  # gone, or somebody else's
            return False

    def _run(self, signals: Signals | None) -> tuple[int, str]:
        mine = {"PYTHONPATH": str(ROOT), "QNN_SDK_ROOT": "", "PYTHONDONTWRITEBYTECODE": "1"}
        mine |= {"TMPDIR": str(self.folder / "tmp"), "HOME": str(self.folder / "home"), "QNNSOLVE_CACHE": ""}
        command = [sys.executable, *COMMAND]
        # A child of what ignores a signal (in the background, under nohup) ignores it, too.
        before = {each: signal.signal(each, signal.default_int_handler) for each in (signal.SIGINT, signal.SIGHUP)}
        try:
            with (self.folder / "home" / "err").open("w+b") as err:
                around = os.environ | mine
                child = subprocess.Popen(command, cwd=self.folder, env=around, stdout=subprocess.DEVNULL, stderr=err)
                with child:
                    try:
                        if signals is not None:
                            self._send(child, signals)
                        code = child.wait(ENDING if signals else None)
                    finally:
                        child.kill()
                err.seek(0)
                text = err.read().decode()
            (self.folder / "home" / "err").unlink()
            return code, text
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _send(self, child: subprocess.Popen[bytes], signals: Signals) -> None:
        time.sleep(signals.after)
        for number in signals.numbers:
            child.send_signal(number)
            time.sleep(signals.gap)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--seed", type=int, default=int(time.strftime("%Y%m%d")), help="default: the day's")
    given = parser.parse_args()
    rng = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as folder:
        exports = Exports(Path(folder))
        print(f"seed {given.seed}; an export takes {exports.duration:.1f} s", flush=True)
        for number in range(given.count):
            print(f"{number + 1}: {exports.interrupted(Signals.drawn(rng, exports.duration))}", flush=True)


if __name__ == "__main__":
    main()
