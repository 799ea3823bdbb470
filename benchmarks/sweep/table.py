"""``docs/sweep.md``: how many forms came out how, and by name each that is not as it should be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from benchmarks.sweep.forms import all_forms
from benchmarks.sweep.judge import LEAST_DB, MOST_OTHERS, faults, refusal
from benchmarks.sweep.results import Results
from benchmarks.sweep.state import UNKNOWN, changed_since

__all__ = ["table"]

HEAD = f"""# The sweep over functional forms

Written by `make sweep` (`python -m benchmarks.sweep`). A form is one op or a few with one set of arguments: kernels,
strides, paddings, dilations, groups, ranks, dimensions, broadcasts, writes in place, dtypes, constant and computed
operands. Each goes both ways: by the three lines of the library, over the graph with its guards, in torch; and by
`qnnsolve.export`, with up to 95 others side by side in one program, through the HTP compiler and the emulator. A
sample goes by the command line as well, of a Python file and of a `.pt2`.

*As it should be*: nothing is raised; the ops announced for the CPU are those that are there; emulator and converted
model differ by rounding only; the converted model keeps {LEAST_DB:g} dB at 16 bits, and {100 - MOST_OTHERS:g} %
of what it returns as integers; both paths choose the same encodings.
*Whole*: with no op on the CPU. *Refused*: by qnnsolve, in one line that says why. Under each table stands how many
forms were run at which commit of the package (the last one that changed it), and at the end what was changed since.
"""

BEFORE = """The page before this one, written at `b054fadf8`, had 1,344 forms both ways on all three configs: all as
they should be at 16a8w, and all but four on SM8750 at 8a8w. About 100 of them were on the CPU then and are not now.
"""

WHY = {
    "interpolate bilinear scale_factor2 corners": "the accelerator rounds rows, then columns, in 8 bits",
    "grid_sample bilinear cornersFalse": "the accelerator rounds rows, then columns, in 8 bits",
    "adaptive_avg_pool2d to5": "means of rows are rounded to 8 bits, again where joined, then those of columns",
    "matrix_norm": "square roots have 11 significant bits; the two values returned are near each other",
    "name linalg norm fro": "square roots have 11 significant bits; the two values returned are near each other",
    "name matrix_power 5": "squares of 8-bit tensors on V68: a step of the first one is 6 of the second",
    "max_pool2d kernel3 stride2 ceil_modeTrue padding1": "right by itself; wrong in some programs of several poolings",
    "block linear attention": "a divisor below half a step becomes 0, in the converted model too (docs/accuracy.md)",
    "log_softmax scattered": "its log_softmax is over one value; it is zero since, and right",
    "interpolate 3d trilinear": "a product of two dimensions, viewed in five; it has three since, and is right",
    "min dim indices": "two values are one step apart, and the accelerator quantizes its input a step otherwise",
    "in place round_": "one step of the exponential before it is enough to be rounded to the next integer",
}
"""Of forms that are not as they should be, what is likely the cause."""


DOORS = {"module": "of a Python file", "archive": "of a `.pt2`"}
"""The command line's, in words."""


def table(results: Results, names: Sequence[str], configs: Sequence[tuple[str, str]]) -> str:
    """The page, from what is in ``results``."""
    forms, lines = all_forms(), [HEAD]
    families = list(dict.fromkeys(form.family for form in forms.values()))
    wrong: dict[str, list[str]] = {}
    refused: dict[str, list[str]] = {}
    unrun: dict[str, list[str]] = {}
    for soc, precision in configs:
        lines += [
            f"## {soc}, {precision}",
            "",
            "| family | forms | as they should be | whole | refused | not as they should be |",
        ]
        lines += ["|---|---|---|---|---|---|"]
        totals = [0] * 5
        for family in families:
            counts = [0] * 5
            for name in (name for name in names if forms[name].family == family):
                library, exported = (results.get(path, soc, precision, name) for path in ("library", "export"))
                if library is None or exported is None:
                    continue
                found = list(faults(library, exported, precision))
                why = refusal(library) or refusal(exported)
                counts[0] += 1
                counts[1] += not found and why is None
                counts[2] += "cpu" in library and not library["cpu"]
                counts[3] += why is not None
                counts[4] += bool(found)
                for fault in found:
                    wrong.setdefault(_told(name, fault), []).append(f"{soc} {precision}")
                for kernel in exported.get("unrunnable", ()):
                    unrun.setdefault(f"`{name}`: {kernel}", []).append(f"{soc} {precision}")
                if why is not None:
                    refused.setdefault(f"`{name}`: {why}", []).append(f"{soc} {precision}")
            lines.append(f"| {family} | " + " | ".join(map(str, counts)) + " |")
            totals = [a + b for a, b in zip(totals, counts, strict=True)]
        lines += ["| all | " + " | ".join(map(str, totals)) + " |", ""]
        lines += [_states(results, names, soc, precision), ""]
        lines += _commanded(results, names, (soc, precision), wrong)
        if totals[0] < len(names):
            lines += [f"{len(names) - totals[0]} forms have not gone both ways here yet.", ""]
    lines += [*_since(results), _time(results), "", BEFORE]
    lines += _listed("Not as they should be", wrong, len(configs))
    lines += _listed("Refused", refused, len(configs))
    lines += _listed("Exported, announced and not run: a kernel for the CPU is missing here", unrun, len(configs))
    return "\n".join(lines).rstrip() + "\n"


def _told(name: str, fault: str) -> str:
    return f"`{name}`: {fault}" + (f" (likely: {WHY[name]})" if name in WHY else "")


def _commanded(
    results: Results, names: Sequence[str], config: tuple[str, str], wrong: dict[str, list[str]]
) -> list[str]:
    """A sentence on the forms that went by the command line too; what is not as it should be goes to ``wrong``."""
    told, states = [], set()
    for door, title in DOORS.items():
        good = count = 0
        for name in names:
            if (made := results.get(door, *config, name)) is None:
                continue
            found = list(faults(results.get("library", *config, name), made, config[1]))
            count, good = count + 1, good + (not found)
            states.add(f"`{made.get('code', UNKNOWN)}`")
            for fault in found:
                wrong.setdefault(_told(name, f"{title}: {fault}"), []).append(" ".join(config))
        if count:
            told.append(f"{good} of {count} {title}")
    if not told:
        return []
    at = ", ".join(sorted(states))
    return [f"By the command `qnnsolve export`: as they should be are {' and '.join(told)} ({at}).", ""]


def _states(results: Results, names: Sequence[str], soc: str, precision: str) -> str:
    """At which states of the code either path was run here, and with how many forms."""
    told = []
    for title, path in (("By the library", "library"), ("By exports", "export")):
        records = [results.get(path, soc, precision, name) for name in names]
        states = Counter(record.get("code", UNKNOWN) for record in records if record is not None)
        told.append(f"{title}: " + (", ".join(f"{n} at `{state}`" for state, n in states.most_common()) or "none"))
    return ". ".join(told) + "."


def _since(results: Results) -> list[str]:
    """Of each older state that has results here, which wings of the package were changed since."""
    states = {record.get("code", UNKNOWN) for record in results.found.values()}
    told = [(state, changed_since(state)) for state in sorted(states)]
    return [line for state, wings in told if wings for line in (f"Changed since `{state}`: {', '.join(wings)}.", "")]


def _time(results: Results) -> str:
    """What it took, by path, in minutes of CPU."""
    spent: Counter[str] = Counter()
    for (path, *_), record in results.found.items():
        spent[path] += record.get("cpu seconds", 0.0) / 60
    return f"Minutes of CPU: {spent['library']:.0f} by the library, {spent['export']:.0f} by exports, " + (
        f"{sum(spent[door] for door in DOORS):.0f} by the command line."
    )


def _listed(title: str, entries: dict[str, list[str]], configs: int) -> list[str]:
    lines = [f"## {title}", ""]
    for text, where in entries.items():
        lines.append(f"- {text}" + ("" if len(where) == configs else f" ({', '.join(where)})"))
    return [*lines, *(["None."] if not entries else []), ""]
