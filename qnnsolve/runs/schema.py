"""What stands in a kept run: the tables of the file, from which SQL, the checks on reading and ``docs/runs.md`` come.

Rows of a table that have an ``id`` are numbered from 0 on, without a gap. A column that is ``of`` a table holds ids of
it; one of ``many`` holds a JSON array of them.
"""

from __future__ import annotations

from qnnsolve.runs.columns import Cell, Column, Table

__all__ = ["APPLICATION_ID", "FORMAT", "TABLES"]

APPLICATION_ID = 0x514E5352
"""``QNSR``, in the header of every kept run."""
FORMAT = 1
"""In the header as ``user_version``; a file of another format is refused."""


def _text(name: str, says: str, *, null: bool = False) -> Column:
    return Column(name, Cell.TEXT, says, null)


def _integer(name: str, says: str, *, null: bool = False) -> Column:
    return Column(name, Cell.INTEGER, says, null)


def _one(name: str, of: str, says: str, *, null: bool = False) -> Column:
    return Column(name, Cell.INTEGER, says, null, of)


def _many(name: str, of: str, says: str) -> Column:
    return Column(name, Cell.TEXT, says, False, of, True)


_ID = Column("id", Cell.INTEGER, "from 0 on")
_JSON = "JSON; encodings, sources and nodes in it stand as their ids"

TABLES = (
    Table(
        "about",
        "What the run is of, and what made it.",
        (_text("key", "such as `model`, `soc`, `qnnsolve` (a version), `content`"), _text("value", "its text")),
    ),
    Table(
        "sources",
        "Where facts come from, each once.",
        (_ID, _text("kind", "`sdk`, `measured`, `document`, `user` or `graph`"), _text("citation", "to follow up")),
        given=True,
    ),
    Table(
        "encodings",
        "Every encoding that is named anywhere, each once.",
        (
            _ID,
            _text("name", "its short name: `u16`, `s8/ch0`, `float`"),
            _text("dtype", "the storage dtype"),
            _text("qscheme", "torchao's, or `none`"),
            _integer("quant_min", "inclusive", null=True),
            _integer("quant_max", "inclusive", null=True),
            _integer("ch_axis", "from 0", null=True),
            _text("block_size", "JSON, one entry per dimension", null=True),
            Column("scale", Cell.REAL, "real units per step, where the backend fixes it", True),
            _integer("zero_point", "where the backend fixes it", null=True),
        ),
        given=True,
    ),
    Table("targets", "Names of ops and attributes.", (_ID, _text("name", "`aten.add.Tensor`")), given=True),
    Table(
        "modules",
        "Modules of the model.",
        (
            _ID,
            _text("path", "dotted, empty at the top"),
            _text("types", "JSON: the classes of it and of those around it, the outermost first"),
        ),
        given=True,
    ),
    Table(
        "lines",
        "Lines of the user's program that called an op.",
        (_ID, _text("file", "as Python names it"), _integer("number", "from 1"), _text("text", "the line")),
        given=True,
    ),
    Table(
        "tensors",
        "Shapes with dtypes, each pair once.",
        (_ID, _text("shape", "JSON, outermost first; `null` is not static"), _text("dtype", "torch's: `float32`")),
        given=True,
    ),
    Table(
        "nodes",
        "The graph as it was solved: every node, in topological order.",
        (
            _ID,
            _text("name", "unique"),
            _text("kind", "FX's: `placeholder`, `get_attr`, `call_function`, `output`, `other`"),
            _one("target", "targets", "the overload, or the attribute"),
            _text("args", 'JSON; `{"node": id}` is what another node yields'),
            _text("kwargs", "JSON, by name, sorted"),
            _many("tensors", "tensors", "one per output"),
            _one("module", "modules", "the innermost one around it"),
            _integer("several", "1 where it yields a tuple"),
            _one("line", "lines", "where the graph has it", null=True),
        ),
        given=True,
    ),
    Table("builds", "What lowering makes of a node, each once.", (_ID, _text("json", _JSON)), given=True),
    Table(
        "calls",
        "What becomes of every call, in the order of the graph.",
        (
            _one("node", "nodes", "the call"),
            _one("build", "builds", "its fate, with what it reads as positions in `reads`"),
            _many("reads", "nodes", "what its ports read"),
        ),
        given=True,
    ),
    Table(
        "operators",
        "What was known of each operator that the graph needs, in each form in which it needs it.",
        (
            _ID,
            _text("op", "QNN's name"),
            _text("form", "JSON: what is known of the nodes that become it"),
            _text("ports", "JSON of inputs, outputs and the one that repeats; none where nothing is known", null=True),
            _many("known_from", "sources", "every source that was asked"),
        ),
        given=True,
    ),
    Table("asks", "What a row asks besides its dtypes, each once.", (_ID, _text("json", _JSON)), given=True),
    Table(
        "operator_rows",
        "The rows of port codes that an operator takes, or that one source takes and another refuses.",
        (
            _one("operator", "operators", "whose row"),
            _text("codes", "of inputs and outputs: `u16 s8 u16`"),
            _one("asks", "asks", "where it is taken", null=True),
            _many("refused_by", "sources", "sources that refuse what another one takes"),
        ),
        given=True,
    ),
    Table(
        "told",
        "Sources of operator facts that were looked for.",
        (_text("source", "its kind"), _integer("used", "1 or 0"), _text("detail", "what it is, or why it is not used")),
        given=True,
    ),
    Table(
        "asked",
        "What was asked for, in the order in which it was.",
        (_text("json", _JSON),),
        given=True,
    ),
    Table(
        "settings",
        "What else the solve was made from, by name.",
        (
            _text("name", "`curated` (facts that no table has), `limits` (what the solve might spend)"),
            _text("json", _JSON),
        ),
        given=True,
    ),
    Table(
        "records",
        "Single records of what came of it, by name.",
        (_text("name", "`statistics`, `notes`, `timings`, `calibration`, `export`"), _text("json", _JSON)),
    ),
    Table("domains", "Sets of candidates, each once.", (_ID, _many("encodings", "encodings", "in order"))),
    Table(
        "sites",
        "Where encodings live: outputs of nodes, and edges; sorted.",
        (
            _ID,
            _one("node", "nodes", "the producer"),
            _one("user", "nodes", "the reader, where it is an edge", null=True),
            _one("domain", "domains", "the candidates"),
            _one("asked", "encodings", "what was asked for"),
            _one("chosen", "encodings", "what the solution has, if there is one", null=True),
            _integer("shares", "sites of one number share scale and zero point", null=True),
        ),
    ),
    Table("relations", "Rows that may stand together, each set once.", (_ID, _integer("rows", "how many"))),
    Table(
        "relation_rows",
        "Their rows, in order.",
        (
            _one("relation", "relations", "whose row"),
            _many("encodings", "encodings", "one per site"),
            _integer("price", "what the row costs"),
        ),
    ),
    Table(
        "reasons",
        "Why constraints exist, each reason once.",
        (
            _ID,
            _text("rule", "the rule's code"),
            _text("says", "what kind of thing it says"),
            _text("given", "JSON: of what, as pairs of a name and a value"),
            _many("sources", "sources", "whose facts say so"),
        ),
    ),
    Table(
        "constraints",
        "Every constraint.",
        (
            _ID,
            _text("kind", "`Allow`, `Forbid`, `Same`, `Table`, `Derived`, `Convertible` or `Prefer`"),
            _many("sites", "sites", "in the order of the relation's columns"),
            _one("relation", "relations", "the rows that it names; none for `Same`", null=True),
            _integer("price", "of a convert", null=True),
            _one("reason", "reasons", "why it exists"),
        ),
    ),
    Table(
        "outcome",
        "What came of the solve: one row.",
        (
            _text("status", "`satisfiable`, `unsatisfiable` or `unknown`"),
            _integer("cost", "of the solution", null=True),
            _integer("lower_bound", "no config costs less", null=True),
            _text("stopped_by", "the limit that was hit", null=True),
        ),
    ),
    Table(
        "breakdown",
        "What the cost is made of.",
        (_text("kind", "of constraint"), _text("rule", "its code"), _integer("cost", "their sum")),
    ),
    Table("converts", "Edges that requantize.", (_one("allowed_by", "constraints", "a `Convertible`"),)),
    Table(
        "conflicts",
        "Constraints that cannot hold together.",
        (
            _many("constraints", "constraints", "without any one of them the others can"),
            _integer("irredundant", "0 where a limit cut that short"),
            _integer("by_search", "1 where only search shows it"),
        ),
    ),
    Table(
        "placed",
        "Where every call runs under the solution.",
        (_one("node", "nodes", "the call"), _text("placement", "`npu`, `cpu` or `none`")),
    ),
    Table(
        "deviations",
        "Where the solution is not what was asked for.",
        (
            _one("node", "nodes", "at which it is told"),
            _text("site", "a node, or `producer -> node`"),
            _text("requested", "an encoding's name"),
            _text("chosen", "an encoding's name"),
            _text("reason", "one sentence"),
            _text("rule", "the rule's code"),
            _many("sources", "sources", "of the facts that rule out what was asked for"),
            _text("asked_by", "the words of the wishes that it deviates from; empty: the preset"),
        ),
    ),
)
"""In the order in which they are written; a column is only of a table that stands before."""
