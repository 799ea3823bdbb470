"""A comparison node by node as text: what a user reads after ``qnnsolve compare``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from qnnsolve.report.accuracy import in_decibels
from qnnsolve.report.folding import fold
from qnnsolve.report.lines import Line, count, paragraph, percent, section, times
from qnnsolve.results import CompareResult, Decibels, FirstDifference, NodeComparison, Verdict

__all__ = ["compare_head", "compare_lines", "difference_line", "first_lines"]

MOST_MODULES = 40
"""Lines of the table of modules; of a larger model the module paths are cut short."""
LISTED_NODES = 10


def compare_lines(result: CompareResult, model: str, *, verbose: bool = False) -> tuple[Line, ...]:
    """The report of a comparison; ``verbose``: every node, not only modules and the ten with the largest own error."""
    nodes = result.nodes
    return (
        *compare_head(result, model),
        *section(f"By module, in the order of the graph{_columns(result)}", list(_modules(result))),
        *(
            section("Nodes, in the order of the graph", [_node_line(node) for node in nodes])
            if verbose
            else section("Largest own errors", [_node_line(node) for node in _worst(nodes)])
        ),
        *section("Ranges", list(_ranges(nodes))),
        *section("Notes", [Line(f"  {note}") for note in result.notes]),
        *times(result.timings),
    )


def compare_head(result: CompareResult, model: str) -> tuple[Line, ...]:
    """How near the outputs are, and the first node below the bound on each side."""
    return (*_head(result, model), *first_lines(result))


def _head(result: CompareResult, model: str) -> Iterator[Line]:
    solve = result.solve
    asked = f"{count(len(result.nodes), 'node')} over {count(result.samples, 'sample')}"
    yield Line(f"{model} for {solve.soc}, {solve.precision}: {asked}", style="bold")
    for check in result.outputs:
        yield Line(f"  output {check.index}: {in_decibels(check.sqnr)} against the float model")


def first_lines(result: CompareResult) -> Iterator[Line]:
    """The first node that its encodings do not explain, and the first below the bound in each respect."""
    worse = result.first_unexplained
    yield from paragraph("First node whose own error is more than its encodings explain")
    yield Line("  none", style="green") if worse is None else Line(f"  {_worse(worse)}", style="bold red")
    yield from paragraph(f"First node below {result.bound_db:g} dB")
    own, accumulated = result.first_own, result.first_accumulated
    yield _first("own error of the converted model", own, own.own if own else None)
    yield _first("accumulated in the converted model", accumulated, accumulated.accumulated if accumulated else None)
    if not result.emulated:
        yield Line("  emulator: not run")
        return
    of = "of the emulator against the converted model"
    first, found = result.first_emulator_own, result.first_emulator_accumulated
    yield _first(f"own error {of}", first, first.emulator.own if first and first.emulator else None)
    yield _first(f"accumulated error {of}", found, found.emulator.accumulated if found and found.emulator else None)
    if result.first_difference is not None:
        yield difference_line(result.first_difference)


def _worse(node: NodeComparison) -> str:
    assert node.excess is not None
    own = node.own.together
    return f"{_named(node)}: own {own:.1f} dB, and its encodings explain {own + node.excess:.1f} dB"


def _first(what: str, node: NodeComparison | None, sqnr: Decibels | None) -> Line:
    if node is None or sqnr is None:
        return Line(f"  {what}: none", style="green")
    return Line(f"  {what}: {_named(node)}, {in_decibels(sqnr)}", style="bold red")


def difference_line(found: FirstDifference) -> Line:
    """The first node that the emulator computes otherwise than torch from the same inputs, and what that is."""
    if found.reason:
        why = f"no value inside compiles as an output: {found.reason}"
        return Line(f"  First node that differs alone on the emulator: not found, since {why}", style="yellow")
    left = f"; {count(len(found.refused), 'node')} not compared: the compiler takes them as no output"
    more = left if found.refused else ""
    if found.node is None:
        of = f"of {count(found.nodes, 'node')}"
        fused = "values that are outputs keep the compiler from fusing, so what differs only in a fusion is not seen"
        return Line(f"  First node that differs alone on the emulator: none {of} ({fused}){more}", style="yellow")
    kind = {Verdict.DISAGREES: "something else is computed"}.get(found.verdict, "rounding")
    at = f" in {found.module_path}" if found.module_path else ""
    size = f"by up to {count(found.steps, 'step')} of its encoding, {percent(found.apart)} of its values"
    named = f"{found.node} ({found.target}){at}"
    return Line(f"  First node that differs alone on the emulator: {named}: {kind}, {size}{more}", style="yellow")


def _named(node: NodeComparison) -> str:
    at = f" in {node.module_path}" if node.module_path else ""
    return f"{node.name} ({node.target}){at}"


def _columns(result: CompareResult) -> str:
    emulator = "; emulator: the same against the converted model" if result.emulated else ""
    return f" (own: of its worst node; end: accumulated at its last node{emulator})"


def _modules(result: CompareResult) -> Iterator[Line]:
    """A line per run of nodes of one module; paths are cut to as many parts as give few lines."""
    groups = _grouped(result.nodes)
    width = max((len(path) for path, _ in groups), default=0)
    for path, nodes in groups:
        worst, last = min(nodes, key=lambda node: node.own.together), nodes[-1]
        text = f"  {path:{width}}  own {worst.own.together:6.1f} dB, end {last.accumulated.together:6.1f} dB"
        emulated = [node.emulator for node in nodes if node.emulator is not None]
        if emulated:
            own, end = min(each.own.together for each in emulated), emulated[-1].accumulated.together
            text += f", emulator own {own:6.1f} dB, end {end:6.1f} dB"
        poor = not min(worst.own.together, last.accumulated.together) >= result.bound_db
        yield Line(f"{text}  {count(len(nodes), 'node')}", style="red" if poor else "")


def _grouped(nodes: Sequence[NodeComparison]) -> list[tuple[str, list[NodeComparison]]]:
    deepest = max((node.module_path.count(".") + 1 for node in nodes), default=1)
    for depth in range(deepest, 0, -1):
        runs: list[tuple[str, list[NodeComparison]]] = []
        for node in nodes:
            path = ".".join(node.module_path.split(".")[:depth]) or "(model)"
            if runs and runs[-1][0] == path:
                runs[-1][1].append(node)
            else:
                runs.append((path, [node]))
        if len(runs) <= MOST_MODULES:
            return runs
    return [(group[0].module_path.split(".")[0] or "(model)", group) for group in fold(nodes, _top)]


def _top(node: NodeComparison) -> str:
    return node.module_path.split(".")[0]


def _worst(nodes: Sequence[NodeComparison]) -> list[NodeComparison]:
    return sorted(nodes, key=lambda node: node.own.together)[:LISTED_NODES]


def _node_line(node: NodeComparison) -> Line:
    figures = f"own {node.own.together:.1f} dB, accumulated {node.accumulated.together:.1f} dB"
    if node.emulator is not None:
        each = node.emulator
        figures += f"; emulator own {each.own.together:.1f} dB ({count(each.steps, 'step')} at most, "
        figures += f"{percent(each.apart)} of values apart), accumulated {each.accumulated.together:.1f} dB"
    encoding = "" if node.encoding is None else f", {node.encoding}"
    return Line(f"  {_named(node)}{encoding}: {figures}")


SATURATED = 0.01
UNUSED = 0.5


def _ranges(nodes: Sequence[NodeComparison]) -> Iterator[Line]:
    """Where more than 1 % of values are beyond the range, or more than half of it holds none; not what is constant."""
    for node in nodes:
        if node.saturated is not None and node.saturated > SATURATED:
            yield Line(f"  {_named(node)}: {percent(node.saturated)} of its values beyond its range", style="yellow")
        if node.unused is not None and UNUSED < node.unused < 1:
            yield Line(f"  {_named(node)}: {percent(node.unused)} of its range unused", style="yellow")
