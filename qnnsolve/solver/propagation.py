"""Worklist generalized arc consistency over bitmasks, with a trail."""

from __future__ import annotations

from collections import deque

import attrs

from qnnsolve.solver.clock import Clock
from qnnsolve.solver.network import Network

__all__ = ["Propagation", "Wipeout", "propagate"]


@attrs.frozen
class Wipeout:
    """``variable`` lost its last value to ``link`` (-1: it never had one)."""

    variable: int
    link: int


@attrs.frozen(eq=False)
class Propagation:
    """The fixpoint: what is left per variable, and the trail of (variable, removed mask, link) that led there."""

    masks: list[int]
    trail: list[tuple[int, int, int]]
    wipeouts: tuple[Wipeout, ...]


def propagate(network: Network, clock: Clock) -> Propagation:
    """Remove every value that some link cannot support.

    A variable that loses its last value is recorded and set aside (its links no longer filter), so that one
    pass finds the conflicts in all parts of the problem.

    Raises:
        LimitReached: the time is over.
    """
    masks = list(network.initial)
    trail: list[tuple[int, int, int]] = []
    wipeouts = [Wipeout(v, -1) for v, mask in enumerate(masks) if not mask]
    scopes, joints, watch = network.scopes, network.joints, network.watch
    done = bytearray(len(scopes))
    for wipeout in wipeouts:
        for link in watch[wipeout.variable]:
            done[link] = 1
    queue = deque(link for link in range(len(scopes)) if not done[link])
    waiting = bytearray(b"\1") * len(scopes)
    steps = 0
    while queue:
        steps += 1
        if not steps & 63:
            clock.check()
        link = queue.popleft()
        waiting[link] = 0
        if done[link]:
            continue
        scope = scopes[link]
        kept = joints[link].filter(tuple([masks[v] for v in scope]))
        if kept is None:
            continue
        if not kept[0]:
            v = scope[0]
            trail.append((v, masks[v], link))
            wipeouts.append(Wipeout(v, link))
            for other in watch[v]:
                done[other] = 1
            continue
        for v, mask in zip(scope, kept, strict=True):
            if mask != masks[v]:
                trail.append((v, masks[v] & ~mask, link))
                masks[v] = mask
                for other in watch[v]:
                    if not waiting[other] and other != link:
                        waiting[other] = 1
                        queue.append(other)
    return Propagation(masks, trail, tuple(wipeouts))
