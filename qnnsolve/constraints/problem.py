"""What the solver is given: :class:`Problem`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import attrs

from qnnsolve.constraints.kinds import Constraint, Derived, Prefer, Site, Table
from qnnsolve.constraints.repeats import firsts
from qnnsolve.encodings import Encoding
from qnnsolve.reasons import Reason

__all__ = ["LeftOut", "Problem"]


@attrs.frozen
class LeftOut:
    """Why encodings are no candidates at a site."""

    named: tuple[tuple[Reason, frozenset[Encoding]], ...] = ()
    others: Reason | None = None
    """Why all those that are not named are none; None where nobody knows."""

    def why(self, encoding: Encoding) -> Reason | None:
        """Why ``encoding`` is no candidate; it is among the details of the reason, as ``encoding``."""
        found = next((reason for reason, encodings in self.named if encoding in encodings), self.others)
        if found is None:
            return None
        given = tuple(sorted({**dict(found.given), "encoding": encoding.name}.items()))
        return attrs.evolve(found, given=given)


def _unknown(_: Site) -> LeftOut:
    return LeftOut()


@attrs.frozen(eq=False)
class Problem:
    """Sites with their candidate encodings, and the constraints between them.

    Raises:
        ValueError: a constraint names a site without a domain, or none at all, or its relation has another number of
            columns than it has sites; or a domain is empty or repeats itself.
    """

    domains: dict[Site, tuple[Encoding, ...]]
    constraints: Sequence[Constraint]
    """A tuple, or :class:`~qnnsolve.constraints.repeats.Constraints`, of which most are made when somebody asks."""
    left_out: Callable[[Site], LeftOut] = attrs.field(default=_unknown, repr=False)
    """Why encodings are no candidates at a site, one of ``domains`` or one that has no candidates at all. Called
    when somebody asks, never in a solve. KeyError: there is no such site."""

    def __attrs_post_init__(self) -> None:
        checked: set[int] = set()
        for site, domain in self.domains.items():
            if id(domain) not in checked:
                checked.add(id(domain))
                if not domain or len(set(domain)) != len(domain):
                    raise ValueError(f"the domain of {site} is empty or repeats itself")
        for constraint in firsts(self.constraints):
            self._check(constraint)

    def _check(self, constraint: Constraint) -> None:
        for site in constraint.sites:
            if site not in self.domains:
                raise ValueError(f"{_called(constraint)} names {site}, which has no domain")
        if not constraint.sites:
            raise ValueError(f"{_called(constraint)} names no site")
        if isinstance(constraint, Table | Derived):
            width = constraint.relation.width
            if width is not None and width != len(constraint.sites):
                raise ValueError(f"{_called(constraint)} has {len(constraint.sites)} sites and {width} columns")

    def hard(self) -> Iterator[Constraint]:
        """The constraints that a solution must satisfy: all but the preferences."""
        return (c for c in self.constraints if not isinstance(c, Prefer))


def _called(constraint: Constraint) -> str:
    return f"a {type(constraint).__name__} of rule {constraint.reason.rule}"
