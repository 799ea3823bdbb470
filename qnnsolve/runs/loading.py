"""A run that was kept: :class:`Run`, read by :func:`load_run`, and answered without torch."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any, TypeVar

import attrs
from cattrs import Converter
from cattrs.errors import ForbiddenExtraKeysError, StructureHandlerNotFoundError

from qnnsolve.constraints import Problem, Site
from qnnsolve.encodings import Encoding
from qnnsolve.errors import RunError, UnsupportedGraphError, UsageError
from qnnsolve.explain import describe, node_records, notes_of_model, result_of
from qnnsolve.facts.curated import Curated
from qnnsolve.foreign import said
from qnnsolve.host.stages import Stages
from qnnsolve.results import (
    CalibrationRecord,
    CompareResult,
    ExportResult,
    NodeRecord,
    SearchResult,
    Shown,
    SolveResult,
    Status,
)
from qnnsolve.rules.base import Facts
from qnnsolve.runs.answers import read_chosen, read_conflicts, read_placed, read_solution
from qnnsolve.runs.asked import facts_of
from qnnsolve.runs.converting import reader
from qnnsolve.runs.file import Rows, verified
from qnnsolve.runs.graph import read_built, read_graph
from qnnsolve.runs.ids import StoredIds, parsed
from qnnsolve.runs.operators import read_operators
from qnnsolve.runs.problem import read_problem, read_sites
from qnnsolve.solver import Limits, Removal, Solution, Statistics, Unknown, Unsatisfiable, also_left_out, solve

__all__ = ["Run", "load_run"]

T = TypeVar("T")


def load_run(path: str | os.PathLike[str]) -> Run:
    """The run that was kept in the file ``path``. Nothing in it is executed, and neither torch nor an SDK is needed.

    Raises:
        RunError: there is no such file, it is of another kind or format, or it is damaged.
    """
    rows = verified(path)
    return Run(os.fspath(path), dict(rows["about"]), rows)


class Run(Shown):
    """A solve that was kept. Each part of the file is turned into records when it is first asked for.

    Args:
        path: the file.
        about: what the run is of and what made it: ``model``, ``backend``, ``soc``, ``arch``, ``precision``, versions
            by distribution (``qnnsolve``, ``torch`` ...), and ``content``, the SHA-256 of what was solved: the facts
            of the graph and of its operators, what was asked for, and the limits.
        rows: of each table.

    Every attribute raises :class:`RunError` where the file is damaged.
    """

    def __init__(self, path: str, about: Mapping[str, str], rows: Rows) -> None:
        self.path = path
        self.about: Mapping[str, str] = MappingProxyType(dict(about))
        self._rows = rows

    def __repr__(self) -> str:
        return f"<run {self.path}: {self.about.get('model', '')} on {self.about.get('soc', '')}>"

    @cached_property
    def facts(self) -> Facts:
        """The graph, what was known of its operators, and what was asked for."""
        with self._reading():
            known, convert = self._known, self._reader
            operators = read_operators(
                self._rows,
                known,
                convert,
                self._record("curated", Curated),
                *(self.about[key] for key in ("backend", "soc", "arch")),
            )
            asked = [parsed(text) for (text,) in self._rows["asked"]]
            return facts_of(
                read_graph(self._rows, known), operators, read_built(self._rows, known, convert), asked, convert
            )

    @cached_property
    def problem(self) -> Problem:
        """Candidates and constraints."""
        with self._reading():
            return read_problem(self._rows, self._known, self._sites)

    @cached_property
    def limits(self) -> Limits:
        """How much time and memory the solve might use."""
        with self._reading():
            return self._record("limits", Limits)

    @cached_property
    def encodings(self) -> Mapping[Site, Encoding]:
        """The encoding of every site under the solution, sorted by site; empty where there is none."""
        with self._reading():
            return MappingProxyType(read_chosen(self._rows, self._known, self._sites))

    @cached_property
    def status(self) -> Status:
        """How the solve ended."""
        with self._reading():
            ((status, *_),) = self._rows["outcome"]
            return Status(status)

    @cached_property
    def outcome(self) -> Solution | Unsatisfiable | Unknown:
        """The solver's answer. A solution is that of the file; its trail, and conflicts, come of solving again."""
        if self.status is not Status.SATISFIABLE:
            return self.solved_again
        with self._reading():
            statistics = self._record("statistics", Statistics)
            return read_solution(self._rows, self.problem, self.encodings, statistics, self._why)

    @cached_property
    def solved_again(self) -> Solution | Unsatisfiable | Unknown:
        """The solver's answer to the stored problem, solved again within the same limits, with its whole trail."""
        return solve(self.problem, self.limits)

    @cached_property
    def result(self) -> SolveResult:
        """The answer as it was given then: the records that reports print."""
        with self._reading():
            nodes: tuple[NodeRecord, ...] = ()
            if self.status is Status.SATISFIABLE:
                outcome: Solution | Unsatisfiable | Unknown = self.outcome
                nodes = node_records(self.facts, self.encodings, *read_placed(self._rows, self._known))
            elif self.status is Status.UNSATISFIABLE:
                statistics = self._record("statistics", Statistics)
                outcome = Unsatisfiable(read_conflicts(self._rows, self.problem), statistics, self._why)
            else:
                outcome = Unknown(self._rows["outcome"][0][3])
            timings = tuple((stage, seconds) for stage, seconds in self._records["timings"])
            found = result_of(self.facts, outcome, soc=self.about["soc"], nodes=nodes, timings=timings)
            return attrs.evolve(found, notes=tuple(self._records["notes"]), calibration=self._calibration)

    @cached_property
    def origins(self) -> Mapping[str, tuple[str, ...]]:
        """The nodes that each op of the exported program became, by its name there; the first yields its result."""
        with self._reading():
            found: dict[str, tuple[str, ...]] = {}
            for name, origin in self._records.get("origins", ()):
                found[str(origin)] = (*found.get(str(origin), ()), str(name))
            return MappingProxyType(found)

    @cached_property
    def export(self) -> ExportResult | None:
        """What an export answered then; None where the run is of a solve alone."""
        return self._with_solve("export", ExportResult)

    @cached_property
    def compare(self) -> CompareResult | None:
        """What ``qnnsolve compare`` answered, node by node; None where it was not asked."""
        return self._with_solve("compare", CompareResult)

    def _with_solve(self, name: str, kind: type[T]) -> T | None:
        """An answer that holds that of the solve, which the tables have."""
        with self._reading():
            record = self._records.get(name)
            if record is None:
                return None
            convert = reader(self._known)
            convert.register_structure_hook(SolveResult, lambda _, __: self.result)
            return convert.structure(record, kind)

    @cached_property
    def search(self) -> SearchResult | None:
        """What a search answered whose last point this is; None where there was none."""
        with self._reading():
            return self._record("search", SearchResult) if "search" in self._records else None

    def solve(self, limits: Limits | None = None) -> SolveResult:
        """The answer to the stored constraints, solved again: the same but for ``timings``.

        Args:
            limits: how much time and memory it may use; None takes those of the run.
        """
        problem, facts = self.problem, self.facts
        stages = Stages()
        with stages("solve"):
            outcome = self.solved_again if limits is None else solve(problem, limits)
        found = describe(facts, problem, outcome, soc=self.about["soc"], timings=stages.laps)
        with self._reading():
            notes = (*notes_of_model(self._records["notes"], facts), *found.notes)
            return attrs.evolve(found, notes=notes, calibration=self._calibration)

    @cached_property
    def _calibration(self) -> CalibrationRecord | None:
        return self._record("calibration", CalibrationRecord) if "calibration" in self._records else None

    def _why(self, site: Site, encoding: Encoding) -> tuple[Removal, ...]:
        def removed(site: Site, encoding: Encoding) -> tuple[Removal, ...]:
            again = self.solved_again
            return () if isinstance(again, Unknown) else again.why_removed(site, encoding)

        return also_left_out(self.problem, removed)(site, encoding)

    @cached_property
    def _known(self) -> StoredIds:
        return StoredIds.of(self._rows)

    @cached_property
    def _reader(self) -> Converter:
        return reader(self._known)

    @cached_property
    def _sites(self) -> tuple[Site, ...]:
        return read_sites(self._rows, self._known)

    @cached_property
    def _records(self) -> dict[str, Any]:
        return {name: parsed(text) for table in ("settings", "records") for name, text in self._rows[table]}

    def _record(self, name: str, cls: type[T]) -> T:
        return self._reader.structure(self._records[name], cls)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        """Turns whatever a forged file raises into one :class:`RunError`."""
        try:
            yield
        except (
            *(ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError),
            *(ForbiddenExtraKeysError, StructureHandlerNotFoundError, UnsupportedGraphError, UsageError, re.error),
        ) as error:
            raise RunError(self.path, f"the file is damaged: {said(error)}") from error
