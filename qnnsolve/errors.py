"""Every error that qnnsolve raises on purpose.

::

    QnnSolveError
    |-- UsageError            bad argument, path, name, recipe            exit 2
    |   |-- UnknownNameError  a name that does not exist, with the nearest
    |   `-- QuestionError     a question or a rule of one that cannot be
    |-- FactsError            a facts file that is malformed or foreign   exit 2
    |-- RecipeError           a recipe that is malformed                  exit 2
    |-- RunError              a kept run that is damaged or foreign       exit 2
    |-- UnsupportedGraphError a graph that cannot be read                 exit 2
    |-- UnsatisfiableError    no consistent config exists                 exit 1
    |-- UnverifiedError       strict mode met ops without facts           exit 1
    |-- BudgetExceededError   a limit was hit, and no config was found    exit 1
    |-- RuleError             a rule yielded nonsense: a bug in it        exit 1
    |-- HostBackendError      no compiler here, or it failed or died      exit 3
    |-- PluginError           a distribution offers a broken backend      exit 3
    |-- MismatchError         the emulator disagrees with the model       exit 4
    `-- PoorError             an output is farther off than was allowed   exit 5

Fields come first; the text is made from them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from qnnsolve.solver import Conflict

__all__ = [
    "BudgetExceededError",
    "FactsError",
    "HostBackendError",
    "KernelError",
    "MismatchError",
    "PluginError",
    "PoorError",
    "QnnSolveError",
    "QuestionError",
    "RecipeError",
    "RuleError",
    "RunError",
    "UnknownNameError",
    "UnsatisfiableError",
    "UnsupportedGraphError",
    "UnverifiedError",
    "UsageError",
    "nearest",
    "suggestion",
]

LISTED = 12
"""So many names can still be read in one line."""


def nearest(name: str, known: Iterable[str], limit: int = 3) -> tuple[str, ...]:
    """The known names most like ``name``, best first; empty when nothing comes close."""
    from rapidfuzz import fuzz, process

    hits = process.extract(name, sorted(known), scorer=fuzz.WRatio, processor=str.lower, limit=limit, score_cutoff=55)
    return tuple(hit[0] for hit in hits)


def suggestion(name: str, known: Iterable[str]) -> str:
    """``did you mean A or B?``; where nothing comes close, all that is known, or of many the three least unlike."""
    names = list(known)
    if near := nearest(name, names):
        return f"did you mean {' or '.join(near)}?"
    if len(names) <= LISTED:
        return f"known: {', '.join(names)}"
    from rapidfuzz import fuzz, process

    hits = process.extract(name, sorted(names), scorer=fuzz.ratio, processor=str.lower, limit=3)
    return f"the nearest of {len(names)} are {', '.join(hit[0] for hit in hits)}"


class QnnSolveError(Exception):
    """Base of the tree. ``exit_code`` is what the command line returns."""

    exit_code: ClassVar[int] = 1


LONGEST = 1_500
"""Characters of an error about what was given: what was given may be much longer."""


def _brief(text: str) -> str:
    """``text`` without its middle where it is very long: what is wrong stands first, and the nearest names last."""
    half = LONGEST // 2
    return text if len(text) <= LONGEST else f"{text[:half]} ... {text[-half:]}"


class UsageError(QnnSolveError):
    """An argument that cannot be used as given; the message is one line that names it."""

    exit_code = 2

    def __init__(self, message: str) -> None:
        super().__init__(_brief(message))


class UnknownNameError(UsageError):
    """``name`` is not a known ``kind``; ``near`` are the nearest that exist."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind, self.name = kind, name
        self.known = tuple(sorted(known))
        self.near = nearest(name, self.known)
        super().__init__(f"unknown {kind} '{name}': {suggestion(name, self.known)}")


class QuestionError(UsageError):
    """A question that cannot be answered: ``where`` it stands (its text, line and character, from 1), and ``what`` is
    wrong."""

    def __init__(self, where: str, what: str) -> None:
        self.where, self.what = where, what
        called = where if where.isprintable() else ascii(where)
        super().__init__(f"{called}: {what}")


class FactsError(QnnSolveError):
    """A facts file that cannot be read as one: ``path``, ``what`` is wrong, and on which ``line`` (from 1) if known."""

    exit_code = 2

    def __init__(self, path: object, what: str, line: int | None = None) -> None:
        self.path, self.what, self.line = path, what, line
        where = path if line is None else f"{path}:{line}"
        super().__init__(_brief(f"facts file {where}: {what}"))


class RecipeError(QnnSolveError):
    """A file that cannot be read as a recipe: ``path``, ``what`` is wrong, and on which ``line`` (from 1) if known."""

    exit_code = 2

    def __init__(self, path: object, what: str, line: int | None = None) -> None:
        self.path, self.what, self.line = str(path), what, line
        called = self.path if self.path.isprintable() else ascii(self.path)
        super().__init__(_brief(f"recipe {called if line is None else f'{called}:{line}'}: {what}"))


class RunError(QnnSolveError):
    """A file that cannot be read as a kept run: ``path``, and ``what`` is wrong with it."""

    exit_code = 2

    def __init__(self, path: object, what: str) -> None:
        self.path, self.what = str(path), what
        called = self.path if self.path.isprintable() else ascii(self.path)
        super().__init__(_brief(f"run {called}: {what}"))


class UnsupportedGraphError(QnnSolveError):
    """A graph that cannot be turned into facts: ``node`` and ``what`` about it."""

    exit_code = 2

    def __init__(self, node: str, what: str) -> None:
        self.node, self.what = node, what
        super().__init__(f"node {node}: {what}")


class UnsatisfiableError(QnnSolveError):
    """No config satisfies every constraint; ``conflicts`` are all the independent ones, each irredundant.

    ``in_words`` has one line for each.
    """

    def __init__(self, conflicts: tuple[Conflict, ...], in_words: tuple[str, ...]) -> None:
        self.conflicts, self.in_words = conflicts, in_words
        nodes = sorted({node for conflict in conflicts for node in conflict.nodes})
        lines = [f"no legal quantization config exists; {len(conflicts)} conflict(s) at {', '.join(nodes)}"]
        lines += [f"  {line}" for line in in_words]
        super().__init__("\n".join(lines))


class UnverifiedError(QnnSolveError):
    """Strict mode met nodes without facts; ``nodes`` are all of them, as (name, target)."""

    def __init__(self, nodes: tuple[tuple[str, str], ...], where: str) -> None:
        self.nodes, self.where = nodes, where
        listed = ", ".join(f"{name} ({target})" for name, target in nodes)
        super().__init__(f"{len(nodes)} node(s) without facts for {where}: {listed}; lenient mode leaves them float")


class BudgetExceededError(QnnSolveError):
    """A limit was hit before any config was found."""

    def __init__(self, limit: str) -> None:
        self.limit = limit
        super().__init__(f"stopped at {limit} before a legal config was found; this is 'unknown', not 'impossible'")


class RuleError(QnnSolveError):
    """``rule`` yielded something impossible about ``node``: a bug in the rule, not in the model."""

    def __init__(self, rule: str, node: str, what: str) -> None:
        self.rule, self.node, self.what = rule, node, what
        super().__init__(f"rule {rule} at {node}: {what}")


class HostBackendError(QnnSolveError):
    """What needs Qualcomm's libraries cannot run here, or the compiler failed or died."""

    exit_code = 3


class KernelError(HostBackendError):
    """A kernel of ExecuTorch's runtime, ``kernel``, refuses the arguments of an op on the CPU; its ``code``."""

    def __init__(self, kernel: str, code: str) -> None:
        self.kernel, self.code = kernel, code
        super().__init__(f"ExecuTorch's kernel {kernel} refuses its arguments (error {code})")


class PluginError(QnnSolveError):
    """The ``distribution`` that offers a ``backend`` is broken; ``what`` is wrong with it."""

    exit_code = 3

    def __init__(self, backend: str, distribution: str, what: str) -> None:
        self.backend, self.distribution = backend, distribution
        self.what = " ".join(what.split())
        super().__init__(f"backend '{backend}' of {distribution}: {self.what}")


class MismatchError(QnnSolveError):
    """The compiled model disagrees with the converted one by more than the tolerance."""

    exit_code = 4


class PoorError(QnnSolveError):
    """An output is less near to the float model than ``--min-sqnr`` asks for."""

    exit_code = 5
