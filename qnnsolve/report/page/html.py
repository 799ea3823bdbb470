"""The page around a document: one file, whose policy lets nothing run but what stands in it."""

from __future__ import annotations

import base64
import hashlib
import importlib.resources
import json
from typing import Any

__all__ = ["embedded", "html"]

SCRIPTS = (
    "dagre.min.js",
    "base.js",
    "tree.js",
    "graph.js",
    "panel.js",
    "outcomes.js",
    "compared.js",
    "list.js",
    "main.js",
)
"""In the order in which they run."""
_ESCAPED = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"}
"""What could end a script or start an entity, and what JavaScript takes for the end of a line."""


def html(document: dict[str, Any]) -> str:
    """The page that shows ``document`` (see :func:`qnnsolve.report.page.document.document`)."""
    style = _asset("page.css")
    scripts = [_asset(name) for name in SCRIPTS]
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src {' '.join(map(_hash, scripts))}",
            f"style-src {_hash(style)}",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
        )
    )
    filled = {
        "POLICY": policy,
        "STYLE": style,
        "LICENCE": _asset("dagre.LICENSE"),
        "DOCUMENT": embedded(document),
        "SCRIPTS": "\n".join(f"<script>{script}</script>" for script in scripts),
    }
    pieces = _asset("page.html").split("@@")  # what is filled in is not looked at again
    return "".join(filled[piece] if at % 2 else piece for at, piece in enumerate(pieces))


def embedded(document: dict[str, Any]) -> str:
    """JSON that can stand in an HTML script, whatever names are in it."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    lone = text.encode("utf-8", "backslashreplace").decode("utf-8")  # half a surrogate pair: \udc80, as JSON has it
    return lone.translate(_ESCAPED)


def _asset(name: str) -> str:
    return (importlib.resources.files(__package__) / "assets" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
