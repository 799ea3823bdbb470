"""``python -m qnnsolve.report FOLDER``: write the reference pages there."""

from __future__ import annotations

import sys
from pathlib import Path

from qnnsolve.report.pages import pages

__all__ = ["main"]


def main(folder: str) -> None:
    """Write every page to ``folder``."""
    for name, text in pages().items():
        (Path(folder) / name).write_text(text, encoding="utf-8")
        print(Path(folder) / name)


if __name__ == "__main__":
    main(sys.argv[1])
