"""The child that compiles, without shortcuts: every export, decomposition and pass as ExecuTorch does it."""

from __future__ import annotations

from qnnsolve.host.child import serve
from qnnsolve.lowering import shortcuts
from qnnsolve.lowering.child import work

if __name__ == "__main__":
    shortcuts.WRITTEN_FOR["torch"] = "no version"
    serve(work)
