"""A stand-in for the emulator's child: counts its samples. A negative one aborts it; with a sample of 9 it hangs."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

import torch

from qnnsolve.host.child import Reply, Report, serve


def work(job: Mapping[str, Any], report: Report) -> Reply:
    samples = torch.load(job["samples"], weights_only=True)
    outputs = []
    for index, (sample,) in enumerate(samples):
        report("verify", index, len(samples))
        if sample < 0:
            os.abort()
        if sample == 9:
            report("hangs", os.getpid(), None)
            time.sleep(600)
        outputs.append([sample, index])
    report("verify", len(samples), len(samples))
    torch.save(outputs, job["outputs"])
    return {"load": 0.5, "seconds": [1.0] * len(samples)}


if __name__ == "__main__":
    serve(work)
