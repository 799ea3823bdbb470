"""Why a constraint exists, as data: :class:`Reason`. Sentences are made of it in ``explain``, nowhere else."""

from __future__ import annotations

import enum

import attrs

from qnnsolve.sources import Source

__all__ = ["Reason", "Says"]


class Says(enum.Enum):
    """The kinds of statement; in brackets the details that each has in :attr:`Reason.given`. ``explain`` makes
    sentences."""

    IN_WORDS = "in words"
    """(text) A sentence of its own: a rule from elsewhere."""
    TAKES_ROWS = "takes rows"
    """(op, arch) The operator takes certain rows of dtypes only."""
    STAYS_ON_CPU = "stays on the CPU"
    """(why) Nothing on the accelerator computes it."""
    REMOVED = "removed"
    """(target) Lowering removes the op."""
    MOVES_BITS = "moves bits"
    """(op) The operator copies what it reads."""
    ONE_OUTPUT = "one output"
    """(target) Several nodes take out one output of the op."""
    DERIVED_SCALE = "derived scale"
    CONVERTS = "converts"
    NO_CONVERT = "no convert"
    ONE_DTYPE = "one dtype"
    """(op) All parts of a concatenation are alike."""
    ASKED_FOR = "asked for"
    """(encoding)"""
    PINNED = "pinned"
    """(what, words) The user pins a port."""
    FOLDS = "folds"
    """A constant becomes part of the delegate."""
    BLOCKS_LEFT_OVER = "blocks left over"
    """(size, channels: None where they vary, fitting: sizes that would do) It does not divide the input channels."""
    BLOCKS_ACROSS = "blocks across"
    """(size, along: a size that runs along the input channels) Blocks have one weight along every other dimension."""
    RIGHT_SINCE = "right since"
    """(encoding, arch) Older chips compute garbage."""
    BLOCKS_IN_POINTS = "blocks in points"
    """Blocks are right in 1x1 convolutions only."""
    ROUNDS_ONCE = "rounds once"
    """An activation folds into its producer."""
    ONE_BUFFER = "one buffer"
    """(state) Both write to one buffer of the model."""
    READ_AS_WRITTEN = "read as written"
    """(state) One reads a buffer of the model, and one writes to it for the next run."""
    NO_HALF_PRECISION = "no half precision"
    """(backend)"""

    # Why an encoding is no candidate. Each also has the detail (encoding).
    HOLDS_INTEGERS = "holds integers"
    """(dtype) A tensor of integers or booleans."""
    NO_TENSOR = "no tensor"
    """The node yields none."""
    EACH_READER = "each reader"
    """A parameter has an encoding on each edge, and none of its own."""
    EACH_OUTPUT = "each output"
    """Several outputs: each has an encoding of its own."""
    NOT_READ = "not read"
    """No op of the accelerator reads it."""
    NOT_AN_INPUT = "not an input"
    """(target) The op reads the tensor on no input of its own."""
    NO_FACTS = "no facts"
    """(target)"""
    MEANS_ITSELF = "means itself"
    """Integers and booleans that stand for no reals."""
    FIXES_SCALE = "fixes scale"
    """(op, arch) The op fixes scale and zero point of its output."""
    NO_FIXED_SCALE = "no fixed scale"
    """No op that could hand it on fixes this scale and zero point."""
    HALF_NOT_ASKED = "half precision not asked for"
    HALF_ONLY = "half precision only"
    """Half precision and quantized activations do not mix."""
    ONE_SCALE = "one scale"
    """(role) There are scales per channel for weights and biases alone."""
    UNSIGNED_ACTIVATION = "unsigned activation"
    SIGNED_WEIGHT = "signed weight"
    CHANNEL_AXIS = "channel axis"
    """(axis) Channels lie along another axis."""
    BIAS_IN_32_BITS = "bias in 32 bits"
    NOT_TRIED = "not tried"
    """(tried: names of those that are candidates) Neither asked for nor tried without being asked."""


@attrs.frozen(cache_hash=True)
class Reason:
    """Why a constraint exists, as data: the rule's code (``QC002``), a kind of statement, its details, and its
    sources."""

    rule: str
    says: Says
    given: tuple[tuple[str, str | int | None], ...] = ()
    """By name, sorted."""
    sources: tuple[Source, ...] = ()

    @classmethod
    def of(cls, rule: str, says: Says, sources: tuple[Source, ...] = (), **given: str | int | None) -> Reason:
        """A reason of kind ``says``, with the details ``given`` by name."""
        return cls(rule, says, tuple(sorted(given.items())), sources)

    @classmethod
    def in_words(cls, rule: str, text: str, sources: tuple[Source, ...] = ()) -> Reason:
        """A reason in a sentence of its own (no full stop)."""
        return cls.of(rule, Says.IN_WORDS, sources, text=text)

    def get(self, name: str) -> str | int | None:
        """What is given by that name."""
        return dict(self.given).get(name)
