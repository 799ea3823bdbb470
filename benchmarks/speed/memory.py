"""One process: the export of a decoder of 500 million parameters, without the emulator; prints a line of JSON.

Megabytes are the most that the process had in memory by the end of each stage, and its largest child, as the compiler
is one.
"""

from __future__ import annotations

import json
import logging
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.speed.models import decoder
from qnnsolve.host.quiet import quiet

LAYERS, WIDTH, HIDDEN, HEADS, KEYS, VOCABULARY = 22, 1024, 5504, 16, 8, 32_000


def measured() -> dict[str, Any]:
    """Parameters, seconds of the wall, and megabytes by stage."""
    from qnnsolve import export

    model, inputs = decoder(LAYERS, WIDTH, heads=HEADS, keys=KEYS, hidden=HIDDEN, vocabulary=VOCABULARY)
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "model.pte"
        found = export(model, inputs, soc="SM8750", precision="16a8w", out=out, verify=False, cache=False)
    return {
        "parameters": sum(each.numel() for each in model.parameters()),
        "seconds": time.perf_counter() - begun,
        "peaks": list(found.peaks),
        "pte_mb": found.pte_bytes >> 20,
    }


def main() -> None:
    """Measure it."""
    logging.disable(logging.WARNING)
    with quiet():
        found = measured()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
