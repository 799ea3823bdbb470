"""Questions about a run that was kept: why, why not, what if, and how two answers differ. Neither torch nor an SDK is
needed.

Everything that is not in the file is found by solving its problem again, with one thing more asked for.
"""

from __future__ import annotations

from qnnsolve.questions.alternatives import alternatives
from qnnsolve.questions.answers import (
    Alternative,
    Alternatives,
    Change,
    Clash,
    ExplanationStep,
    Moved,
    PlaceVerdict,
    Repair,
    RunDifference,
    Tip,
    WhyNot,
)
from qnnsolve.questions.differing import Config, difference, ports_of
from qnnsolve.questions.opened import Opened
from qnnsolve.questions.places import NodePlace, places
from qnnsolve.questions.priced import Price, prices_of_all, refusal
from qnnsolve.questions.repairs import Clashing, conflicts_of, repairs_of
from qnnsolve.questions.what_if import what_if
from qnnsolve.questions.why import why, why_not

__all__ = [
    "Alternative",
    "Alternatives",
    "Change",
    "Clash",
    "Clashing",
    "Config",
    "ExplanationStep",
    "Moved",
    "NodePlace",
    "Opened",
    "PlaceVerdict",
    "Price",
    "Repair",
    "RunDifference",
    "Tip",
    "WhyNot",
    "alternatives",
    "conflicts_of",
    "difference",
    "places",
    "ports_of",
    "prices_of_all",
    "refusal",
    "repairs_of",
    "what_if",
    "why",
    "why_not",
]
