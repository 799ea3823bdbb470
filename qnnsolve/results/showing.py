"""How an answer shows itself in a notebook: :class:`Shown`."""

from __future__ import annotations

import importlib

__all__ = ["Shown"]


class Shown:
    """An answer that a notebook shows as a table.

    What makes HTML of it lies in a wing above; it is named here, as the package names its doors, and loaded when a
    notebook asks.
    """

    __slots__ = ()

    def _repr_html_(self) -> str:
        html: str = importlib.import_module("qnnsolve.report.notebook").html_of(self)
        return html
