"""``python -m qnnsolve`` is the command ``qnnsolve``."""

from __future__ import annotations

from qnnsolve.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
