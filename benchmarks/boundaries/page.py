"""The table of ``docs/boundaries.md``, and what is wrong in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from benchmarks.boundaries.cases import boundaries, settings_of
from benchmarks.op_models import BORDER, WRONG

MORE: Mapping[str, str] = MappingProxyType(
    {
        "scores at 16": "`QnnQuantizer` leaves the transposed keys at the 8 bits of what is transposed; pinned are 16",
        "gather at 16, after 8": "`QnnQuantizer` leaves the gather at the 8 bits of what it reads; pinned are 16",
    }
)
"""Why there are more converts in a program than upstream needs."""

__all__ = ["SOCS", "cell", "faults", "page", "word"]

SOCS = ("SM8750", "SM8350")
Record = Mapping[str, Any]
HEAD = """# Where two precisions meet

Written by `python -m benchmarks.boundaries --out FILE --page docs/boundaries.md` from {count} small models in
`benchmarks/boundaries/`. Each is solved with its wishes as pins (strict), calibrated, compiled, and run on the
emulator; beside it what ExecuTorch's `QnnQuantizer` makes of the same wishes as presets of submodules (*cannot say
it* where no preset says them).

*whole*: every op is delegated; then the number of converts in the program, and the largest error against the
converted model in percent of an output's range; *rounding* where the emulator is as near to the float model (a root
of values next to 0 makes hundreds of 16-bit steps of one). *refused*: no legal config has all pins, as the report
says before anything is calibrated. States cross the border of the delegate, so that they are quantized and
dequantized on the CPU; that is not counted as an op there.

{summary}

| model | pins | {columns} |
|---|---|{dashes}
"""


def page(records: Iterable[Record]) -> str:
    """The page in Markdown."""
    found = {(each["soc"], each["quantizer"], each["case"]): each for each in records}
    columns = [(soc, quantizer) for soc in SOCS for quantizer in ("qnnsolve", "upstream")]
    columns = [column for column in columns if any(key[:2] == column for key in found)]
    titles = " | ".join(f"{soc}, {quantizer}" for soc, quantizer in columns)
    lines = []
    for name, case in boundaries().items():
        asked = f"{case.precision}; " + ", ".join(f"`{pin}`" for pin in case.pins) if case.pins else case.precision
        cells = []
        for soc, quantizer in columns:
            record = found.get((soc, quantizer, name))
            unsaid = quantizer == "upstream" and settings_of(case) is None
            cells.append("cannot say it" if unsaid else "" if record is None else cell(record))
        lines.append(f"| {case.family}: {name} | {asked} | {' | '.join(cells)} |")
    summary = "\n".join(f"- {soc}, {quantizer}: {_counts(found, soc, quantizer)}" for soc, quantizer in columns)
    fewer = list(_converts(found))
    summary += (
        f"\n- converts where both are whole ({len(fewer)} programs): {sum(ours for _, ours, _ in fewer)} here, "
        f"{sum(theirs for _, _, theirs in fewer)} with upstream; more here than there: "
        + ("; ".join(_more(*each) for each in fewer if each[1] > each[2]) or "nowhere")
    )
    head = HEAD.format(count=len(boundaries()), summary=summary, columns=titles, dashes="---|" * len(columns))
    return head + "\n".join(lines) + "\n"


def cell(record: Record) -> str:
    """One result in a few words."""
    kind = word(record)
    if kind != "whole":
        return kind
    rel = record.get("max_rel")
    error = record.get("note") or "nothing to compare" if rel is None else f"{rel:.2%}".replace("%", " %")
    rounding = ", rounding" if rel is not None and rel > WRONG and record.get("verdict") == "rounding" else ""
    return f"whole, {record['converts']}, {error}{rounding}"


def word(record: Record) -> str:
    """``whole``, ``partly``, ``refused``, or ``fails`` with the stage."""
    if "exception" in record:
        raised = record["exception"]
        return "refused" if raised.get("refused") and raised["stage"] == "prepare" else f"fails in {raised['stage']}"
    kept = [target for _, target, reason in record["cpu_ops"] if reason != BORDER]
    return "whole" if record["delegates"] and not kept else f"partly: {', '.join(f'`{each}`' for each in kept)}"


def _more(name: str, ours: int, theirs: int) -> str:
    why = MORE.get(name.rpartition(" on ")[0], "")
    return f"{name} ({ours} and {theirs})" + (f": {why}" if why else "")


def _counts(found: Mapping[tuple[str, str, str], Record], soc: str, quantizer: str) -> str:
    said = [each for key, each in found.items() if key[:2] == (soc, quantizer)]
    unsaid = {name for name, case in boundaries().items() if quantizer == "upstream" and settings_of(case) is None}
    said = [each for each in said if each["case"] not in unsaid]
    words = [word(each).split()[0].rstrip(":") for each in said]
    errors = [each["max_rel"] for each in said if each.get("max_rel") is not None]
    kinds = ", ".join(f"{words.count(kind)} {kind}" for kind in ("whole", "refused", "partly", "fails"))
    over = f"{sum(not e <= WRONG for e in errors)} over 1 %, {sum(not e <= 5 * WRONG for e in errors)} over 5 %"
    return f"of {len(said)}: {kinds}; {over}"


def _converts(found: Mapping[tuple[str, str, str], Record]) -> Iterable[tuple[str, int, int]]:
    for (soc, quantizer, name), ours in found.items():
        theirs = found.get((soc, "upstream", name))
        comparable = settings_of(boundaries()[name]) is not None
        if quantizer == "qnnsolve" and theirs is not None and comparable and word(ours) == word(theirs) == "whole":
            yield f"{name} on {soc}", ours["converts"], theirs["converts"]


def faults(records: Sequence[Record]) -> list[str]:
    """Each result of ours that is neither refused nor whole, and within 1 % or as near to the float model."""
    found = []
    for each in records:
        rel = each.get("max_rel")
        wrong = rel is not None and not rel <= WRONG and each.get("verdict") != "rounding"
        if each["quantizer"] == "qnnsolve" and (word(each) not in ("whole", "refused") or wrong):
            found.append(f"{each['soc']} {each['case']}: {cell(each)} {each.get('exception', '')}".rstrip())
    return found
