"""The noise of every encoding at every site, by the way that was asked for: :func:`sensed`."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from qnnsolve.constraints import Site
from qnnsolve.encodings import Encoding
from qnnsolve.host.stages import Stages
from qnnsolve.search.layers import Layers
from qnnsolve.search.ledgers import Measuring
from qnnsolve.search.noises import monotone, needed
from qnnsolve.search.rounding import Rounding
from qnnsolve.search.sampling import Chosen
from qnnsolve.search.sensitivity import sensitivities
from qnnsolve.search.spreading import spread

__all__ = ["Sensed", "Sensing", "sensed"]

Key = tuple[Site, Encoding]


@attrs.frozen(eq=False)
class Sensing:
    """How sensitivities come about: by ``directions`` backward passes per sample, ``measured`` one by one, or as
    ``layers`` of another tool say."""

    directions: int
    measured: bool = False
    layers: Layers | None = None


@attrs.frozen(eq=False)
class Sensed:
    """The relative noise power of each encoding at each site, the passes that it took now, and what a user is told."""

    noise: Mapping[Key, float]
    forwards: int
    backwards: int
    notes: tuple[str, ...]
    planned: int
    """Passes that it takes where nothing was measured before."""
    losses: Mapping[Key, float] | None = None
    """What each takes from the task metric, where that was measured: it decides then."""


def sensed(measuring: Measuring, roundings: Mapping[Key, Rounding], how: Sensing, stages: Stages) -> Sensed:
    """The noise of all encodings that a config of the space may have, no wider one noisier than a narrower one."""
    space = measuring.studied.space
    keys = {key: roundings[key] for key in needed(space) if key in roundings}
    if how.layers is not None:
        noise, note = spread(how.layers, space, keys)
        found = Sensed(noise, 0, 0, (note,), len(measuring.studied.samples))
    elif how.measured:
        found = _measured(measuring, keys, stages)
    else:
        found = _differentiated(measuring, keys, how.directions, stages)
    noise, changed = monotone(found.noise)
    if found.losses is not None:
        losses, more = monotone(found.losses)
        found, changed = attrs.evolve(found, losses=losses), changed + more
    if not changed:
        return found
    note = f"{changed} noise values of a wider encoding were above those of a narrower one, and were evened out"
    return attrs.evolve(found, noise=noise, notes=(*found.notes, note))


def _measured(measuring: Measuring, keys: Mapping[Key, Rounding], stages: Stages) -> Sensed:
    """A forward pass per sample for each rounding of each tensor: what several sites read is measured once."""
    nodes = measuring.studied.model.graph.nodes
    alone = {node.name for node in nodes if len(node.users) == 1 and node.op != "get_attr"}
    known: dict[Site, list[tuple[Rounding, tuple[float, float]]]] = {}
    noise: dict[Key, float] = {}
    losses: dict[Key, float] = {}
    exact = measuring.exact() if measuring.studied.metric is not None else None
    with stages("sensitivities", len(keys)):
        for index, ((site, encoding), rounding) in enumerate(keys.items()):
            stages.step("sensitivities", index, len(keys))
            tensor = known.setdefault(Site(site.node) if site.user and site.node in alone else site, [])
            value = next((value for other, value in tensor if other.same_steps(rounding)), None)
            if value is None:
                loss = 0.0 if exact is None else max(0.0, exact - measuring.metric_alone(site, encoding, keys))
                value = measuring.alone(site, encoding, keys), loss
                tensor.append((rounding, value))
            noise[site, encoding], losses[site, encoding] = value
    note = "sensitivities were measured one by one, all else exact"
    planned = (1 + len(keys)) * len(measuring.studied.samples)
    if exact is None:
        return Sensed(noise, 0, 0, (note,), planned)
    note = f"{note}; points are those that take least from the metric, {exact:.6g}"
    return Sensed(noise, 0, 0, (note,), planned, losses)


def _differentiated(measuring: Measuring, keys: Mapping[Key, Rounding], directions: int, stages: Stages) -> Sensed:
    """By backward passes; the noise of sites that no gradient reaches is measured: a forward pass each."""
    studied = measuring.studied
    chosen = Chosen.of(len(studied.samples), directions, len(keys))
    found = sensitivities(
        studied.model,
        studied.samples,
        studied.wanted,
        keys,
        directions=directions,
        stages=stages,
        ledger=measuring.ledger,
        chosen=chosen,
    )
    noise = {
        (site, encoding): measuring.alone(site, encoding, keys) if site in found.blind else value
        for (site, encoding), value in found.noise.items()
    }
    planned = len(studied.samples) + found.planned
    if not found.blind:
        return Sensed(noise, found.forwards, found.backwards, (), planned)
    names = ", ".join(map(str, found.blind[:3])) + (" ..." if len(found.blind) > 3 else "")
    note = f"no gradient reaches {len(found.blind)} sites ({names}): their noise was measured one by one"
    return Sensed(noise, found.forwards, found.backwards, (note,), planned)
