"""A stand-in for the compiling child: does what ``ROGUE`` in its environment says, or what the job says."""

from __future__ import annotations

import importlib
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qnnsolve.errors import HostBackendError, UsageError
from qnnsolve.host.child import Reply, Report, serve


def work(job: Mapping[str, Any], report: Report) -> Reply:
    print("chatter on stdout")
    print("[ERROR] [Qnn ExecuTorch]:  <E> the weights are too heavy", file=sys.stderr, flush=True)
    if "pte" in job:
        Path(job["pte"]).write_bytes(b"half")
    match job.get("rogue", os.environ.get("ROGUE")):
        case "abort":
            os.abort()
        case "exit":
            os._exit(7)
        case "raise":
            raise ValueError("first line\nsecond line")
        case "usage":
            raise UsageError("disk full")
        case "backend":
            raise HostBackendError("no libraries")
        case "hang":
            report("lower", os.getpid(), None)
            time.sleep(600)
        case "import":
            return {"value": importlib.import_module(job["module"]).VALUE}
    report("lower", 3, 4)
    cpu_ops = [["add", "aten.add.Tensor", "because", "after"]]
    calls = [["forward", 0, 0, "", True], ["forward", 0, 1, "add", False]]
    return {"delegates": 1, "cpu_ops": cpu_ops, "missing": [["aten::add.out", ["add"]]], "calls": calls}


if __name__ == "__main__":
    serve(work)
