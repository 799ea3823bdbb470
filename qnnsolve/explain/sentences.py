"""Reasons in the user's words: the only place where a sentence is made of one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType

from qnnsolve.constraints import Same, Site
from qnnsolve.reasons import Reason, Says
from qnnsolve.solver import Conflict

__all__ = ["conflict_in_words", "sentence", "with_code"]

_TEMPLATES: Mapping[Says, str] = MappingProxyType(
    {
        Says.IN_WORDS: "{text}",
        Says.TAKES_ROWS: "{op} on {arch} accepts certain dtypes only",
        Says.STAYS_ON_CPU: "{why}",
        Says.REMOVED: "{target} is removed by lowering",
        Says.MOVES_BITS: "{op} moves the bits unchanged",
        Says.ONE_OUTPUT: "both are one output of {target}",
        Says.DERIVED_SCALE: "the bias scale is input scale x weight scale",
        Says.CONVERTS: "a convert bridges the edge",
        Says.NO_CONVERT: "no convert can stand here",
        Says.ONE_DTYPE: "all parts of {op} have one dtype",
        Says.ASKED_FOR: "{encoding} was asked for",
        Says.PINNED: "{what} is pinned by {words}",
        Says.FOLDS: "a constant folds into the delegate",
        Says.BLOCKS_LEFT_OVER: "block size {size} does not divide {of}{instead}",
        Says.BLOCKS_ACROSS: "a block runs along the input channels alone: {along}, not {size}",
        Says.RIGHT_SINCE: "{encoding} is computed right from {arch} on",
        Says.BLOCKS_IN_POINTS: "blocks are computed right in 1x1 convolutions only",
        Says.ROUNDS_ONCE: "the activation folds into its producer",
        Says.ONE_BUFFER: "both write to {state}",
        Says.READ_AS_WRITTEN: "what one run writes to {state}, the next one reads",
        Says.NO_HALF_PRECISION: "{backend} has no half precision",
        Says.HOLDS_INTEGERS: "the tensor holds {dtype}, which is never quantized",
        Says.NO_TENSOR: "the node yields no tensor",
        Says.EACH_READER: "a parameter has an encoding at each op that reads it, and none of its own",
        Says.EACH_OUTPUT: "each output of the node has an encoding of its own",
        Says.NOT_READ: "no op on the accelerator reads it",
        Says.NOT_AN_INPUT: "{target} reads it on no input of its own",
        Says.NO_FACTS: "no facts about {target}, so it stays on the CPU",
        Says.MEANS_ITSELF: "{encoding} stands for no real numbers",
        Says.FIXES_SCALE: "{op} on {arch} fixes the scale and zero point of its output",
        Says.NO_FIXED_SCALE: "no op fixes this scale and zero point here",
        Says.HALF_NOT_ASKED: "half precision was not asked for",
        Says.HALF_ONLY: "half precision was asked for, and does not mix with quantized activations",
        Says.ONE_SCALE: "{role} has one scale for the whole tensor",
        Says.UNSIGNED_ACTIVATION: "an activation is unsigned, unless a signed encoding is asked for at an output",
        Says.SIGNED_WEIGHT: "a weight is signed and symmetric",
        Says.CHANNEL_AXIS: "the channels of this tensor lie along axis {axis}",
        Says.BIAS_IN_32_BITS: "a bias is signed and has 32 bits",
        Says.NOT_TRIED: "{encoding} was not asked for; the candidates are {tried}",
    }
)


def sentence(reason: Reason) -> str:
    """One sentence, without a full stop."""
    given = dict(reason.given)
    if reason.says is Says.BLOCKS_LEFT_OVER:
        channels = given["channels"]
        number = "a varying number of" if channels is None else channels
        given["instead"] = f" ({given['fitting']} would do)" if given["fitting"] else ""
        given["of"] = f"{number} input channel{'' if channels == 1 else 's'}"
    return _TEMPLATES[reason.says].format_map(given)


def with_code(reason: Reason) -> str:
    """The sentence, and the rule to look up: ``... [QC002]``."""
    return f"{sentence(reason)} [{reason.rule}]"


def conflict_in_words(conflict: Conflict) -> str:
    """Each reason once, with the sites that it holds at; then, as one part, all sites that share an encoding."""
    reasons: dict[str, list[Site]] = {}
    shared: set[Site] = set()
    for constraint in conflict.constraints:
        if isinstance(constraint, Same):
            shared.update(constraint.sites)
        else:
            reasons.setdefault(with_code(constraint.reason), []).extend(constraint.sites)
    parts = [f"{reason} at {_listed(dict.fromkeys(sites))}" for reason, sites in reasons.items()]
    if shared:
        rules = ", ".join(sorted({c.reason.rule for c in conflict.constraints if isinstance(c, Same)}))
        parts.append(f"{_listed(sorted(shared))} share one encoding [{rules}]")
    return "; ".join(parts)


def _listed(sites: Collection[Site]) -> str:
    """Up to four sites by name, more by their ends and number."""
    names = [str(site) for site in sites]
    return ", ".join(names) if len(names) <= 4 else f"{names[0]} .. {names[-1]} ({len(names)} sites)"
