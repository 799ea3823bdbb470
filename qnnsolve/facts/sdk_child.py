"""The child that asks ``BackendOpInfo``: ``python -m qnnsolve.facts.sdk_child job.json answer.json``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from qnnsolve.facts.sdk_reading import read
from qnnsolve.facts.socs import Soc
from qnnsolve.host.child import Reply, Report, serve
from qnnsolve.host.loading import Loads

__all__ = ["work"]


def work(job: Mapping[str, Any], report: Report) -> Reply:
    """What it says of ``job["soc"]``, by operator; or that it is absent."""
    found = read(job["backend"], Soc(**job["soc"]), Loads(report).doing)
    if isinstance(found, str):
        return {"absent": found}
    return {"operators": {op: [attrs.asdict(each) for each in variants] for op, variants in found.items()}}


if __name__ == "__main__":
    serve(work, bounded=True)
