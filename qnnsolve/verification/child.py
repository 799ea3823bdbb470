"""The child that runs a ``.pte`` on the emulator: ``python -m qnnsolve.verification.child job.json answer.json``."""

from __future__ import annotations

import importlib.util
import re
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qnnsolve.errors import HostBackendError
from qnnsolve.host.child import Reply, Report, serve

__all__ = ["work"]

_REFUSED = re.compile(r"KernelCall failed at instruction \S+ in operator (\S+): (0x[0-9a-fA-F]+)")
"""How ExecuTorch 1.5.1 says which kernel returned an error."""


def work(job: Mapping[str, Any], report: Report) -> Reply:
    """Run ``job["samples"]`` through ``job["pte"]`` into ``job["outputs"]``; seconds to load, and per sample.

    Or ``refused``: the kernel that returned an error, and its code.
    """
    from qnnsolve.host.libraries import ensure_loaded

    ensure_loaded()
    _leave_out_exir()
    import executorch.kernels.quantized  # noqa: F401  (registers the CPU's quantize and dequantize)
    import torch
    from executorch.runtime import Runtime

    samples = torch.load(job["samples"], weights_only=True)
    start = time.perf_counter()
    program = Runtime.get().load_program(Path(job["pte"]))
    method = program.load_method("forward")
    if method is None:
        raise HostBackendError("the .pte has no method 'forward'")
    load = time.perf_counter() - start
    outputs, seconds = [], []
    for index, sample in enumerate(samples):
        report("verify", index, len(samples))
        start = time.perf_counter()
        try:
            got = method.execute(sample)
        except RuntimeError:
            if refused := _REFUSED.findall(Path("/proc/self/fd/2").read_text(errors="replace")):
                return {"refused": refused[-1]}
            raise
        seconds.append(time.perf_counter() - start)
        # Copied, since the next run reuses the program's memory.
        outputs.append([value.clone() if isinstance(value, torch.Tensor) else value for value in got])
    report("verify", len(samples), len(samples))
    torch.save(outputs, job["outputs"])
    return {"load": load, "seconds": seconds}


def _leave_out_exir() -> None:
    """Let ``executorch.exir``, the compiler, be an empty package here: to import it takes half of a short run.

    ExecuTorch's runtime (1.5.1, ``portable_lib.py``) reads ``executorch.exir._warnings`` alone, which stands by itself.
    """
    if "executorch.exir" not in sys.modules:
        spec = importlib.util.find_spec("executorch.exir")
        assert spec is not None
        sys.modules[spec.name] = importlib.util.module_from_spec(spec)


if __name__ == "__main__":
    serve(work)
