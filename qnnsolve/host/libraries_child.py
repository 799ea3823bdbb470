"""The child that loads somebody's HTP libraries for a trial: ``python -m qnnsolve.host.libraries_child``.

A broken library can end or stop the process that loads it; so a user's own SDK is loaded here first.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qnnsolve.host.child import Reply, Report, serve
from qnnsolve.host.libraries import opened

__all__ = ["work"]


def work(job: Mapping[str, Any], report: Report) -> Reply:
    """Load the libraries in ``job["folder"]``, telling of each before; their build id."""
    _, build_id = opened(Path(job["folder"]), lambda doing: report(doing, 0, None))
    return {"build_id": build_id}


if __name__ == "__main__":
    serve(work, bounded=True)
