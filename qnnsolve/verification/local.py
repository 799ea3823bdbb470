"""Where the emulator and the converted model part, node by node: :func:`local_checks`.

The converted model is compiled with every quantized tensor as an output (:mod:`qnnsolve.verification.taps`). Then torch
computes each op anew from the *emulator's* inputs to it, so that the difference is what this op alone does differently.
Whether that is rounding is judged as for an output (:mod:`qnnsolve.verification.judging`): the float op, on the same
inputs, says how much error rounding makes. The emulator rounds otherwise what an op reads and what it yields
(:mod:`qnnsolve.verification.other_rounding`). So what differs is judged again against torch with as many values a step
off, and is rounding where that is no better.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import attrs
import torch
from torch.fx import GraphModule, Interpreter, Node

from qnnsolve.results import EmulatedNode, FirstDifference, OutputCheck, Verdict
from qnnsolve.verification.comparison import OutputGrid, checked
from qnnsolve.verification.judging import Row
from qnnsolve.verification.nodewise import Sample, run, watched
from qnnsolve.verification.noise import Power, over_samples, power
from qnnsolve.verification.other_rounding import on_grid, otherwise_rounded
from qnnsolve.verification.quantized_nodes import is_dequantize, op_behind
from qnnsolve.verification.taps import Compile, in_parts, taps
from qnnsolve.verification.verify import restored

__all__ = ["LocalCheck", "LocalChecks", "local_checks"]


@attrs.frozen(eq=False)
class LocalCheck:
    """One tap: the op that yields what is quantized there, the encoding's step, and how far the two are apart.

    ``check`` has the largest difference and the verdict; ``apart`` the share of values a step or more apart, ``mean``
    the mean difference in steps.
    """

    node: Node
    tap: str
    direct: bool
    """Whether it is quantized as the op yields it; else by way of another encoding, on an edge."""
    scale: float
    check: OutputCheck
    mean: float
    apart: float
    own: tuple[Power, ...]
    accumulated: tuple[Power, ...]

    @property
    def record(self) -> EmulatedNode:
        """As a result has it."""
        return EmulatedNode(
            over_samples(self.own),
            over_samples(self.accumulated),
            self.check.steps or 0,
            self.apart,
            self.check.verdict,
        )


@attrs.frozen(eq=False)
class LocalChecks:
    """All taps in graph order, and the nodes whose value the compiler takes as no output."""

    checks: tuple[LocalCheck, ...]
    refused: tuple[str, ...]

    def first(self, paths: Mapping[str, str]) -> FirstDifference:
        """The first op that computes something else; without one, the first that rounds otherwise by more than is
        allowed without a look. ``paths`` has module paths by name."""
        for verdict in (Verdict.DISAGREES, Verdict.ROUNDING):
            for each in self.checks:
                if each.check.verdict is verdict:
                    return FirstDifference(
                        each.node.name,
                        str(each.node.target),
                        paths.get(each.node.name, ""),
                        each.check.steps or 0,
                        each.apart,
                        verdict,
                        len(self.checks),
                        self.refused,
                    )
        return FirstDifference(None, nodes=len(self.checks), refused=self.refused)

    def by_node(self) -> dict[str, EmulatedNode]:
        """The record of each op whose output is compared."""
        return {each.node.name: each.record for each in reversed(self.checks) if each.direct}


def local_checks(
    converted: GraphModule,
    original: GraphModule,
    samples: Sequence[Sample],
    compiled: Compile,
    *,
    tolerance: float = 0.01,
    faulty: GraphModule | None = None,
) -> LocalChecks:
    """Every tap of ``converted`` on the emulator.

    Args:
        converted: the model that is compiled.
        original: the same graph in float.
        samples: what ``compiled`` runs; where the model has states, each begins with the first ones.
        compiled: compiles a model and runs ``samples``.
        tolerance: the largest difference, as a fraction of a value's range, that is not looked into.
        faulty: is compiled instead, to see what is found.

    Raises:
        KernelError: an op on the CPU has arguments that its kernel refuses.
    """
    refused: list[str] = []
    found: dict[str, LocalCheck] = {}
    every = taps(converted)
    for part, values in in_parts(converted, compiled, refused, faulty):
        rows: dict[str, list[Row]] = {}
        accumulated: dict[str, list[Power]] = {}
        shown = [
            {tap.name: on_grid(tap, values[tap.name][at]) for tap in every if tap.name in values}
            for at in range(len(samples))
        ]
        for sample, here in zip(samples, shown, strict=True):
            for name, row, total in _rows(converted, original, sample, here, every):
                if name in part:
                    rows.setdefault(name, []).append(row)
                    accumulated.setdefault(name, []).append(total)
        checks = {
            tap.name: _check(tap, rows[tap.name], accumulated[tap.name], tolerance) for tap in every if tap.name in rows
        }
        found |= _but_for_rounding(converted, samples, shown, every, rows, checks, tolerance)
    ordered = [tap for tap in every if tap.name in {*found, *refused}]
    return LocalChecks(
        tuple(found[tap.name] for tap in ordered if tap.name in found),
        tuple(dict.fromkeys(op_behind(tap).name for tap in ordered if tap.name in refused)),
    )


def _rows(
    converted: GraphModule,
    original: GraphModule,
    sample: Sample,
    values: Mapping[str, torch.Tensor],
    every: Sequence[Node],
) -> Iterator[tuple[str, Row, Power]]:
    """Of each of ``every`` tap that has one: the emulator's value, torch's, the float op's, all from the emulator's
    inputs; and the power of what the emulator's is off from the converted model's."""
    local, plain = _Tapped(converted, values, replace=True), _Tapped(converted, values, replace=False)
    behind = {tap.all_input_nodes[0].name: tap.name for tap in every if tap.name in values}
    refs: dict[str, torch.Tensor] = {}

    def emulated(name: str, x: torch.Tensor) -> torch.Tensor | None:
        if name not in behind:
            return None
        refs[behind[name]] = x.clone()
        return _shaped(values[behind[name]], x)

    for runner, module in ((local, converted), (plain, converted), (watched(original, emulated), original)):
        with restored(tuple(module.buffers())):
            run(runner, sample)
    for name, want in local.seen.items():
        got = _shaped(values[name], want)
        yield name, (got, want, refs.get(name, local.read[name])), power(got, plain.seen[name])


def _but_for_rounding(
    converted: GraphModule,
    samples: Sequence[Sample],
    shown: Sequence[Mapping[str, torch.Tensor]],
    every: Sequence[Node],
    rows: Mapping[str, list[Row]],
    checks: dict[str, LocalCheck],
    tolerance: float,
) -> dict[str, LocalCheck]:
    """``checks``; what torch computes no better where it rounds otherwise, reading and yielding, is rounding."""
    if all(each.check.verdict is not Verdict.DISAGREES for each in checks.values()):
        return checks
    seen: dict[str, list[torch.Tensor]] = {name: [] for name in checks}
    for sample, here in zip(samples, shown, strict=True):
        runner = _Tapped(converted, otherwise_rounded(every, here, 0), replace=True)
        with restored(tuple(converted.buffers())):
            run(runner, sample)
        yielded = otherwise_rounded(every, runner.seen, 1)
        for name in checks:
            seen[name].append(yielded[name])
    for tap in every:
        each = checks.get(tap.name)
        if each is not None and each.check.verdict is Verdict.DISAGREES:
            read = [(got, other, ref) for (got, _, ref), other in zip(rows[tap.name], seen[tap.name], strict=True)]
            if checked(0, read, _grid_of(tap), tolerance, True).verdict is not Verdict.DISAGREES:
                check = attrs.evolve(each.check, verdict=Verdict.ROUNDING, place=None)
                checks[tap.name] = attrs.evolve(each, check=check)
    return checks


def _shaped(got: torch.Tensor, want: torch.Tensor) -> torch.Tensor:
    """QNN gives a scalar one dimension of size 1."""
    return (got.reshape(want.shape) if got.numel() == want.numel() else got).to(want.dtype, copy=True)


def _grid_of(tap: Node) -> OutputGrid:
    scale, low, high = (float(tap.args[at]) for at in (1, 3, 4))  # type: ignore[arg-type]  # torchao writes numbers
    return OutputGrid(scale, int(high - low).bit_length())


def _check(tap: Node, rows: list[Row], accumulated: list[Power], tolerance: float) -> LocalCheck:
    grid = _grid_of(tap)
    scale, check = grid.scale, checked(0, rows, grid, tolerance, True)
    steps = torch.cat([((got.double() - want.double()) / scale).abs().flatten() for got, want, _ in rows])
    source = tap.all_input_nodes[0]
    return LocalCheck(
        op_behind(source),
        tap.name,
        not is_dequantize(source),
        scale,
        check,
        float(steps.mean()),
        float((steps > 0.5).double().mean()),
        tuple(power(got, want) for got, want, _ in rows),
        tuple(accumulated),
    )


class _Tapped(Interpreter):
    """Runs the graph and keeps what it yields at each tap; with ``replace`` the emulator's value goes on from there."""

    def __init__(self, module: GraphModule, values: Mapping[str, torch.Tensor], *, replace: bool) -> None:
        super().__init__(module)
        self._values, self._replace = values, replace
        self.seen: dict[str, torch.Tensor] = {}
        self.read: dict[str, torch.Tensor] = {}

    def run_node(self, n: Node) -> torch.Tensor:
        if n.name in self._values:
            self.read[n.name] = self.env[n.all_input_nodes[0]].clone()
        value: torch.Tensor = super().run_node(n)
        source = n.all_input_nodes[0].name if is_dequantize(n) else ""
        if source not in self._values:
            return value
        if source not in self.seen:
            self.seen[source] = value.clone()
        return _shaped(self._values[source], value) if self._replace else value
