"""The types of a measured operator table: port codes, rows, cases, verdicts."""

from __future__ import annotations

import enum
import functools
import operator

import attrs

from qnnsolve.encodings import DType, Encoding, QScheme
from qnnsolve.facts.forms import Form, When
from qnnsolve.sources import Source

__all__ = [
    "ARCHS",
    "CODES",
    "FORMAT",
    "ROW_KEYS",
    "Case",
    "FixedPort",
    "OpTable",
    "ProbeVerdict",
    "TableRow",
    "arch_list",
    "codes_of",
]

FORMAT = 2
"""Of the files that hold tables."""
ROW_KEYS = ("rows", "wrong", "validator_only", "unstable")
"""The sections of a case that hold rows."""


ARCHS = ("V68", "V69", "V73", "V75", "V79", "V81")
"""HTP archs in the order of their numbers."""

CODES = (
    *("u8", "s8", "u16", "s16", "s32", "s8c", "s16c", "s32c", "s4", "s4c", "s2c", "s4b"),
    *("f32", "f16", "i32", "u32", "b8", "-"),
)
"""Port codes: sign and bits of a quantized tensor, ``c`` per channel, ``b`` per block (LPBQ); floats, integers and
masks that mean themselves; ``-`` an optional input that is absent."""

_PLAIN = {DType.INT32: "i32", DType.BOOL: "b8", DType.FLOAT32: "f32", DType.FLOAT16: "f16"}


@functools.cache
def codes_of(encoding: Encoding) -> str:
    """Return the port code of ``encoding``, or a code that no table asks (``s8b``, ``uint8``): unknown, never legal."""
    if not encoding.quantized:
        return _PLAIN.get(encoding.dtype, encoding.dtype.value)
    code = f"{'u' if encoding.dtype in (DType.UINT8, DType.UINT16) else 's'}{encoding.bits}"
    suffix = {QScheme.PER_CHANNEL_SYMMETRIC: "c", QScheme.PER_BLOCK_SYMMETRIC: "b"}
    return code + suffix.get(encoding.qscheme, "")


class ProbeVerdict(enum.Enum):
    """What the real backend said.

    ``ACCEPTED``: the validator and finalize accept it, and what the emulator computes is right. ``WRONG``: both accept
    it, and what the emulator computes is not. ``VALIDATOR_ONLY``: finalize refuses what the validator accepted.
    ``REJECTED``: the validator refuses it. ``UNKNOWN``: nobody asked, or the answers differed.
    """

    ACCEPTED = "accepted"
    WRONG = "wrong"
    VALIDATOR_ONLY = "validator_only"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


@attrs.frozen(order=True)
class FixedPort:
    """The one encoding that ``port`` may declare: real units per step, and the zero point."""

    port: str
    scale: float
    zero_point: int


@attrs.frozen(cache_hash=True)
class TableRow:
    """One tuple of port codes and the archs for which it holds.

    ``symmetric`` names the ports whose zero point must be the middle of the range (0, or 32768 for ``u16``): the
    backend refuses any other offset there. ``same`` names the ports that must carry one encoding: with differing ones
    the emulator computes something else. ``fixed`` has the ports that are computed right with one encoding only.
    ``axis`` has (port, channel axes that it may have, in QNN's layout).
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    archs: frozenset[str]
    symmetric: frozenset[str] = frozenset()
    same: frozenset[str] = frozenset()
    fixed: tuple[FixedPort, ...] = ()
    axis: tuple[tuple[str, frozenset[int]], ...] = ()

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of the inputs, then of the outputs."""
        return self.inputs + self.outputs

    @property
    def key(self) -> str:
        """The tuple as files write it: ``u16 s8 > u16``."""
        return f"{' '.join(self.inputs)} > {' '.join(self.outputs)}"


@attrs.frozen
class Case:
    """One shape class: ``shapes`` says which, ``asked`` has the codes per port (inputs, then outputs).

    ``name`` joins with ``|`` the names of the classes that were measured to be equal (``rank3|rank4``); ``when`` has
    for each of these names the nodes that it measures, or is empty where that is every node. ``axes`` has the ports
    that were asked with per-channel or per-block codes, and the channel axis that those had. ``wrong`` has what
    validator and finalize accept and the emulator computes wrongly.
    """

    name: str
    shapes: str
    asked: tuple[tuple[str, ...], ...]
    rows: tuple[TableRow, ...]
    wrong: tuple[TableRow, ...] = ()
    validator_only: tuple[TableRow, ...] = ()
    unstable: tuple[TableRow, ...] = ()
    axes: tuple[tuple[str, int], ...] = ()
    when: tuple[When, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all classes that this case stands for."""
        return tuple(self.name.split("|"))

    def measuring(self, form: Form) -> tuple[str, ...]:
        """The names of the classes that measure a node of this form, without those that a builder asks for by name."""
        if not self.when:
            return self.names
        return tuple(name for name, when in zip(self.names, self.when, strict=True) if when.fits(form))

    def asks(self, codes: tuple[str, ...]) -> bool:
        """Whether these codes (inputs, then outputs) were asked."""
        return len(codes) == len(self.asked) and all(map(operator.contains, self.asked, codes))

    @functools.cached_property
    def verdicts(self) -> dict[tuple[str, ...], dict[str, ProbeVerdict]]:
        """Per tuple of codes and arch, all that is not plainly rejected."""
        found: dict[tuple[str, ...], dict[str, ProbeVerdict]] = {}
        kinds = (
            (self.rows, ProbeVerdict.ACCEPTED),
            (self.wrong, ProbeVerdict.WRONG),
            (self.validator_only, ProbeVerdict.VALIDATOR_ONLY),
            (self.unstable, ProbeVerdict.UNKNOWN),
        )
        for rows, verdict in kinds:
            for row in rows:
                found.setdefault(row.codes, {}).update(dict.fromkeys(row.archs, verdict))
        return found


@attrs.frozen
class OpTable:
    """Everything measured about one operator.

    ``repeats`` names an input or output where all inputs (Concat, Pack) or outputs (Split, UnPack) are of any number;
    those were asked with one code. Of a node that no case measures nothing is known where the table is ``closed``;
    otherwise every case has to accept it.
    """

    op: str
    backend: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    repeats: str | None
    cases: tuple[Case, ...]
    source: Source
    aten: tuple[str, ...] = ()
    measured: tuple[tuple[str, str], ...] = ()
    closed: bool = False

    def case(self, name: str) -> Case:
        """Return the case called ``name``, alone or as one of the joined names.

        Raises:
            KeyError: no case has that name.
        """
        for case in self.cases:
            if name == case.name or name in case.names:
                return case
        raise KeyError(name)

    def measuring(self, form: Form) -> tuple[tuple[Case, tuple[str, ...]], ...]:
        """The cases that measure a node of this form, each with the names of its classes that do.

        The one that is asked for by name; else those whose conditions the node meets. Where no class measures it, all
        cases count, with the names of none; in a closed table none does.
        """
        fitting: list[tuple[Case, tuple[str, ...]]] = []
        if form.name is not None:
            fitting = [(case, (form.name,)) for case in self.cases if form.name in case.names]
        if not fitting and (form.name is None or not self.closed):
            fitting = [(case, names) for case in self.cases if (names := case.measuring(form))]
        return tuple(fitting) if fitting or self.closed else tuple((case, ()) for case in self.cases)

    def verdict(self, case: Case | str, codes: tuple[str, ...], arch: str) -> ProbeVerdict:
        """Return what was measured for ``codes`` (inputs, then outputs); what was not asked is ``UNKNOWN``."""
        of = self.case(case) if isinstance(case, str) else case
        if arch not in ARCHS:
            return ProbeVerdict.UNKNOWN
        if not of.asks(codes):
            return ProbeVerdict.UNKNOWN
        if self.repeats is not None:
            count = len(self.inputs)
            repeated = codes[:count] if self.repeats in self.inputs else codes[count:]
            if len(set(repeated)) > 1:
                return ProbeVerdict.UNKNOWN
        return of.verdicts.get(codes, {}).get(arch, ProbeVerdict.REJECTED)


def arch_list(archs: frozenset[str]) -> str:
    """``V68 V69 V73``, as a file names them."""
    return " ".join(sorted(archs, key=lambda arch: int(arch[1:])))
