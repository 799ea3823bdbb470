"""Pieces of HTML: escaped text, lines, and tables that a click sorts."""

from __future__ import annotations

import base64
import hashlib
import html
import math
import re
from collections.abc import Iterable, Sequence

import attrs

from qnnsolve.report.lines import Line

__all__ = ["SCRIPT", "STYLE", "HtmlCell", "HtmlTable", "escaped", "folded", "hashed", "lines_html"]

ROWS = 200
"""So many of a table are shown."""
LARGE = 1e30
"""Farther off than any figure."""
_UNSEEN = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff]")

STYLE = """
.qnnsolve{font:13px/1.4 system-ui,sans-serif}
.qnnsolve pre{white-space:pre-wrap;overflow-wrap:anywhere;margin:4px 0;font:inherit}
.qnnsolve .wide{overflow:auto;max-height:420px}
.qnnsolve table{border-collapse:collapse;margin:6px 0}
.qnnsolve caption{text-align:left;font-weight:600;padding:4px 0}
.qnnsolve th,.qnnsolve td{text-align:left;vertical-align:top;padding:2px 10px 2px 0;border-bottom:1px solid #cfd3d8;overflow-wrap:anywhere}
.qnnsolve th button{font:inherit;font-weight:600;color:inherit;background:none;border:0;padding:0;cursor:pointer;text-align:left}
.qnnsolve .green{color:#1c6b41}.qnnsolve .red{color:#b3140a}.qnnsolve .yellow{color:#7a4d00}.qnnsolve .bold{font-weight:600}
pre.code{background:#f2f3f5;padding:6px}
""".strip()  # noqa: E501
"""The same in every answer, so that one hash of it lets it stand in a page."""

SCRIPT = """
for (const table of document.querySelectorAll(".qnnsolve table:not([data-sorts])")) {
  table.dataset.sorts = "yes";
  const body = table.tBodies[0];
  const key = (row, at) => row.cells[at].dataset.by ?? row.cells[at].textContent;
  [...table.tHead.rows[0].cells].forEach((head, at) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const each of table.tHead.rows[0].cells) each.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...body.rows];
      const numbers = rows.every((row) => row.cells[at].dataset.by !== undefined);
      rows.sort((one, other) => numbers ? key(one, at) - key(other, at)
        : key(one, at).localeCompare(key(other, at), "en", { numeric: true }));
      body.append(...(down ? rows.reverse() : rows));
    });
  });
}
""".strip()
"""Makes the columns of tables sort; it reads nothing but what is shown."""


def escaped(text: object) -> str:
    """Text that can stand in HTML. Controls, and marks that turn the direction of text, are seen and do nothing."""
    seen = _UNSEEN.sub(lambda sign: f"\\u{ord(sign[0]):04x}", str(text))
    return html.escape(seen, quote=True)


def hashed(text: str) -> str:
    """What a policy calls a script or style of this text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def lines_html(lines: Iterable[Line]) -> str:
    """Lines of a report, each in its style."""
    shown = (f'<span class="{escaped(line.style)}">{escaped(line.text)}</span>' for line in lines)
    return f"<pre>{'&#10;'.join(shown)}</pre>"


def folded(title: str, inside: str) -> str:
    """What opens by a click; nothing where there is nothing."""
    return f"<details><summary>{escaped(title)}</summary>{inside}</details>" if inside else ""


def _finite(number: float) -> float:
    """The number, or one that sorts where it would."""
    return -LARGE if math.isnan(number) else max(-LARGE, min(number, LARGE))


@attrs.frozen
class HtmlCell:
    """A text, and the number by which its column sorts."""

    text: str
    by: float | None = None

    def html(self) -> str:
        """The cell of a table."""
        by = "" if self.by is None else f' data-by="{_finite(self.by)!r}"'
        return f"<td{by}>{escaped(self.text)}</td>"


@attrs.frozen
class HtmlTable:
    """A table with a title; of many rows the first are shown, and how many are left."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[HtmlCell | str]]

    def html(self) -> str:
        """The table; nothing where it has no rows."""
        if not self.rows:
            return ""
        head = "".join(f'<th scope="col">{escaped(each)}</th>' for each in self.columns)
        cells = ((each if isinstance(each, HtmlCell) else HtmlCell(each) for each in row) for row in self.rows[:ROWS])
        body = "".join(f"<tr>{''.join(each.html() for each in row)}</tr>" for row in cells)
        more = len(self.rows) - ROWS
        left = f"<p>and {more:,} more</p>" if more > 0 else ""
        caption = f"<caption>{escaped(self.title)}</caption>" if self.title else ""
        return (
            f'<div class="wide"><table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{left}'
        )
