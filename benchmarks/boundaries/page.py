"""The table of ``docs/boundaries.md``, and what is wrong in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmarks import state
from benchmarks.boundaries.cases import boundaries, settings_of
from benchmarks.op_models import BORDER, WRONG, late

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

*not kept*: ports of a program that have another width than is pinned there, read from the dtypes of the converted
model, of either quantizer. Converts are compared where both programs are whole and keep every pin.

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
    both = list(_converts(found))
    fewer = [each[:3] for each in both if each[3]]
    summary += (
        f"\n- converts where both are whole and keep every pin ({len(fewer)} programs): "
        f"{sum(ours for _, ours, _ in fewer)} here, {sum(theirs for _, _, theirs in fewer)} with upstream; "
        f"more here than there: {_more(fewer)}"
        f"\n- where both are whole and one does not keep every pin ({len(both) - len(fewer)} programs): "
        f"more here than there: {_more(each[:3] for each in both if not each[3])}"
        f"\n- over 1 % here: {_over(found.values())}"
        f"\n- measured: {state.counted(found.values(), 'programs')}"
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
    unkept = record.get("unkept", ())
    more = f" and {len(unkept) - 2} more" if len(unkept) > 2 else ""
    names = ", ".join(f"`{each}`" for each in unkept[:2])
    broken = f"; not kept: {names}{more}" if unkept else ""
    return f"whole, {record['converts']}, {error}{rounding}{broken}"


def word(record: Record) -> str:
    """``whole``, ``partly``, ``refused``, ``late``, or ``fails`` with the stage."""
    if late(record):
        return f"late: no answer within {record['exception']['limit']:g} s"
    if "exception" in record:
        raised = record["exception"]
        return "refused" if raised.get("refused") and raised["stage"] == "prepare" else f"fails in {raised['stage']}"
    kept = [target for _, target, reason in record["cpu_ops"] if reason != BORDER]
    return "whole" if record["delegates"] and not kept else f"partly: {', '.join(f'`{each}`' for each in kept)}"


def _over(records: Iterable[Record]) -> str:
    """What comparison says of each of ours that is over 1 %."""
    ours = [each for each in records if each["quantizer"] == "qnnsolve" and not (each.get("max_rel") or 0) <= WRONG]
    said = [f"{each['case']} on {each['soc']}: {each.get('note') or cell(each)}" for each in ours]
    return "; ".join(said) or "nowhere"


def _more(compared: Iterable[tuple[str, int, int]]) -> str:
    found = [f"{name} ({ours} and {theirs})" for name, ours, theirs in compared if ours > theirs]
    return "; ".join(found) or "nowhere"


def _counts(found: Mapping[tuple[str, str, str], Record], soc: str, quantizer: str) -> str:
    said = [each for key, each in found.items() if key[:2] == (soc, quantizer)]
    unsaid = {name for name, case in boundaries().items() if quantizer == "upstream" and settings_of(case) is None}
    said = [each for each in said if each["case"] not in unsaid]
    words = [word(each).split()[0].rstrip(":") for each in said]
    errors = [each["max_rel"] for each in said if each.get("max_rel") is not None]
    kinds = ", ".join(f"{words.count(kind)} {kind}" for kind in ("whole", "refused", "partly", "fails", "late"))
    unkept = sum(bool(each.get("unkept")) for each in said if word(each) == "whole")
    over = f"{sum(not e <= WRONG for e in errors)} over 1 %, {sum(not e <= 5 * WRONG for e in errors)} over 5 %"
    return f"of {len(said)}: {kinds}; {over}; pins not kept in {unkept}"


def _converts(found: Mapping[tuple[str, str, str], Record]) -> Iterable[tuple[str, int, int, bool]]:
    """Each program that is whole with both: its name, converts of ours and of theirs, whether both keep the pins."""
    for (soc, quantizer, name), ours in found.items():
        theirs = found.get((soc, "upstream", name))
        comparable = settings_of(boundaries()[name]) is not None
        if quantizer == "qnnsolve" and theirs is not None and comparable and word(ours) == word(theirs) == "whole":
            kept = not ours.get("unkept") and not theirs.get("unkept")
            yield f"{name} on {soc}", ours["converts"], theirs["converts"], kept


def faults(records: Sequence[Record]) -> list[str]:
    """Each of ours that is not refused, nor whole with its pins and within 1 % or as near to the float model."""
    found = []
    for each in records:
        rel = each.get("max_rel")
        wrong = rel is not None and not rel <= WRONG and each.get("verdict") != "rounding"
        wrong = wrong or bool(each.get("unkept"))
        if each["quantizer"] == "qnnsolve" and (word(each) not in ("whole", "refused") or wrong):
            found.append(f"{each['soc']} {each['case']}: {cell(each)} {each.get('exception', '')}".rstrip())
    return found
