"""How whole and near the larger example models come out: ``python -m benchmarks.larger_models --out results.jsonl``.

Each model of :mod:`examples.more_models` is exported for each SoC and precision, and run on the emulator. The table has
the delegates, the ops on the CPU (as found in the program, of those as many as were named before lowering), the largest
error against the converted model in percent of the output's range, and the SQNR against the float model of the emulator
and of the converted model: where the two agree, an error is rounding. What ``--out`` has already is not measured again.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import examples.more_models
from qnnsolve import export
from qnnsolve.errors import QnnSolveError
from qnnsolve.host.quiet import quiet
from qnnsolve.results import Placement

MODELS = ("swin", "llama", "convnext", "segformer", "mobilevit")
CONFIGS = ("SM8750:16a8w", "SM8350:16a8w", "SM8750:8a8w")

Record = dict[str, Any]


def measured(name: str, soc: str, precision: str) -> Record:
    """One row: what became of the model, or the ``error`` that ended its export."""
    record: Record = {"model": name, "soc": soc, "precision": precision}
    model, inputs, calibration = getattr(examples.more_models, name)()
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        try:
            result = export(
                model,
                inputs,
                out=Path(folder) / "model.pte",
                soc=soc,
                precision=precision,
                calibration=calibration,
                strict=False,
            )
        except QnnSolveError as error:
            return record | {"error": str(error)}
    predicted = {node.name for node in result.solve.nodes if node.placement is Placement.CPU}
    found = [op.name for op in result.cpu_ops]
    record |= {"delegates": result.delegates, "cpu": found, "predicted": sorted(predicted & set(found))}
    if (verification := result.verification) is not None:
        record |= {"max_rel": verification.emulator_vs_converted_max_rel, "emulator_db": verification.sqnr_db}
        own = [check.converted.worst for check in verification.outputs if check.converted is not None]
        record |= {
            "converted_db": min(own, default=math.inf),
            "verdict": verification.verdict and verification.verdict.value,
        }
    return record | {"seconds": round(time.monotonic() - start)}


def table(records: Iterable[Record]) -> str:
    """The records as a table in Markdown."""
    lines = [
        "| model | SoC | precision | delegates | CPU ops, predicted | error | verdict | SQNR | converted SQNR |",
        "|---" * 9 + "|",
    ]
    for record in records:
        cells = [record["model"], record["soc"], record["precision"]]
        if "error" in record:
            cells += [record["error"], "", "", "", "", ""]
        else:
            cells += [record["delegates"], f"{len(record['cpu'])}, {len(record['predicted'])}"]
            cells += [
                f"{record['max_rel']:.2%}",
                record.get("verdict", ""),
                f"{record['emulator_db']:.1f} dB",
                f"{record['converted_db']:.1f} dB",
            ]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def key(record: Record) -> tuple[str, str, str]:
    """What one result stands for."""
    return record["soc"], record["precision"], record["model"]


def main() -> None:
    """Measure what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--configs", nargs="+", default=CONFIGS, metavar="SOC:PRECISION")
    parser.add_argument("--out", type=Path, required=True, help="results, one JSON object per line")
    options = parser.parse_args()
    lines = options.out.read_text(encoding="utf-8").splitlines() if options.out.exists() else []
    done = {key(record): record for record in map(json.loads, lines)}
    wanted = [(*config.split(":"), name) for config in options.configs for name in options.models]
    for soc, precision, name in wanted:
        if (soc, precision, name) in done:
            continue
        with quiet():
            record = measured(name, soc, precision)
        done[key(record)] = record
        with options.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
    print(table(done[each] for each in wanted))


if __name__ == "__main__":
    main()
