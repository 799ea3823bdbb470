"""Some legal config, quickly: what a solve answers with where a limit leaves no time for the cheapest one.

Almost every graph has a trivial one, everything in floating point. :func:`legal` asks first whether one encoding can
stand everywhere, and else gives one variable after another that encoding, or the lowest that is left, and propagates.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence

from qnnsolve.solver.clock import Clock
from qnnsolve.solver.joint import bits_of
from qnnsolve.solver.network import Network

__all__ = ["legal"]


def legal(network: Network, masks: Sequence[int], variables: Sequence[int], clock: Clock) -> dict[int, int] | None:
    """An encoding index for each of ``variables`` (whole components of ``network``); ``None`` if none was found.

    ``None`` is no proof: only one value is taken back at a time.

    Raises:
        LimitReached: the time is over, and no one encoding can stand everywhere.
    """
    if not all(masks[v] for v in variables):
        return None
    links = sorted({link for v in variables for link in network.watch[v]})
    inside = set(variables)
    counted = Counter(masks[v] for v in variables)
    usual: Counter[int] = Counter()
    for mask, number in counted.items():
        usual.update(dict.fromkeys(bits_of(mask), number))
    common = sorted((value for value, number in usual.items() if number == len(variables)), reverse=True)
    for value in common:
        one = 1 << value
        scopes = ((link, tuple([one if v in inside else masks[v] for v in network.scopes[link]])) for link in links)
        if all(network.joints[link].filter(scope) is None for link, scope in scopes):
            return dict.fromkeys(variables, value)
    dive = _Dive(network, masks, clock)
    rank = {value: (-number, -value) for value, number in usual.items()}
    if not dive.narrow(links):
        return None
    for v in variables:
        while dive.masks[v] & (dive.masks[v] - 1):
            value = min(bits_of(dive.masks[v]), key=rank.__getitem__)
            if not dive.take(v, 1 << value) and not dive.take(v, dive.masks[v] & ~(1 << value)):
                return None
    return {v: dive.masks[v].bit_length() - 1 for v in variables}


class _Dive:
    """Masks that narrow step by step; a step that empties one is undone."""

    def __init__(self, network: Network, masks: Sequence[int], clock: Clock) -> None:
        self.masks = list(masks)
        self._network, self._clock = network, clock
        self._undo: list[tuple[int, int]] = []

    def take(self, v: int, mask: int) -> bool:
        """Only these values at ``v`` from now on; False, and nothing changes, where that empties a mask."""
        self._undo = [(v, self.masks[v])]
        self.masks[v] = mask
        if mask and self.narrow(self._network.watch[v]):
            return True
        for changed, before in reversed(self._undo):
            self.masks[changed] = before
        return False

    def narrow(self, links: Sequence[int]) -> bool:
        """Remove what some link cannot support, from these links on; False where nothing is left of a mask."""
        scopes, joints, watch = self._network.scopes, self._network.joints, self._network.watch
        queue, waiting = deque(links), set(links)
        while queue:
            self._clock.check()
            link = queue.popleft()
            waiting.discard(link)
            kept = joints[link].filter(tuple([self.masks[v] for v in scopes[link]]))
            if kept is None:
                continue
            if not kept[0]:
                return False
            for v, mask in zip(scopes[link], kept, strict=True):
                if mask != self.masks[v]:
                    self._undo.append((v, self.masks[v]))
                    self.masks[v] = mask
                    fresh = [other for other in watch[v] if other != link and other not in waiting]
                    waiting.update(fresh)
                    queue.extend(fresh)
        return True
