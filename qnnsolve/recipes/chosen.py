"""What a solve chose, as a recipe that asks for the same: :func:`chosen`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from qnnsolve.constraints import Site
from qnnsolve.encodings import FLOAT, Encoding
from qnnsolve.recipes.recipe import Recipe
from qnnsolve.rules.alike import fingerprint, identity
from qnnsolve.rules.asked import Asked, Port
from qnnsolve.rules.base import Facts
from qnnsolve.rules.request import PRECISIONS, Granularity, Request, Role
from qnnsolve.rules.wishes import OF_SCRIPT, By, Strength, What, Where, Wish

__all__ = ["chosen"]


def chosen(facts: Facts, encodings: Mapping[Site, Encoding], about: Mapping[str, str]) -> Recipe:
    """A pin for each port that had a choice, and for each op that was pinned to the CPU.

    Args:
        facts: of the graph that was solved.
        encodings: of every site.
        about: what the recipe is of, such as ``model`` and ``soc``.
    """
    request = facts.request
    preset = PRECISIONS.get(request.name) or next(
        each
        for each in PRECISIONS.values()
        if each.activation_bits == request.activation_bits and each.weight_bits == 8
    )
    size = request.block_size[0] if preset.per_block and len(request.block_size) == 1 else None
    more = _beside(request, Request.of(preset, size or 32))
    everywhere = () if more == What() else (Wish(Where(By.ALL), more, "the request"),)
    left_out = {"left out": f"observers: {', '.join(names)}"} if (names := _of_scripts(facts)) else {}
    return Recipe((*everywhere, *_pins(facts, encodings)), preset.name, size, {**about, **left_out})


def _beside(request: Request, preset: Request) -> What:
    """What a request asks for beside a preset."""
    blocks = request.block_size if request.block_size != preset.block_size else None
    return What(
        symmetric=request.symmetric if request.symmetric != preset.symmetric else None,
        weight=request.weight_bits if request.weight_bits != preset.weight_bits else None,
        granularity=request.granularity if request.granularity is not preset.granularity else None,
        block_size=blocks if request.granularity is Granularity.BLOCK else None,
    )


def _pins(facts: Facts, encodings: Mapping[Site, Encoding]) -> Iterator[Wish]:
    graph = fingerprint(facts.graph)
    ports: dict[str, dict[str, What]] = {}
    for site, encoding in encodings.items():
        if facts.domains[site] != (FLOAT,):
            owner, port = facts.owner(site), facts.port(site)
            ports.setdefault(owner, {})[port.name] = _had(facts.wanted, owner, port, encoding)
    for node in facts.graph:
        if facts.wanted.on_cpu(node.name) is not None:
            ports[node.name] = {"": What(cpu=True)}
        for port_name, what in sorted(ports.get(node.name, {}).items()):
            where = Where(By.SAVED, identity(node), port_name, graph)
            yield Wish(where, what, "saved", Strength.PIN, may_miss=True)


def _had(wanted: Asked, owner: str, port: Port, encoding: Encoding) -> What:
    observer, eps = wanted.observer(owner, port), wanted.least_scale(owner, port)
    said = None if observer is None or observer.endswith(OF_SCRIPT) else observer
    weight = port.role in (Role.WEIGHT, Role.NORM)
    return What(
        encoding=encoding,
        observer=None if weight else said,
        weight_observer=said if weight else None,
        eps=eps or None,
    )


def _of_scripts(facts: Facts) -> tuple[str, ...]:
    """Observers that only a script can make, which no file can name."""
    named = (name for wish in facts.wanted.all for name in (wish.what.observer, wish.what.weight_observer))
    return tuple(dict.fromkeys(name for name in named if name is not None and name.endswith(OF_SCRIPT)))
