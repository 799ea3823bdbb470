"""Results as text: what a user reads after ``qnnsolve export`` or ``qnnsolve solve``.

One line per deviation from the request; alike ones across a model's layers are folded into one line with a count.
Lines are not wrapped where the output is no terminal, so that ``grep`` finds them whole. Same result, same text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import IO

import attrs

from qnnsolve.folding import fold, names_in_short, without_names
from qnnsolve.results import (
    ConflictRecord,
    ConvertRecord,
    CpuOp,
    Deviation,
    ExportResult,
    NodeRecord,
    Placement,
    SolveResult,
    Status,
    Unrunnable,
    Verification,
    in_words,
)

__all__ = ["Line", "export_lines", "print_lines", "solve_lines"]


@attrs.frozen
class Line:
    """One line of a report, and the style in which a terminal shows it."""

    text: str
    style: str = ""


def print_lines(lines: Sequence[Line], file: IO[str]) -> None:
    """Print with colours on a terminal, plainly elsewhere; what looks like markup in a name is printed as it is."""
    from rich.console import Console

    console = Console(file=file, highlight=False, markup=False, emoji=False)
    for line in lines:
        console.print(line.text, style=line.style or None, soft_wrap=True)


def solve_lines(result: SolveResult, model: str) -> tuple[Line, ...]:
    """The report of a solve; ``model`` as the user typed it."""
    return (*_head(result, model), *_solve_body(result), *_times(result.timings))


def export_lines(result: ExportResult, model: str) -> tuple[Line, ...]:
    """The report of an export: the solve, the program that came of it, and how it compares."""
    cpu = [
        Line(f"  {_many(group)}{names_in_short([op.name for op in group])} ({group[0].target}): {group[0].reason}")
        for group in fold(result.cpu_ops, _cpu_key)
    ]
    return (
        *_head(result.solve, model),
        *_solve_body(result.solve),
        *_paragraph(f"Program: {result.pte}, {result.pte_bytes:,} bytes, {_count(result.delegates, 'delegate')}"),
        Line(f"Ops on the CPU: {len(result.cpu_ops) or 'none'}", style="bold"),
        *cpu,
        *_unrunnable(result.unrunnable),
        *(() if result.unrunnable else _verification(result.verification)),
        *_times(result.timings),
    )


def _head(result: SolveResult, model: str) -> Iterator[Line]:
    yield Line(f"{model} for {result.soc} ({result.backend.upper()} {result.arch}) at {result.precision}", style="bold")
    match result.status:
        case Status.SATISFIABLE:
            yield Line(_verdict(result), style="green")
        case Status.UNSATISFIABLE:
            yield Line(f"unsatisfiable: {_count(len(result.conflicts), 'conflict')}, no legal config exists", "red")
        case Status.UNKNOWN:
            yield Line("unknown: a limit was hit before an answer was certain; this is not 'impossible'", "yellow")


def _verdict(result: SolveResult) -> str:
    changes = f"{_count(len(_changed(result)), 'deviation')} from the request, "
    changes += _count(len(result.converts), "convert")
    if not result.deviations and not result.converts:
        changes = "exactly as requested"
    on_cpu = sum(node.placement is Placement.CPU for node in result.nodes)
    if on_cpu:
        changes += f", {_count(on_cpu, 'op')} left on the CPU"
    if result.unverified:
        changes += f", {_count(len(result.unverified), 'op')} unverified"
    return f"satisfiable: {changes}"


def _changed(result: SolveResult) -> list[tuple[NodeRecord, Deviation]]:
    """What deviates on the accelerator; what is left on the CPU has a section of its own."""
    placed = (node for node in result.nodes if node.placement is not Placement.CPU)
    return [(node, deviation) for node in placed for deviation in node.deviations]


def _solve_body(result: SolveResult) -> Iterator[Line]:
    if result.cost is not None:
        yield Line(_cost(result))
    yield from _section(f"Conflicts ({len(result.conflicts)})", _conflicts(result.conflicts))
    deviations = _changed(result)
    yield from _section(f"Deviations ({len(deviations)})", _deviations(deviations))
    yield from _section(f"Converts inserted ({len(result.converts)})", _converts(result))
    left = _floats(result)
    count = sum(node.placement is Placement.CPU for node in result.nodes)
    yield from _section(f"Left on the CPU by the solve ({count})", left)
    yield from _section("Operator facts", _facts(result))


def _facts(result: SolveResult) -> list[Line]:
    return [
        Line(f"  {record.source}: {record.detail}" if record.used else f"  {record.source}: not used, {record.detail}")
        for record in result.facts
    ]


def _cost(result: SolveResult) -> str:
    proof = "" if result.proof is None else ", proven optimal" if result.proof == "optimal" else f", gap {result.proof}"
    parts = ", ".join(f"{entry} {cost:,}" for entry, cost in result.breakdown)
    return f"cost {result.cost:,}{proof}" + (f": {parts}" if parts else "")


def _section(title: str, lines: Sequence[Line]) -> Iterator[Line]:
    """A blank line, the title and the lines; nothing where there are no lines."""
    if lines:
        yield from _paragraph(title)
        yield from lines


def _paragraph(title: str) -> Iterator[Line]:
    yield Line("")
    yield Line(title, style="bold")


def _conflicts(conflicts: Sequence[ConflictRecord]) -> list[Line]:
    lines = []
    for conflict in conflicts:
        lines.append(Line(f"  {names_in_short(conflict.nodes)}: {conflict.text}", style="red"))
        lines += [Line(f"    {constraint}") for constraint in conflict.constraints]
        lines += [Line(f"    {it.kind}, {it.citation}") for it in conflict.sources if it.kind in ("user", "sdk")]
    return lines


def _port(node: NodeRecord, deviation: Deviation) -> str:
    """Where at the node: ``output``, or ``input 1`` (counted from 0)."""
    producer, arrow, _ = deviation.site.partition(" -> ")
    if not arrow:
        return "output"
    producers = [name for name, _ in node.inputs]
    return f"input {producers.index(producer)}" if producer in producers else f"input {producer}"


def _deviations(deviations: Sequence[tuple[NodeRecord, Deviation]]) -> list[Line]:
    def key(pair: tuple[NodeRecord, Deviation]) -> tuple[str, ...]:
        node, it = pair
        return (node.target, _port(node, it), it.requested, it.chosen, _general(node, it), _cited(it))

    lines = []
    for group in fold(deviations, key):
        node, it = group[0]
        reason = it.reason if len(group) == 1 else _general(node, it)
        producer, edge, _ = it.site.partition(" -> ")
        where = f"{_port(node, it)} ({producer})" if len(group) == 1 and edge else _port(node, it)
        names = names_in_short([each.name for each, _ in group])
        change = f"{where} {it.requested} -> {it.chosen}"
        lines.append(Line(f"  {_many(group)}{names} ({node.target}): {change}  because {reason} [{_cited(it)}]"))
    return lines


def _cited(decision: Deviation | ConvertRecord) -> str:
    """The rule, and whose facts took part besides the shipped ones."""
    user = [f"{source.kind}, {source.citation}" for source in decision.sources if source.kind == "user"]
    sdk = ["sdk"] if any(source.kind == "sdk" for source in decision.sources) else []
    return "; ".join([decision.rule, *sdk, *user])


def _general(node: NodeRecord, deviation: Deviation) -> str:
    return without_names(deviation.reason, [node.name, *(producer for producer, _ in node.inputs)])


def _converts(result: SolveResult) -> list[Line]:
    nodes = {node.name: node for node in result.nodes}

    def port(convert: ConvertRecord) -> tuple[str, str]:
        user = nodes.get(convert.user)
        producers = [] if user is None else [name for name, _ in user.inputs]
        place = f"input {producers.index(convert.producer)}" if convert.producer in producers else "input"
        return ("?" if user is None else user.target), place

    def key(convert: ConvertRecord) -> tuple[str, ...]:
        reason = without_names(convert.reason, [convert.producer, convert.user])
        return (*port(convert), convert.source, convert.target, reason, _cited(convert))

    lines = []
    for group in fold(result.converts, key):
        it, (target, place) = group[0], port(group[0])
        known = [each.numel for each in group if each.numel is not None]
        size = f", {sum(known):,} elements" + (" in all" if len(group) > 1 else "") if known else ""
        names = names_in_short([each.user for each in group])
        reason = it.reason if len(group) == 1 else key(it)[-2]
        before = f"before {place} of {names} ({target})"
        lines.append(
            Line(f"  {_many(group)}{it.source} -> {it.target} {before}{size}  because {reason} [{_cited(it)}]")
        )
    return lines


def _floats(result: SolveResult) -> list[Line]:
    unverified = {name for name, _ in result.unverified}

    def why(node: NodeRecord, alone: bool = False) -> str:
        told = ((it.reason if alone else _general(node, it), _cited(it)) for it in node.deviations)
        return "; ".join(dict.fromkeys(f"{reason} [{cited}]" for reason, cited in told))

    on_cpu = [node for node in result.nodes if node.placement is Placement.CPU]
    lines = []
    for group in fold(on_cpu, lambda node: (node.target, node.name in unverified, why(node))):
        node, names = group[0], names_in_short([each.name for each in group])
        reason = f"  because {why(node, alone=len(group) == 1)}" if node.deviations else ""
        mark = ", unverified" if node.name in unverified else ""
        lines.append(Line(f"  {_many(group)}{names} ({node.target}{mark}){reason}", "yellow" if mark else ""))
    return lines


def _cpu_key(op: CpuOp) -> tuple[str, str]:
    return op.target, op.reason


def _unrunnable(kernels: tuple[Unrunnable, ...]) -> Iterator[Line]:
    if kernels:
        yield Line("")
        yield Line("Emulator: not run, since ExecuTorch's runtime here cannot run the program", style="bold red")
        yield from (Line(f"  {kernel}") for kernel in kernels)


def _verification(verification: Verification | None) -> Iterator[Line]:
    if verification is None:
        yield from _paragraph("Emulator: not run (--no-verify)")
        return
    yield Line("")
    yield from _agreement(verification)
    if len(verification.outputs) + len(verification.random_outputs) > 1:
        for output in verification.outputs:
            figures = f"largest error {output.max_abs:.4g} ({in_words(output)}), SQNR {output.sqnr_db:.1f} dB"
            yield Line(f"  output {output.index}: {figures}")
    for index in verification.random_outputs:
        yield Line(f"  output {index} is random: not compared")
    if verification.note:
        yield from (Line(f"  {line}", style="yellow") for line in verification.note.splitlines())


def _agreement(verification: Verification) -> Iterator[Line]:
    if verification.agrees is None:
        yield Line("Emulator: ran; every output is random, so there is nothing to compare", style="yellow")
        return
    worst = _worst(verification)
    limit = f"at most {_percent(verification.tolerance)} allowed"
    if verification.agrees:
        yield Line(f"Emulator agrees with the converted model: largest error {worst} ({limit})", style="green")
    else:
        yield Line(f"Emulator DISAGREES with the converted model: largest error {worst} ({limit})", style="bold red")
    yield Line(f"SQNR against the float model: {verification.sqnr_db:.1f} dB over {_samples(verification.samples)}")


def _worst(verification: Verification) -> str:
    """``1.6 % of the output's range, 4 steps of its 8-bit encoding``, at the output that is farthest off."""
    share = f"{_percent(verification.emulator_vs_converted_max_rel)} of the output's range"
    worst = max(verification.outputs, key=lambda output: output.max_rel, default=None)
    return share if worst is None else share + in_words(worst).partition("of its range")[2]


def _times(timings: tuple[tuple[str, float], ...]) -> Iterator[Line]:
    if timings:
        total = sum(seconds for _, seconds in timings)
        stages = ", ".join(f"{stage} {seconds:.2f}" for stage, seconds in timings)
        yield from _paragraph(f"Time: {total:.1f} s ({stages})")


def _percent(fraction: float) -> str:
    return f"{fraction * 100:.3g} %"


def _many(group: Sequence[object]) -> str:
    return f"x{len(group)} " if len(group) > 1 else ""


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _samples(number: int) -> str:
    return _count(number, "sample")
