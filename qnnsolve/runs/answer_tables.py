"""The tables of a kept run that hold what came of the solve: candidates, constraints, and the answer."""

from __future__ import annotations

from qnnsolve.runs.columns import ID, JSON, SqlTable, integer, many, one, text

__all__ = ["ANSWER_TABLES"]

ANSWER_TABLES = (
    SqlTable(
        "records",
        "Single records of what came of it, by name.",
        (
            text("name", "`statistics`, `notes`, `origins`, `timings`, `calibration`, `export`, `search`, `compare`"),
            text("json", JSON),
        ),
    ),
    SqlTable("domains", "Sets of candidates, each once.", (ID, many("encodings", "encodings", "in order"))),
    SqlTable(
        "reasons",
        "Why constraints exist and encodings are no candidates, each reason once.",
        (
            ID,
            text("rule", "the rule's code"),
            text("says", "what kind of thing it says"),
            text("given", "JSON: of what, as pairs of a name and a value"),
            many("sources", "sources", "whose facts say so"),
        ),
    ),
    SqlTable(
        "left_out", "Why encodings are no candidates, each set of reasons once.", (ID, integer("rows", "how many"))
    ),
    SqlTable(
        "left_out_rows",
        "Their rows, in order.",
        (
            one("left_out", "left_out", "whose row"),
            many("encodings", "encodings", "for which the reason holds; none: for all others"),
            one("reason", "reasons", "why they are no candidates; the encoding is one more of its details"),
        ),
    ),
    SqlTable(
        "sites",
        "Where encodings live: outputs of nodes, and edges; sorted.",
        (
            ID,
            one("node", "nodes", "the producer"),
            one("user", "nodes", "the reader, where it is an edge", null=True),
            one("domain", "domains", "the candidates"),
            one("asked", "encodings", "what was asked for"),
            one("chosen", "encodings", "what the solution has, if there is one", null=True),
            integer("shares", "sites of one number share scale and zero point", null=True),
            one("left_out", "left_out", "why all else is no candidate"),
        ),
    ),
    SqlTable(
        "without_candidates",
        "Outputs of nodes, and edges, that have no candidates at all.",
        (
            one("node", "nodes", "the producer"),
            one("user", "nodes", "the reader, where it is an edge", null=True),
            one("left_out", "left_out", "why"),
        ),
    ),
    SqlTable("relations", "Rows that may stand together, each set once.", (ID, integer("rows", "how many"))),
    SqlTable(
        "relation_rows",
        "Their rows, in order.",
        (
            one("relation", "relations", "whose row"),
            many("encodings", "encodings", "one per site"),
            integer("price", "what the row costs"),
        ),
    ),
    SqlTable(
        "constraints",
        "Every constraint.",
        (
            ID,
            text("kind", "`Allow`, `Forbid`, `Same`, `Table`, `Derived`, `Convertible` or `Prefer`"),
            many("sites", "sites", "in the order of the relation's columns"),
            one("relation", "relations", "the rows that it names; none for `Same`", null=True),
            integer("price", "of a convert", null=True),
            one("reason", "reasons", "why it exists"),
        ),
    ),
    SqlTable(
        "outcome",
        "What came of the solve: one row.",
        (
            text("status", "`satisfiable`, `unsatisfiable` or `unknown`"),
            integer("cost", "of the solution", null=True),
            integer("lower_bound", "no config costs less", null=True),
            text("stopped_by", "the limit that was hit", null=True),
        ),
    ),
    SqlTable(
        "breakdown",
        "What the cost is made of.",
        (text("kind", "of constraint"), text("rule", "its code"), integer("cost", "their sum")),
    ),
    SqlTable("converts", "Edges that requantize.", (one("allowed_by", "constraints", "a `Convertible`"),)),
    SqlTable(
        "conflicts",
        "Constraints that cannot hold together.",
        (
            many("constraints", "constraints", "without any one of them the others can"),
            integer("irredundant", "0 where a limit cut that short"),
            integer("by_search", "1 where only search shows it"),
        ),
    ),
    SqlTable(
        "placed",
        "Where every call runs under the solution.",
        (one("node", "nodes", "the call"), text("placement", "`npu`, `cpu` or `none`")),
    ),
    SqlTable(
        "deviations",
        "Where the solution is not what was asked for.",
        (
            one("node", "nodes", "at which it is told"),
            text("site", "a node, or `producer -> node`"),
            text("requested", "an encoding's name"),
            text("chosen", "an encoding's name"),
            text("reason", "one sentence"),
            text("rule", "the rule's code"),
            many("sources", "sources", "of the facts that rule out what was asked for"),
            text("asked_by", "the words of the wishes that it deviates from; empty: the preset"),
        ),
    ),
)
