"""The parts of a report that tell of the solve: verdict, conflicts, deviations, converts, CPU ops, facts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from qnnsolve.report.folding import fold, names_in_short
from qnnsolve.report.lines import Line, count, many, section
from qnnsolve.report.wishes import wish_lines
from qnnsolve.results import ConflictRecord, ConvertRecord, Deviation, NodeRecord, Placement, SolveResult, Status

__all__ = ["cost_line", "head", "solve_body"]


def head(result: SolveResult, model: str) -> Iterator[Line]:
    """What was asked for, and the verdict."""
    yield Line(f"{model} for {result.soc} ({result.backend.upper()} {result.arch}) at {result.precision}", style="bold")
    for note in result.notes:
        yield Line(note, style="yellow")
    match result.status:
        case Status.SATISFIABLE:
            yield Line(_verdict(result), style="green")
        case Status.UNSATISFIABLE:
            yield Line(f"unsatisfiable: {count(len(result.conflicts), 'conflict')}, no legal config exists", "red")
        case Status.UNKNOWN:
            stopped = "a limit was hit" if result.limit is None else f"stopped at {result.limit}"
            yield Line(f"unknown: {stopped} before any legal config was found; this is not 'impossible'", "yellow")


def _verdict(result: SolveResult) -> str:
    changes = f"{count(len(_changed(result)), 'deviation')} from the request, "
    changes += count(len(result.converts), "convert")
    if not result.deviations and not result.converts:
        changes = "exactly as requested"
    on_cpu = sum(node.placement is Placement.CPU for node in result.nodes)
    if on_cpu:
        changes += f", {count(on_cpu, 'op')} left on the CPU"
    if result.unverified:
        changes += f", {count(len(result.unverified), 'op')} unverified"
    if result.calibration is not None and result.calibration.joined:
        changes += f", but {count(len(result.calibration.joined), 'join')} with a part that its encoding does not fit"
    return f"satisfiable: {changes}"


def _changed(result: SolveResult) -> list[tuple[NodeRecord, Deviation]]:
    """What deviates on the accelerator; what is left on the CPU has a section of its own."""
    placed = (node for node in result.nodes if node.placement is not Placement.CPU)
    return [(node, deviation) for node in placed for deviation in node.deviations]


def solve_body(result: SolveResult) -> Iterator[Line]:
    """The cost, and every section that is not empty."""
    if result.cost is not None:
        yield cost_line(result)
    yield from section(f"Conflicts ({len(result.conflicts)})", _conflicts(result.conflicts))
    yield from wish_lines(result)
    deviations = _changed(result)
    yield from section(f"Deviations ({len(deviations)})", _deviations(deviations))
    yield from section(f"Converts inserted ({len(result.converts)})", _converts(result))
    left = _floats(result)
    count = sum(node.placement is Placement.CPU for node in result.nodes)
    yield from section(f"Left on the CPU by the solve ({count})", left)
    yield from section("Operator facts", _facts(result))


def _facts(result: SolveResult) -> list[Line]:
    return [
        Line(f"  {record.source}: {record.detail}" if record.used else f"  {record.source}: not used, {record.detail}")
        for record in result.facts
    ]


def _priced(entry: str, result: SolveResult) -> str:
    """Where nothing deviates, QC006 prices scales that the chip fixes, such as a sigmoid's: 1 for each port."""
    return entry if result.deviations else entry.replace("deviations", "fixed scales")


def cost_line(result: SolveResult) -> Line:
    """The cost, whether it is proven, and what it is for."""
    proof = "" if result.proof is None else f", {_proof(result.proof, result.limit)}"
    parts = ", ".join(f"{_priced(entry, result)} {cost:,}" for entry, cost in result.breakdown)
    return Line(f"cost {result.cost:,}{proof}" + (f": {parts}" if parts else ""))


def _conflicts(conflicts: Sequence[ConflictRecord]) -> list[Line]:
    lines = []
    for conflict in conflicts:
        lines.append(Line(f"  {names_in_short(conflict.nodes)}: {conflict.text}", style="red"))
        lines += [Line(f"    {constraint}") for constraint in conflict.constraints]
        lines += [
            Line(f"    {source.kind}, {source.citation}")
            for source in conflict.sources
            if source.kind in ("user", "sdk")
        ]
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
        node, deviation = pair
        return (
            node.target,
            _port(node, deviation),
            deviation.requested,
            deviation.chosen,
            deviation.reason,
            _cited(deviation),
            deviation.asked_by,
        )

    lines = []
    for group in fold(deviations, key):
        node, deviation = group[0]
        producer, edge, _ = deviation.site.partition(" -> ")
        where = f"{_port(node, deviation)} ({producer})" if len(group) == 1 and edge else _port(node, deviation)
        names = names_in_short([each.name for each, _ in group])
        asked_by = f" (asked for by {deviation.asked_by})" if deviation.asked_by else ""
        change = f"{where} {deviation.requested}{asked_by} -> {deviation.chosen}"
        lines.append(
            Line(f"  {many(group)}{names} ({node.target}): {change}  because {deviation.reason} [{_cited(deviation)}]")
        )
    return lines


def _although(deviation: Deviation) -> str:
    return f", although {deviation.asked_by} asks for {deviation.requested}" if deviation.asked_by else ""


def _cited(decision: Deviation | ConvertRecord) -> str:
    """The rule, and whose facts took part besides the shipped ones."""
    user = [f"{source.kind}, {source.citation}" for source in decision.sources if source.kind == "user"]
    sdk = ["sdk"] if any(source.kind == "sdk" for source in decision.sources) else []
    return "; ".join([decision.rule, *sdk, *user])


def _converts(result: SolveResult) -> list[Line]:
    nodes = {node.name: node for node in result.nodes}

    def port(convert: ConvertRecord) -> tuple[str, str]:
        user = nodes.get(convert.user)
        producers = [] if user is None else [name for name, _ in user.inputs]
        place = f"input {producers.index(convert.producer)}" if convert.producer in producers else "input"
        return ("?" if user is None else user.target), place

    def key(convert: ConvertRecord) -> tuple[str, ...]:
        return (*port(convert), convert.source, convert.target, convert.reason, _cited(convert))

    lines = []
    for group in fold(result.converts, key):
        it, (target, place) = group[0], port(group[0])
        known = [each.numel for each in group if each.numel is not None]
        size = f", {sum(known):,} elements" + (" in all" if len(group) > 1 else "") if known else ""
        names = names_in_short([each.user for each in group])
        before = f"before {place} of {names} ({target})"
        lines.append(
            Line(f"  {many(group)}{it.source} -> {it.target} {before}{size}  because {it.reason} [{_cited(it)}]")
        )
    return lines


def _floats(result: SolveResult) -> list[Line]:
    unverified = {name for name, _ in result.unverified}

    def why(node: NodeRecord) -> str:
        deviations = (f"{each.reason} [{_cited(each)}]{_although(each)}" for each in node.deviations)
        return "; ".join(dict.fromkeys(deviations))

    on_cpu = [node for node in result.nodes if node.placement is Placement.CPU]
    lines = []
    for group in fold(on_cpu, lambda node: (node.target, node.name in unverified, why(node))):
        node, names = group[0], names_in_short([each.name for each in group])
        reason = f"  because {why(node)}" if node.deviations else ""
        mark = ", unverified" if node.name in unverified else ""
        lines.append(Line(f"  {many(group)}{names} ({node.target}{mark}){reason}", "yellow" if mark else ""))
    return lines


def _proof(proof: str, limit: str | None) -> str:
    """In words: ``optimal``, or the gap as a fraction of the cost, and what stopped the search."""
    if proof == "optimal":
        return "proven optimal"
    stopped = "" if limit is None else f" (stopped at {limit})"
    return f"not proven optimal{stopped}: the least possible cost is at most {float(proof):.1%} lower"
