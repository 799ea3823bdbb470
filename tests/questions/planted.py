"""Graphs of blocks with pins that cannot all hold: which conflicts they have is known; python-sat is the judge."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

import attrs

from qnnsolve.constraints import Constraint, Prefer, Problem
from qnnsolve.questions import Clashing
from qnnsolve.questions.fewest import pins_of
from qnnsolve.rules.requested import PINNED
from qnnsolve.rules.wish_text import parse_wish
from qnnsolve.rules.wishes import Strength
from qnnsolve.solver import Unsatisfiable, check, solve
from tests.runs.kept import blocks, facts, solved
from tests.solver.oracle import has_config

__all__ = ["PINS", "PLANTS", "Planted", "planted"]

PLANTS = (
    ("scores@in[1]=s16",),
    ("linear@weight=16w",),
    ("norm@in[1]=s16",),
    ("turned@in[0]=u8", "turned@out=u16"),
    ("gelu@in[0]=u8", "gelu@out=u16"),
    ("scores@in[0]=u8", "scores@out=u16"),
    ("mixed@in[0]=u8", "mixed@out=u16"),
    ("soft@in[0]=u16", "soft@out=u8"),
    ("norm@in[0]=u8", "norm@out=u16"),
    ("linear@in[0]=u8", "linear@out=u16"),
    ("add@in[0]=u8", "add@in[1]=u16"),
    ("add@in[0]=u8", "add@out=u16"),
)
"""Smallest sets of pins that one block on V68 cannot hold; the last two share a pin."""
PINS = tuple(dict.fromkeys(itertools.chain.from_iterable(PLANTS)))
Pins = frozenset[str]


@attrs.frozen(eq=False, slots=False)
class Planted:
    """So many blocks, the pins on them as people type them, and the conflicts that they were given."""

    number: int
    pins: tuple[str, ...]
    conflicts: tuple[Pins, ...]

    @classmethod
    def of(cls, number: int, pins: Iterable[tuple[str, int]]) -> Planted:
        """With these pins, each at a block; their conflicts are those of :data:`PLANTS` that are among them."""
        typed = tuple(dict.fromkeys(_at(*pin) for pin in pins))
        every = (frozenset(_at(pin, at) for pin in plant) for at in range(number) for plant in PLANTS)
        return cls(number, typed, tuple(each for each in every if each <= {*typed}))

    @cached_property
    def clashing(self) -> Clashing:
        """The solve whose pins are taken seriously."""
        wishes = [parse_wish(pin, Strength.PIN, pin) for pin in self.pins]
        return Clashing.of(solved(facts(blocks(self.number), wishes=wishes)))

    def keeping(self, pins: Iterable[str]) -> Problem:
        """Its problem with these pins alone."""
        kept = {*pins}
        problem = self.clashing.opened.problem
        return attrs.evolve(
            problem,
            constraints=tuple(
                c for c in problem.constraints if c.reason.rule != PINNED or str(c.reason.get("words")) in kept
            ),
        )

    def faults(self) -> Iterator[str]:
        """What is not as promised."""
        problem = self.clashing.opened.problem
        outcome = solve(problem)
        if not isinstance(outcome, Unsatisfiable):
            yield "planted conflicts were not found"
            return
        found = self.clashing.examined
        for core in {id(each): each for each in (*outcome.conflicts, *found.conflicts.values())}.values():
            yield from _core_faults(core.constraints, problem)
        if missed := {*self.conflicts} - {*found.conflicts}:
            yield f"missed: {sorted(map(sorted, missed))}"
        if not all(any(each <= pins_of(core) for each in found.conflicts) for core in outcome.conflicts):
            yield "a conflict of the solve is not among all conflicts"
        if not found.ways_out:
            yield "no way out"
        for given_up, solution in found.ways_out:
            if not check(self.keeping({*self.pins} - given_up), solution.encodings).legal:
                yield f"no way out: {sorted(given_up)}"
            if not all(given_up & conflict for conflict in self.conflicts):
                yield f"a planted conflict stays: {sorted(given_up)}"
        sizes = [len(given_up) for given_up, _ in found.ways_out]
        if sizes != sorted(sizes):
            yield "a smaller way out comes later"

    def brute_force(self) -> tuple[set[Pins], set[Pins]]:
        """Every smallest conflict, and every smallest way out, by trying each set of pins with python-sat."""
        every = frozenset(self.pins)
        subsets = [frozenset(s) for n in range(len(every) + 1) for s in itertools.combinations(sorted(every), n)]
        holds = {subset: has_config(self.keeping(subset)) for subset in subsets}
        broken = _smallest([subset for subset in subsets if not holds[subset]])
        ways_out = _smallest([every - subset for subset in subsets if holds[subset]])
        return broken, ways_out


def _smallest(sets: Sequence[Pins]) -> set[Pins]:
    return {each for each in sets if not any(other < each for other in sets)}


def _core_faults(core: Sequence[Constraint], problem: Problem) -> Iterator[str]:
    sites = {site for constraint in core for site in constraint.sites}
    domains = {site: problem.domains[site] for site in sites}
    if any(isinstance(each, Prefer) for each in core):
        yield "a preference in a core"
    if has_config(Problem(domains, tuple(core))):
        yield "a core that can hold"
    for at in range(len(core)):
        if not has_config(Problem(domains, (*core[:at], *core[at + 1 :]))):
            yield f"a member that is not needed: {core[at].reason.rule}"


def _at(pin: str, block: int) -> str:
    name, _, rest = pin.partition("@")
    return f"{name}_{block}@{rest}"


def planted(seed: int, most_blocks: int) -> Planted:
    """Up to ``most_blocks`` blocks of eight ops with one to five conflicts, and pins that are in none; the same for the
    same arguments."""
    draw = random.Random(seed)
    number = max(1, round(most_blocks ** draw.random()))
    pins = [
        (pin, at) for _ in range(draw.randint(1, 5)) for at in [draw.randrange(number)] for pin in draw.choice(PLANTS)
    ]
    alone = [plant for plant in PLANTS if len(plant) > 1]
    pins += [(draw.choice(draw.choice(alone)), draw.randrange(number)) for _ in range(draw.randint(0, 4))]
    return Planted.of(number, pins)
