"""One process: a model's export, and the same again: ``python -m benchmarks.speed.exporting MODEL`` prints JSON.

``MODEL`` is one of ``examples/models.py``. The second export finds the first one's program (``--cache``), and compiles
nothing. Seconds are of the wall: the compiler is a process of its own.
"""

from __future__ import annotations

import importlib
import json
import logging
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from qnnsolve.host.quiet import quiet

SOC, PRECISION = "SM8750", "8a8w"


def measured(name: str) -> dict[str, Any]:
    """Seconds of each stage, the first time and the second."""
    from qnnsolve import export

    model, inputs, *samples = getattr(importlib.import_module("examples.models"), name)()
    calibration = list(samples[0]) if samples else None
    rounds = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(2):
            begun = time.perf_counter()
            found = export(
                model,
                inputs,
                soc=SOC,
                precision=PRECISION,
                out=Path(folder) / "model.pte",
                calibration=calibration,
                cache=Path(folder) / "kept",
            )
            rounds.append({"whole": time.perf_counter() - begun, **dict(found.timings)})
    return {"model": name, "rounds": rounds}


def main() -> None:
    """Measure the model that is named."""
    logging.disable(logging.WARNING)
    with quiet():
        found = measured(sys.argv[1])
    print(json.dumps(found))


if __name__ == "__main__":
    main()
