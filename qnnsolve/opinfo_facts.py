"""Every source of operator constraints, as one set of facts per backend and HTP arch.

Tables measured on the real compiler (:mod:`qnnsolve.facts.tables`), the SDK's BackendOpInfo
(:mod:`qnnsolve.facts.sdk`), curated facts (:mod:`qnnsolve.facts.curated`) and the user's own
(:mod:`qnnsolve.facts.user`). Port codes (``u16``, ``s8c``, ``f32``) are those of the tables.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Mapping

import attrs

from qnnsolve.encodings import FP16, Encoding
from qnnsolve.errors import HostBackendError, UnknownNameError
from qnnsolve.facts.accepted import Accepted, AcceptedRow
from qnnsolve.facts.combine import accepted_of, intersected
from qnnsolve.facts.curated import Curated, curated
from qnnsolve.facts.forms import ANY_FORM, Form
from qnnsolve.facts.sdk import SdkFacts, SdkState, sdk_facts
from qnnsolve.facts.socs import Soc
from qnnsolve.facts.tables import OpTable, codes_of, shipped_tables
from qnnsolve.facts.user import NO_USER_FACTS, UserFacts
from qnnsolve.results import FactsRecord

__all__ = ["Accepted", "AcceptedRow", "FactsSource", "OperatorFacts", "facts_source", "operator_facts", "port_code"]


def port_code(encoding: Encoding, quantized_weight: bool = False) -> str:
    """The tables' code of ``encoding`` on a port of the op that ExecuTorch builds.

    Half-precision activations are declared ``f32`` and computed in fp16, except around a quantized weight,
    where ExecuTorch (1.5.1, ``insert_cast_for_fp_act_quantized_weight.py``) casts them to ``f16``.
    """
    if encoding == FP16:
        return "f16" if quantized_weight else "f32"
    return codes_of(encoding)


class FactsSource(enum.Enum):
    """Whose operator tables count. ``BOTH``: where two sources know an operator, only what both accept."""

    BOTH = "both"
    MEASURED = "measured"
    SDK = "sdk"


def facts_source(name: str | FactsSource) -> FactsSource:
    """The member of that value.

    Raises:
        UnknownNameError: there is none; names those that exist.
    """
    values = [each.value for each in FactsSource]
    if isinstance(name, str) and name not in values:
        raise UnknownNameError("facts source", name, values)
    return FactsSource(name)


@attrs.frozen(eq=False)
class OperatorFacts:
    """Operator facts of ``backend`` on ``arch`` (``V68`` ... ``V81``), out of every source that counts.

    ``tables`` are the measured ones, ``sdk`` what the SDK answered for the SoC called ``soc`` (None: not asked). An
    operator that only one source knows is as that source says. Curated facts narrow each of them; the user's facts
    have the last word.
    """

    backend: str
    arch: str
    tables: Mapping[str, OpTable]
    curated: Curated
    sdk: SdkFacts | None = None
    user: UserFacts = NO_USER_FACTS
    soc: str = ""
    _found: dict[tuple[str, Form], Accepted | None] = attrs.field(factory=dict, init=False, repr=False)

    def knows(self, op: str) -> bool:
        """Whether there is any fact about ``op``; without one it is unverified."""
        return self.accepted(op) is not None

    @property
    def names(self) -> tuple[str, ...]:
        """Every operator that some source describes, sorted."""
        return tuple(sorted({*self.tables, *(() if self.sdk is None else self.sdk.tables), *self.user.ops}))

    @property
    def multiplier_bits(self) -> int | None:
        """Significant bits of the factor that brings an accumulator to its output's scale; None: enough of them."""
        narrow = (limit.bits for limit in self.curated.multiplier if int(self.arch[1:]) < int(limit.until[1:]))
        return min(narrow, default=None)

    def accepted(self, op: str, form: Form | str = ANY_FORM) -> Accepted | None:
        """What ``op`` accepts here of a node of this form (or of the case of that name); None: nothing is known.

        Of the cases (classes of shapes) that measure the node, every one that was asked about a tuple has to accept it.
        Of a node that no case measures, all do; a closed table knows nothing of it.
        """
        form = Form(form) if isinstance(form, str) else form
        if (op, form) not in self._found:
            self._found[op, form] = self._accepted(op, form)
        return self._found[op, form]

    def _accepted(self, op: str, form: Form) -> Accepted | None:
        tables = (self.tables.get(op), None if self.sdk is None else self.sdk.table(op))
        present = [table for table in tables if table is not None]
        known = [accepted_of(table, form, self.arch, self.curated) for table in present if table.measuring(form)]
        both = functools.reduce(intersected, known) if known else None
        cases = {name for table in present for _, names in table.measuring(form) for name in names}
        named = cases if form.name is None else cases | {form.name}
        if both is not None or not present:
            return self.user.narrowed(both, op, named, self.arch, self.soc)
        nothing = Accepted(
            {}, present[0].inputs, present[0].outputs
        )  # nobody measured such a node: the user alone may know
        allowed = self.user.narrowed(nothing, op, named, self.arch, self.soc)
        return allowed if allowed is not None and allowed.rows else None

    @property
    def records(self) -> tuple[FactsRecord, ...]:
        """Every source that was looked for, whether it is used, and what it is or why it is not."""
        measured = sorted({table.source.citation for table in self.tables.values()})
        known = f"{len(self.tables)} operators, {measured[-1]}" if measured else f"none used for {self.backend}"
        found = [FactsRecord("measured", bool(measured), known)]
        if self.sdk is not None:
            found.append(FactsRecord("sdk", self.sdk.state is SdkState.READ, self.sdk.detail))
        found += [FactsRecord("user", True, str(path)) for path in self.user.paths]
        return tuple(found)


@functools.cache
def operator_facts(
    backend: str,
    arch: str,
    soc: Soc | None = None,
    source: FactsSource = FactsSource.BOTH,
    user: UserFacts = NO_USER_FACTS,
) -> OperatorFacts:
    """The facts for ``backend`` on ``arch``, cached for these arguments.

    The SDK is asked about ``soc``; without one it is not asked.

    Raises:
        FactsError: a shipped file cannot be read.
        HostBackendError: the SDK alone was asked for (``FactsSource.SDK``), and it does not answer.
    """
    asked = soc is not None and source is not FactsSource.MEASURED
    sdk = sdk_facts(backend, soc, arch) if soc is not None and asked else None
    if source is FactsSource.SDK and (sdk is None or sdk.state is not SdkState.READ):
        raise HostBackendError(f"no facts from the SDK: {'no SoC to ask for' if sdk is None else sdk.detail}")
    tables = {} if source is FactsSource.SDK else shipped_tables(backend)
    return OperatorFacts(backend, arch, tables, curated(backend), sdk, user, "" if soc is None else soc.name)
