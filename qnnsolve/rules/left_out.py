"""Why encodings are no candidates at a site (``QC011``): what :mod:`qnnsolve.rules.domains` leaves out, with reasons.

Nothing here takes part in a solve. A reason is made when somebody asks for it; sites of one kind share one record.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import attrs

from qnnsolve.constraints import Constraint, LeftOut, Site
from qnnsolve.encodings import BOOL, FLOAT, FP16, INT32, Encoding
from qnnsolve.facts.graph import GETITEM, NodeKind
from qnnsolve.facts.table_types import codes_of
from qnnsolve.reasons import Reason, Says
from qnnsolve.rules.asked import Port
from qnnsolve.rules.base import Facts
from qnnsolve.rules.builders import Fate
from qnnsolve.rules.registry import rule
from qnnsolve.rules.request import Role
from qnnsolve.rules.saying import is_signed
from qnnsolve.sources import Source, SourceKind, joined

__all__ = ["LeftOuts", "candidates_fit_the_tensor"]

CODE = "QC011"
_PRESETS = Source(
    SourceKind.DOCUMENT, "ExecuTorch 1.5.1, backends/qualcomm/quantizer/qconfig.py: the encodings of its presets"
)
_UNMIXED = Source(
    SourceKind.DOCUMENT, "ExecuTorch 1.5.1: one partition does not mix quantized and half-precision activations"
)
_WIDTHS = ("s2", "s4", "s8", "s16", "s32")
_USUAL = (
    *("u8", "u16", "u8sym", "u16sym", "s8aff", "s16aff", *_WIDTHS),
    *(f"{width}/ch{axis}" for width in _WIDTHS for axis in (0, 1)),
)
"""Encodings that people ask about, besides those that some site has."""
_ROLES = {
    Role.ACTIVATION: "an activation",
    Role.OPERAND: "the second operand of a matrix product",
    Role.NORM: "the weight of a normalization",
}


@rule(CODE, rests_on=(_PRESETS, _UNMIXED))
def candidates_fit_the_tensor(facts: Facts) -> Iterator[Constraint]:
    """A tensor has an encoding that fits its kind, and that was asked for or is tried without being asked.

    Why: activations, weights and biases are stored in different ways, and half precision does not mix with quantized
    activations. Of all other encodings the solver tries the usual ones, so that a solve stays small. An encoding that
    breaks this rule is no candidate from the start.

    Instead: ask for the encoding where it should stand (``--prefer``, ``--pin``, a recipe).
    """
    return iter(())


class LeftOuts:
    """Answers why encodings are no candidates at the sites of some facts."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._known: dict[tuple[object, ...], LeftOut] = {}
        self._usual: frozenset[Encoding] | None = None

    def __call__(self, site: Site) -> LeftOut:
        """Why encodings are no candidates at ``site``.

        Raises:
            KeyError: the graph has no such site.
        """
        graph = self._facts.graph
        if site.node not in graph.nodes or (site.user and site.user not in graph.users[site.node]):
            raise KeyError(site)
        if site not in self._facts.domains:
            return LeftOut(others=self._without_candidates(site))
        alone = self._only_float(site)
        port, owner = self._facts.port(site), self._facts.owner(site)
        domain = self._facts.domains[site]
        fixed = () if site.user or alone else self._fixed_at_output(owner)
        asked_by = tuple(dict.fromkeys(wish.source for wish in self._facts.wanted.wishes(owner)))
        key = (id(domain), port.role, port.ch_axis, alone, fixed, asked_by)
        if key not in self._known:
            kind = _Kind(port, domain, self._facts.request.fp16, fixed, (self._request, *asked_by))
            self._known[key] = LeftOut((), alone) if alone else kind.left_out(self._everything)
        return self._known[key]

    @property
    def _request(self) -> Source:
        return Source(SourceKind.USER, f"precision {self._facts.request.name}")

    @property
    def _everything(self) -> frozenset[Encoding]:
        """Every encoding that some site has, and the usual ones."""
        if self._usual is None:
            domains = {id(domain): domain for domain in self._facts.domains.values()}.values()
            known = (encoding for domain in domains for encoding in domain)
            self._usual = frozenset((*known, *map(Encoding.of_name, _USUAL), FLOAT, FP16, INT32, BOOL))
        return self._usual

    def _without_candidates(self, site: Site) -> Reason:
        """Why a site has no candidates at all."""
        node, say = self._facts.graph[site.node], self._facts.graph_reason
        if not site.user and node.several:
            return say(CODE, Says.EACH_OUTPUT)
        if node.tensor is None and not node.several:
            return say(CODE, Says.NO_TENSOR)
        if node.tensor is not None and not node.tensor.is_float:
            return say(CODE, Says.HOLDS_INTEGERS, dtype=node.tensor.dtype)
        if not site.user:
            return say(CODE, Says.EACH_READER if node.kind is NodeKind.PARAM else Says.NOT_READ)
        user = self._facts.graph[site.user]
        if user.target == GETITEM:
            return say(CODE, Says.EACH_OUTPUT)
        return say(CODE, Says.NOT_AN_INPUT, target=user.target if user.kind is NodeKind.CALL else user.kind.value)

    def _only_float(self, site: Site) -> Reason | None:
        """Why a site is float whatever is asked for; None where it need not be."""
        facts = self._facts
        owner = facts.owner(site)
        built = facts.built.get(owner)
        if built is not None and built.fate is Fate.UNKNOWN:
            return facts.graph_reason(CODE, Says.NO_FACTS, target=facts.graph[owner].target)
        if built is not None and built.fate is Fate.CONSTANT and facts.domains[site] == (FLOAT,):
            return facts.graph_reason(CODE, Says.NOT_READ)
        return None

    def _fixed_at_output(self, name: str) -> tuple[tuple[str, str, frozenset[str], tuple[Source, ...]], ...]:
        """Op, arch, port codes and sources, where the op that ``name`` becomes fixes the scale of its output."""
        built = self._facts.built.get(name)
        if built is None or built.op is None:
            return ()
        accepted = self._facts.operators.accepted(built.op, self._facts.form(self._facts.graph[name], built))
        if accepted is None:
            return ()
        at = len(accepted.inputs)
        codes = frozenset(code for code, _ in accepted.fixed_at(at)) - accepted.free_at(at)
        fixing = [row for row in accepted.rows.values() if any(port.position == at for port in row.fixed)]
        sources = joined(source for row in fixing for source in row.sources)
        return ((built.op, self._facts.operators.arch, codes, sources),) if codes else ()


@attrs.frozen(eq=False)
class _Kind:
    """A kind of site: its port and candidates, and what was asked for."""

    port: Port
    domain: tuple[Encoding, ...]
    half: bool
    fixed: tuple[tuple[str, str, frozenset[str], tuple[Source, ...]], ...]
    asked_by: tuple[Source, ...]

    def left_out(self, encodings: Iterable[Encoding]) -> LeftOut:
        """Why each of ``encodings`` that is no candidate is none, and why all others are none."""
        found: dict[Reason, list[Encoding]] = {}
        for encoding in sorted(set(encodings) - set(self.domain)):
            found.setdefault(self._why(encoding), []).append(encoding)
        others = self._not_tried()
        named = ((reason, frozenset(each)) for reason, each in found.items() if reason != others)
        return LeftOut(tuple(named), others)

    def _not_tried(self) -> Reason:
        tried = ", ".join(encoding.name for encoding in self.domain)
        return Reason.of(CODE, Says.NOT_TRIED, self.asked_by, tried=tried)

    def _why(self, encoding: Encoding) -> Reason:
        if not encoding.quantized:
            says = Says.HALF_NOT_ASKED if encoding == FP16 else Says.MEANS_ITSELF
            return Reason.of(CODE, says, self.asked_by if encoding == FP16 else (_PRESETS,))
        if self.half and self.port.role in _ROLES:
            return Reason.of(CODE, Says.HALF_ONLY, (_UNMIXED, *self.asked_by))
        for op, arch, codes, sources in self.fixed:
            if codes_of(encoding) in codes:
                return Reason.of(CODE, Says.FIXES_SCALE, sources, op=op, arch=arch)
        if encoding.scale is not None:
            return Reason.of(CODE, Says.NO_FIXED_SCALE, (_PRESETS,))
        return self._by_role(encoding)

    def _by_role(self, encoding: Encoding) -> Reason:
        match self.port.role:
            case Role.ACTIVATION | Role.OPERAND | Role.NORM as role:
                if encoding.ch_axis is not None:
                    return Reason.of(CODE, Says.ONE_SCALE, (_PRESETS,), role=_ROLES[role])
                if role is Role.ACTIVATION and is_signed(encoding):
                    return Reason.of(CODE, Says.UNSIGNED_ACTIVATION, (_PRESETS,))
            case Role.BIAS:
                if encoding.bits != 32:
                    return Reason.of(CODE, Says.BIAS_IN_32_BITS, (_PRESETS,))
            case Role.WEIGHT:
                if not (is_signed(encoding) and encoding.qscheme.is_symmetric):
                    return Reason.of(CODE, Says.SIGNED_WEIGHT, (_PRESETS,))
        if encoding.ch_axis is not None and encoding.ch_axis != self.port.ch_axis:
            return Reason.of(CODE, Says.CHANNEL_AXIS, (_PRESETS,), axis=self.port.ch_axis)
        return self._not_tried()
