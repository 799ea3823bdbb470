"""What a question asks for, site by site: :func:`wanted`."""

from __future__ import annotations

from collections.abc import Iterator

from qnnsolve.constraints import Site
from qnnsolve.encodings import FLOAT, Encoding
from qnnsolve.errors import UsageError, suggestion
from qnnsolve.questions.opened import Opened
from qnnsolve.questions.places import NodePlace
from qnnsolve.questions.standing import CPU, NPU
from qnnsolve.rules.request import PRECISIONS, Request

__all__ = ["wanted"]


def wanted(opened: Opened, place: NodePlace, value: str) -> Iterator[tuple[Site, frozenset[Encoding]]]:
    """What each site may have where the question has its way.

    Raises:
        UsageError: no such value exists; names the nearest.
    """
    ports = opened.sites_of.get(place.node.name, ())
    if not ports:
        raise UsageError(f"{place.node.name} carries no float, so it has no encoding to ask for")
    if value in (NPU, CPU):
        for _, site in ports:
            domain = frozenset(opened.problem.domains[site])
            yield site, domain - {FLOAT} if value == NPU else frozenset({FLOAT})
        return
    if value in PRECISIONS and place.port is None:
        request = Request.of(PRECISIONS[value])
        for port, site in ports:
            yield site, _fitting(opened, site, request.asked(port.role, port.rank, port.ch_axis))
        return
    try:
        encoding = Encoding.of_name(value)
    except ValueError as error:
        known = (NPU, CPU, *PRECISIONS, *(each.name for _, site in ports for each in opened.problem.domains[site]))
        raise UsageError(f"unknown encoding '{value}': {suggestion(value, dict.fromkeys(known))}") from error
    if place.site is not None:
        yield place.site, _fitting(opened, place.site, encoding)
        return
    for port, site in ports:
        if port.position is None:
            yield site, _fitting(opened, site, encoding)


def _fitting(opened: Opened, site: Site, encoding: Encoding) -> frozenset[Encoding]:
    """``encoding``, and the candidates that are it with a scale that the chip fixes."""
    domain = opened.problem.domains[site]
    return frozenset({encoding, *(each for each in domain if each.free == encoding)})
