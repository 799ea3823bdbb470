"""Why an encoding was never a candidate of a site: the rule that left it out, as a removal."""

from __future__ import annotations

from qnnsolve.constraints import Forbid, Problem, Site
from qnnsolve.encodings import Encoding
from qnnsolve.solver.answers import Removal, WhyRemoved

__all__ = ["also_left_out", "left_out"]


def left_out(problem: Problem, site: Site, encoding: Encoding) -> tuple[Removal, ...]:
    """One removal, by the rule that leaves ``encoding`` out of the candidates of ``site``.

    Empty where it is a candidate, or where the problem does not say why it is none.

    Raises:
        KeyError: there is no such site.
    """
    if encoding in problem.domains.get(site, ()):
        return ()
    reason = problem.left_out(site).why(encoding)
    return () if reason is None else (Removal(site, encoding, Forbid(site, frozenset({encoding}), reason)),)


def also_left_out(problem: Problem, why: WhyRemoved) -> WhyRemoved:
    """``why``, extended: it knows what propagation removed; the result also knows what was never a candidate."""

    def either(site: Site, encoding: Encoding) -> tuple[Removal, ...]:
        return left_out(problem, site, encoding) or why(site, encoding)

    return either
