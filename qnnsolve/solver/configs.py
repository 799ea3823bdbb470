"""The configs of a few sites, one after the other, by python-constraint's solution iterator: :func:`configs`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from qnnsolve.constraints import Allow, Constraint, Derived, Forbid, Same, Site, Table
from qnnsolve.encodings import Encoding

__all__ = ["configs"]


def configs(
    candidates: Mapping[Site, Sequence[Encoding]], constraints: Iterable[Constraint]
) -> Iterator[dict[Site, Encoding]]:
    """Each choice of ``candidates`` that satisfies those of the ``constraints`` that are over these sites alone.

    They come in the order of the search, not in that of any price.
    """
    import constraint  # late: most solves never need it

    if not all(candidates.values()):
        return
    problem = constraint.Problem()
    for site, encodings in candidates.items():
        problem.addVariable(site, list(encodings))
    for each in constraints:
        holds = _holds(each) if all(site in candidates for site in each.sites) else None
        if holds is not None:
            problem.addConstraint(constraint.FunctionConstraint(holds), each.sites)
    yield from problem.getSolutionIter()


def _holds(each: Constraint) -> Callable[..., bool] | None:
    """Whether encodings, in the order of its sites, satisfy a constraint; None for what every choice does."""
    match each:
        case Allow():
            return lambda encoding: encoding in each.encodings
        case Forbid():
            return lambda encoding: encoding not in each.encodings
        case Same():
            return lambda *row: len(set(row)) == 1
        case Table() | Derived():
            return lambda *row: row in each.relation.price_of
        case _:
            return None
