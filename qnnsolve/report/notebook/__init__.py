"""Answers as a notebook shows them: :func:`html_of`; and a page of them without a notebook: :func:`page_of`.

All that comes from a model is escaped, with what steers the direction of text. The one script sorts tables by a click
on a column; where a notebook strips scripts, the tables stand as they are.
"""

from __future__ import annotations

from collections.abc import Iterable

from qnnsolve.report.notebook.fragments import SCRIPT, STYLE, escaped, hashed
from qnnsolve.report.notebook.parts import parts_of

__all__ = ["html_of", "page_of"]


def html_of(answer: object) -> str:
    """``answer`` as HTML: its verdict and its tables.

    Raises:
        TypeError: it is none of the answers of this library.
    """
    return f'<div class="qnnsolve"><style>{STYLE}</style>{"".join(parts_of(answer))}<script>{SCRIPT}</script></div>'


def page_of(title: str, cells: Iterable[tuple[str, object]]) -> str:
    """A page of answers, each with the code above it that asks for it, as a notebook has them.

    Nothing is loaded, and nothing but the one script and style can run in it.
    """
    asked = ((f'<pre class="code">{escaped(code)}</pre>', html_of(answer)) for code, answer in cells)
    shown = "".join(f"<section>{code}{answer}</section>" for code, answer in asked)
    own = f"script-src {hashed(SCRIPT)}; style-src {hashed(STYLE)}"
    policy = f"default-src 'none'; {own}; base-uri 'none'; form-action 'none'"
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f"<title>{escaped(title)}</title></head>\n<body><h1>{escaped(title)}</h1>\n{shown}\n</body></html>\n"
    )
