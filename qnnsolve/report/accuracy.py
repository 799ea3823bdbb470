"""The parts of a report that tell how near the numbers are to the float model: the warning on top, and the figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from qnnsolve.report.lines import Line, count
from qnnsolve.results import ConvertedCheck, Decibels, ExportResult, OutputCheck, Verdict, Verification, in_words

__all__ = ["LEAST_SQNR_DB", "accuracy", "in_decibels", "output_lines", "poor", "poor_converted_lines", "poor_lines"]

LEAST_SQNR_DB = 20.0
"""Under which a report warns: the noise is a tenth of the signal."""
LISTED_OUTPUTS = 8


def poor(result: ExportResult, least_db: float) -> tuple[tuple[int, str, Decibels], ...]:
    """Outputs with less than ``least_db`` against the float model, and where: when converted, or on the emulator."""
    found = [(each.index, "when converted", each.sqnr) for each in result.converted]
    if result.verification is not None:
        checks = result.verification.outputs
        found += [(each.index, "on the emulator", each.emulator) for each in checks if each.emulator is not None]
    worst: dict[int, tuple[int, str, Decibels]] = {}
    for index, where, sqnr in found:
        if not sqnr.together >= least_db:
            worst.setdefault(index, (index, where, sqnr))
    return tuple(worst[index] for index in sorted(worst))


def poor_lines(result: ExportResult, least_db: float) -> Iterator[Line]:
    """What is poor, and what to try; nothing where nothing is."""
    samples = max((each.sqnr.samples for each in result.converted), default=1)
    ways = [*_ways_out(result.solve.precision, samples), "what loses most left in float on the CPU (--facts)"]
    yield from _poor_lines(poor(result, least_db), least_db, ways)


def poor_converted_lines(converted: Sequence[ConvertedCheck], precision: str, samples: int) -> Iterator[Line]:
    """The same of a converted model alone, which was calibrated with so many ``samples``."""
    found = tuple(
        (each.index, "when converted", each.sqnr) for each in converted if not each.sqnr.together >= LEAST_SQNR_DB
    )
    yield from _poor_lines(found, LEAST_SQNR_DB, list(_ways_out(precision, samples)))


def _poor_lines(found: Sequence[tuple[int, str, Decibels]], least_db: float, ways: Sequence[str]) -> Iterator[Line]:
    for index, where, sqnr in found[:LISTED_OUTPUTS]:
        figures = f"{in_decibels(sqnr)} against the float model {where}"
        yield Line(f"POOR: output {index} has {figures}, less than {least_db:g} dB", style="bold red")
    if len(found) > LISTED_OUTPUTS:
        yield Line(f"  and {count(len(found) - LISTED_OUTPUTS, 'more output')}", style="bold red")
    if found:
        yield Line(f"  to try: {'; '.join(ways)}", style="yellow")


def _ways_out(precision_name: str, samples: int) -> Iterator[str]:
    """What to try where a model that was calibrated with so many samples is poor at a precision."""
    from qnnsolve.rules.request import precision

    asked = precision(precision_name)
    if asked.activation_bits == 8:
        yield "16-bit activations (--precision 16a8w)"
    elif asked.weight_bits < 8:
        yield "8-bit weights (--precision 16a8w)"
    elif asked.weight_bits == 8:
        yield "16-bit weights (--precision 16a16w)"
    if samples < 8:
        yield f"more calibration samples, so that each range is seen (so far {samples})"
    else:
        yield "calibration samples without outliers, which widen every range"


def in_decibels(sqnr: Decibels) -> str:
    """``31.9 dB over 1 sample``, or with the worst and the one in the middle of several."""
    several = f" (worst {sqnr.worst:.1f}, median {sqnr.median:.1f})" if sqnr.samples > 1 else ""
    return f"{sqnr.together:.1f} dB over {count(sqnr.samples, 'sample')}{several}"


def accuracy(result: ExportResult) -> Iterator[Line]:
    """The SQNR of the emulator's and of the converted model's worst outputs."""
    sides = []
    if result.verification is not None:
        checks = result.verification.outputs
        sides.append(("on the emulator", [(each.index, each.emulator) for each in checks if each.emulator is not None]))
    sides.append(("converted", [(each.index, each.sqnr) for each in result.converted]))
    said = []
    for where, outputs in sides:
        if outputs:
            index, sqnr = min(outputs, key=lambda pair: (pair[1].together, pair[0]))
            at = f" at output {index}" if len(outputs) > 1 else ""
            said.append(f"{where} {in_decibels(sqnr)}{at}")
    if said:
        yield Line(f"SQNR against the float model: {'; '.join(said)}")


def output_lines(verification: Verification) -> Iterator[Line]:
    """A line per output where there are several: all of a few; of many, those that are off or poor."""
    outputs = verification.outputs
    if len(outputs) + len(verification.random_outputs) > 1:
        shown = outputs if len(outputs) <= LISTED_OUTPUTS else tuple(filter(_telling, outputs))
        for output in shown:
            yield Line(f"  output {output.index}: {_figures(output)}")
        if len(shown) < len(outputs):
            yield Line(f"  {count(len(outputs) - len(shown), 'other output')} within the tolerance")
    for index in verification.random_outputs:
        yield Line(f"  output {index} is random: not compared")


def _telling(output: OutputCheck) -> bool:
    return output.verdict is not Verdict.AGREES or not output.sqnr_db >= LEAST_SQNR_DB


def _figures(output: OutputCheck) -> str:
    sides: Sequence[tuple[str, Decibels | None]] = (("emulator", output.emulator), ("converted", output.converted))
    sqnr = ", ".join(f"{where} {each.together:.1f} dB" for where, each in sides if each is not None)
    return f"largest error {output.max_abs:.4g} ({in_words(output)}), SQNR {sqnr or f'{output.sqnr_db:.1f} dB'}"
