"""ExecuTorch's own op models on the real compiler and emulator: qnnsolve beside QnnQuantizer, in one run.

    python -m benchmarks.op_models --soc SM8750 --precision 8a8w --out results.jsonl
    python -m benchmarks.op_models --out results.jsonl               # every configuration below; resumes
    python -m benchmarks.op_models --match conv --quantizer qnnsolve # some models, again from scratch without --out

The models are the first case of each test in ExecuTorch's installed ``TestQNNQuantizedOperator``
(:mod:`benchmarks.op_model_cases`), each calibrated with its own input. 16a4w and 16a16w differ from 16a8w in weights
only, so there, and on the chips before V73, only models run that have one: a float parameter, or a matrix product.

Each result is a line of JSON in ``--out``; what is there already is not run again, or with ``--refresh`` only where
qnnsolve now gives another quantized model.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from qnnsolve.host.logs import errors_in

CONFIGS = (
    ("SM8750", "8a8w"),
    ("SM8750", "16a8w"),
    ("SM8750", "16a4w"),
    ("SM8750", "16a16w"),
    ("SM8350", "16a8w"),
    ("SM8350", "16a16w"),
    ("SM8450", "16a8w"),
    ("SM8450", "16a16w"),
)
QUANTIZERS = ("qnnsolve", "upstream")
BEFORE_V73 = ("SM8350", "SM8450")
WRONG = 0.01
"""Above this, or after an exception, a model is measured once more in fresh processes, and that counts: ``export``
compiles and runs in fresh ones too. What the used ones had said is kept as ``used``."""
START_SECONDS, COMPILE_SECONDS, RUN_SECONDS = 120.0, 120.0, 60.0
BORDER = "quantizes or dequantizes at the border of a CPU op"

Record = dict[str, Any]


class Worker:
    """A child that answers one job after another; it is started when needed, and again after it died.

    ``command`` is a module and its arguments; none mean that which compiles or runs op models.
    """

    def __init__(self, role: str, folder: Path, *command: str) -> None:
        self.role, self.log = role, folder / f"{role}.log"
        self.command = command or ("benchmarks.op_model_child", role)
        self.process: subprocess.Popen[bytes] | None = None
        self.pending = b""

    def ask(self, job: Mapping[str, Any], seconds: float) -> Record:
        """The child's answer; an ``exception`` where it died or took too long."""
        if self.process is None:
            self._start()
            seconds += START_SECONDS
        assert self.process is not None and self.process.stdin is not None
        log_start = self.log.stat().st_size
        self.process.stdin.write(json.dumps(dict(job)).encode() + b"\n")
        self.process.stdin.flush()
        line = self._line(self.process.stdout, time.monotonic() + seconds)
        if line is not None:
            answer: Record = json.loads(line)
            return answer
        died = self.process.poll() is not None or self._died_soon()
        self.stop()
        what = f"died ({self.code})" if died else f"did not answer within {seconds:g} s"
        with self.log.open("rb") as log:
            log.seek(log_start)
            said = errors_in(log.read().decode(errors="replace"))
        error: Record = {"stage": self.role, "error": f"the child {what}", "backend": said[-1] if said else ""}
        if not died:
            error["limit"] = seconds
        return {"exception": error, "seconds": seconds}

    def stop(self) -> None:
        """Kill the child, if there is one."""
        if self.process is not None:
            with self.process:  # closes its pipes, and waits for it
                self.process.kill()
            self.code = self.process.returncode
            self.process, self.pending = None, b""

    def _died_soon(self) -> bool:
        assert self.process is not None
        try:
            self.process.wait(10)  # torch takes its time to end
        except subprocess.TimeoutExpired:
            return False
        return True

    def _start(self) -> None:
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", *self.command]
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, bufsize=0
            )

    def _line(self, pipe: IO[bytes] | None, deadline: float) -> bytes | None:
        assert pipe is not None
        while b"\n" not in self.pending:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([pipe], [], [], left)[0]:
                return None
            chunk = os.read(pipe.fileno(), 1 << 16)
            if not chunk:
                return None
            self.pending += chunk
        line, _, self.pending = self.pending.partition(b"\n")
        return line


def run(options: argparse.Namespace) -> list[Record]:
    """Every result that ``options`` ask for, those already in ``--out`` included."""
    done = {key(record): record for record in read(options.out)}
    found: list[Record] = []
    for soc in dict.fromkeys(soc for soc, _ in options.configs):
        precisions = [precision for other, precision in options.configs if other == soc]
        with tempfile.TemporaryDirectory(prefix="op-models-") as name:
            compiler, runner = Worker("compile", Path(name)), Worker("run", Path(name))
            try:
                names = compiler.ask({"names": True}, COMPILE_SECONDS)["names"]
                jobs = [
                    (case, precision, quantizer)
                    for precision in precisions
                    for case in names
                    if not options.match or any(word in case for word in options.match)
                    for quantizer in options.quantizers
                ]
                for index, (case, precision, quantizer) in enumerate(jobs):
                    record: Record = {"case": case, "soc": soc, "precision": precision, "quantizer": quantizer}
                    known = done.get(key(record))
                    if known is None or (options.refresh and refreshable(known)):
                        answer = one(
                            {**record, "known": (known or {}).get("fingerprint")}, compiler, runner, Path(name)
                        )
                        if "unchanged" not in answer:
                            done[key(record)] = record | answer
                            write(options.out, done[key(record)])
                            tell(index, len(jobs), done[key(record)])
                    found.append(done[key(record)])
            finally:
                compiler.stop()
                runner.stop()
    return found


def one(job: Record, compiler: Worker, runner: Worker, scratch: Path) -> Record:
    """What comes of a job; done again in fresh children where the first result is suspect."""
    record = once(job, compiler, runner, scratch)
    if not suspect(record):
        return record
    compiler.stop()
    runner.stop()
    fresh = once(job, compiler, runner, scratch)
    used = record["exception"]["error"] if "exception" in record else record["max_rel"]
    return {**fresh, "used": used, "seconds": round(record["seconds"] + fresh["seconds"], 2)}


def refreshable(record: Record) -> bool:
    """Whether another version of qnnsolve may give another result."""
    return record["quantizer"] == "qnnsolve" and "skipped" not in record


def suspect(record: Record) -> bool:
    """Whether a result may come from what the children had done before."""
    if "exception" in record:
        return verdict(record) == "exception"
    return record.get("max_rel") is not None and not record["max_rel"] <= WRONG


def once(job: Record, compiler: Worker, runner: Worker, scratch: Path, patience: float = 1.0) -> Record:
    """What comes of a job in the children that there are; ``patience`` times the limits of time."""
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        weighted = job["soc"] in BEFORE_V73 or job["precision"] in ("16a4w", "16a16w")
        answer = compiler.ask({"weighted_only": weighted, **job, "folder": folder}, patience * COMPILE_SECONDS)
        if answer.keys() & {"exception", "skipped", "unchanged"}:
            return answer
        if answer.get("missing"):
            return {**answer, "max_rel": None, "note": f"no kernel {', '.join(name for name, _ in answer['missing'])}"}
        ran = runner.ask({"folder": folder}, patience * RUN_SECONDS)
    seconds = answer["seconds"] + ran["seconds"]
    return {**answer, **ran, "seconds": round(seconds, 2)}


def late(record: Mapping[str, Any]) -> bool:
    """Whether a child did not answer in time, which says nothing of the model where the machine was busy."""
    return "limit" in record.get("exception", {})


def key(record: Record) -> tuple[str, ...]:
    """What a result is of; a later one replaces an earlier one."""
    return record["soc"], record["precision"], record["case"], record["quantizer"]


def read(path: Path | None) -> list[Record]:
    """The last result of each model there."""
    if path is None or not path.exists():
        return []
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return list({key(record): record for record in records}.values())


def write(path: Path | None, record: Record) -> None:
    """Append to the file of results."""
    if path is not None:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")


def tell(index: int, total: int, record: Record) -> None:
    """One line about a result, on stderr."""
    what = verdict(record)
    rel = record.get("max_rel")
    error = "" if rel is None else f" {rel:.3%}"
    label = f"{record['soc']} {record['precision']} {record['quantizer']} {record['case']}"
    print(f"[{index + 1}/{total}] {label}: {what}{error} ({record['seconds']} s)", file=sys.stderr)


def verdict(record: Record) -> str:
    """One word for how a model came out, as the table counts it."""
    if "skipped" in record:
        return "skipped"
    if "exception" in record:
        return "not exportable" if record["exception"]["stage"] == "export" else "exception"
    on_cpu = {name for name, _, reason in record["cpu_ops"] if reason != BORDER}
    if not record["cpu_ops"]:
        return "delegated" if record["delegates"] else "nothing to run"
    if "predicted" not in record:
        return "partly"
    return "reported" if on_cpu <= {name for name, _, _ in record["predicted"]} else "mispredicted"


def table(records: Iterable[Record]) -> str:
    """How many models came out how, by chip, precision and quantizer; in Markdown."""
    groups: dict[tuple[str, str, str], list[Record]] = {}
    for record in records:
        if verdict(record) not in ("skipped", "not exportable"):
            groups.setdefault((record["soc"], record["precision"], record["quantizer"]), []).append(record)
    columns = ("delegated", "reported", "partly", "mispredicted", "nothing to run", "exception")
    lines = [
        "| SoC | precision | quantizer | n | " + " | ".join(columns) + " | within 1 % | over 1 % | over 5 % |",
        "|---" * (7 + len(columns)) + "|",
    ]
    for (soc, precision, quantizer), group in groups.items():
        counts = [sum(verdict(record) == column for record in group) for column in columns]
        errors = [record["max_rel"] for record in group if record.get("max_rel") is not None]
        bands = [sum(e <= 0.01 for e in errors), sum(e > 0.01 for e in errors), sum(e > 0.05 for e in errors)]
        cells = [soc, precision, quantizer, len(group), *counts, *bands]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def details(records: Sequence[Record]) -> str:
    """What the table counts, by name: everything but models that are delegated whole and within 1 %."""
    lines: list[str] = []
    for record in records:
        word, label = verdict(record), " ".join(key(record))
        if word == "exception":
            error = record["exception"]
            lines.append(f"{label}: exception in {error['stage']}: {error['error']} {error['backend']}".rstrip())
            continue
        if word in ("mispredicted", "reported", "partly"):
            named = {name for name, _, _ in record.get("predicted", ())}
            kept = [op for op in record["cpu_ops"] if op[2] != BORDER]
            shown = kept if word != "mispredicted" else [op for op in kept if op[0] not in named]
            said = {name: why for name, _, why in record.get("predicted", ())}
            listed = "; ".join(f"{name} ({target}): {said.get(name, why)}" for name, target, why in shown)
            lines.append(f"{label}: {word}: {listed}")
        elif word == "delegated" and record.get("predicted"):
            lines.append(f"{label}: delegated, though predicted on the CPU: {[op[0] for op in record['predicted']]}")
        rel = record.get("max_rel")
        if rel is not None and not rel <= 0.01:
            own, chip = record["converted_sqnr_db"], record["sqnr_db"]
            steps = ", ".join(f"{n} steps of {bits} bits" for n, bits in record.get("steps", ()) if bits)
            apart = f"{rel:.3%} ({steps or 'steps unknown'})"
            judged = f", {record['verdict']}" if record.get("verdict") else ""
            lines.append(f"{label}: error {apart}{judged}; SQNR converted {own:.1f} dB, emulator {chip:.1f} dB")
        elif "used" in record:
            used = record["used"]
            before = used if isinstance(used, str) else f"an error of {used:.3%}"
            lines.append(f"{label}: fine in fresh processes, but in used ones: {before}")
    return "\n".join(lines)


def parsed(argv: Sequence[str]) -> argparse.Namespace:
    """The command line, with the pairs of chip and precision that it means."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--soc", action="append", help="chipset; again for more")
    parser.add_argument("--precision", action="append", help="preset; again for more")
    parser.add_argument("--quantizer", choices=(*QUANTIZERS, "both"), default="both")
    parser.add_argument("--match", action="append", help="only models with this in their name; again for more")
    parser.add_argument("--out", type=Path, help="JSON lines, appended to; results in it are not run again")
    parser.add_argument(
        "--refresh", action="store_true", help="quantize what is in --out again, and measure what comes out otherwise"
    )
    parser.add_argument("--report", action="store_true", help="only print what is in --out")
    options = parser.parse_args(argv)
    socs, precisions = options.soc, options.precision
    if socs and precisions:
        options.configs = [(soc, precision) for soc in socs for precision in precisions]
    else:
        options.configs = [
            (soc, precision)
            for soc, precision in CONFIGS
            if (not socs or soc in socs) and (not precisions or precision in precisions)
        ]
    options.quantizers = QUANTIZERS if options.quantizer == "both" else (options.quantizer,)
    return options


def main() -> None:
    """Run what was asked for, or read it; print the table and the details."""
    options = parsed(sys.argv[1:])
    records = read(options.out) if options.report else run(options)
    ours = [record for record in records if record["quantizer"] in options.quantizers]
    print(details(ours))
    print()
    print(table(ours))
    worst = [r["max_rel"] for r in ours if r.get("max_rel") is not None and math.isfinite(r["max_rel"])]
    print(f"\nlargest finite error: {max(worst, default=0.0):.3%}")


if __name__ == "__main__":
    main()
