"""The relations of a kept run: their names, their columns, and what they mean."""

from __future__ import annotations

from qnnsolve.logic import REACHES, Predicate
from qnnsolve.rules.graph_relations import GRAPH_RELATIONS

__all__ = ["OF_THE_SOLUTION", "RELATIONS", "RUN_RELATIONS"]

RUN_RELATIONS = (
    Predicate("placed", ("Node", "Place"), "Where a call runs: `npu`, `cpu`, or `none` (a constant, an identity)."),
    Predicate(
        "asked",
        ("Node", "Port", "Encoding"),
        "What was asked for at a port that carries a float tensor. A text also finds a weight by its position "
        "(`in[1]`), and `out` as `out[0]`; likewise below.",
        other_names=1,
    ),
    Predicate(
        "chosen",
        ("Node", "Port", "Encoding"),
        "What it has. A node that takes one tensor out of several has it at its own `out`, too.",
        other_names=1,
    ),
    Predicate(
        "deviates",
        ("Node", "Port", "Asked", "Chosen", "Rule"),
        "The deviations of the report: of ports that share an encoding the one that is told of, and the code of the "
        "rule. `Port` is `out` where a whole node stays on the CPU.",
        other_names=1,
    ),
    Predicate(
        "convert",
        ("Node", "ReaderNode", "From", "To"),
        "A requantization on the way from `Node` to `ReaderNode`, from one encoding to another.",
    ),
    Predicate(
        "shares",
        ("Node", "Port", "Group"),
        "The group of a port: the ports of one group have one encoding, one scale and one zero point. Groups are "
        "numbers.",
        other_names=1,
    ),
    Predicate("group", ("Group", "Ports"), "How many ports a group has."),
    Predicate(
        "constraint",
        ("Constraint", "Rule", "Node", "Port"),
        "A constraint of the solve (a number), the code of its rule, and the ports that it is over.",
        other_names=3,
    ),
    Predicate("source", ("Constraint", "Kind", "Citation"), "On whose word: `measured`, `sdk`, `document`, `user` ..."),
    Predicate("wish", ("Node", "Words", "Strength"), "A wish that a node has, in the user's words; `prefer` or `pin`."),
    Predicate("bits", ("Encoding", "Bits"), "Its width. `float` has 32."),
    Predicate(
        "encoding",
        ("Encoding", "DType", "Scheme"),
        "Its storage dtype, and `per_tensor_affine`, `per_tensor_symmetric`, `per_channel_symmetric`, "
        "`per_block_symmetric` or `none`.",
    ),
)
RELATIONS = (*GRAPH_RELATIONS, REACHES, *RUN_RELATIONS)

OF_THE_SOLUTION = frozenset({"placed", "chosen", "deviates", "convert", "shares", "group"})
"""Those that have no rows where a solve found no config."""
