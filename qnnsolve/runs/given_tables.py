"""The tables of a kept run that hold what the solve was made from."""

from __future__ import annotations

from qnnsolve.runs.columns import ID, JSON, CellType, Column, SqlTable, integer, many, one, text

__all__ = ["GIVEN_TABLES"]

GIVEN_TABLES = (
    SqlTable(
        "about",
        "What the run is of, and what made it.",
        (text("key", "such as `model`, `soc`, `qnnsolve` (a version), `content`"), text("value", "its text")),
    ),
    SqlTable(
        "sources",
        "Where facts come from, each once.",
        (ID, text("kind", "`sdk`, `measured`, `document`, `user` or `graph`"), text("citation", "to follow up")),
        given=True,
    ),
    SqlTable(
        "encodings",
        "Every encoding that is named anywhere, each once.",
        (
            ID,
            text("name", "its short name: `u16`, `s8/ch0`, `float`"),
            text("dtype", "the storage dtype"),
            text("qscheme", "torchao's, or `none`"),
            integer("quant_min", "inclusive", null=True),
            integer("quant_max", "inclusive", null=True),
            integer("ch_axis", "from 0", null=True),
            text("block_size", "JSON, one entry per dimension", null=True),
            Column("scale", CellType.REAL, "real units per step, where the backend fixes it", True),
            integer("zero_point", "where the backend fixes it", null=True),
        ),
        given=True,
    ),
    SqlTable("targets", "Names of ops and attributes.", (ID, text("name", "`aten.add.Tensor`")), given=True),
    SqlTable(
        "modules",
        "Modules of the model.",
        (
            ID,
            text("path", "dotted, empty at the top"),
            text("types", "JSON: the classes of it and of those around it, the outermost first"),
        ),
        given=True,
    ),
    SqlTable(
        "lines",
        "Lines of the user's program that called an op.",
        (ID, text("file", "as Python names it"), integer("number", "from 1"), text("text", "the line")),
        given=True,
    ),
    SqlTable(
        "tensors",
        "Shapes with dtypes, each pair once.",
        (ID, text("shape", "JSON, outermost first; `null` is not static"), text("dtype", "torch's: `float32`")),
        given=True,
    ),
    SqlTable(
        "nodes",
        "The graph as it was solved: every node, in topological order.",
        (
            ID,
            text("name", "unique"),
            text("kind", "FX's: `placeholder`, `get_attr`, `call_function`, `output`, `other`"),
            one("target", "targets", "the overload, or the attribute"),
            text("args", 'JSON; `{"node": id}` is what another node yields'),
            text("kwargs", "JSON, by name, sorted"),
            many("tensors", "tensors", "one per output"),
            one("module", "modules", "the innermost one around it"),
            integer("several", "1 where it yields a tuple"),
            one("line", "lines", "where the graph has it", null=True),
        ),
        given=True,
    ),
    SqlTable("builds", "What lowering makes of a node, each once.", (ID, text("json", JSON)), given=True),
    SqlTable(
        "calls",
        "What becomes of every call, in the order of the graph.",
        (
            one("node", "nodes", "the call"),
            one("build", "builds", "its fate, with what it reads as positions in `reads`"),
            many("reads", "nodes", "what its ports read"),
        ),
        given=True,
    ),
    SqlTable(
        "operators",
        "What was known of each operator that the graph needs, in each form in which it needs it.",
        (
            ID,
            text("op", "QNN's name"),
            text("form", "JSON: what is known of the nodes that become it"),
            text("ports", "JSON of inputs, outputs and the one that repeats; none where nothing is known", null=True),
            many("known_from", "sources", "every source that was asked"),
        ),
        given=True,
    ),
    SqlTable("asks", "What a row asks besides its dtypes, each once.", (ID, text("json", JSON)), given=True),
    SqlTable(
        "operator_rows",
        "The rows of port codes that an operator takes, or that one source takes and another refuses.",
        (
            one("operator", "operators", "whose row"),
            text("codes", "of inputs and outputs: `u16 s8 u16`"),
            one("asks", "asks", "where it is taken", null=True),
            many("refused_by", "sources", "sources that refuse what another one takes"),
        ),
        given=True,
    ),
    SqlTable(
        "told",
        "Sources of operator facts that were looked for.",
        (text("source", "its kind"), integer("used", "1 or 0"), text("detail", "what it is, or why it is not used")),
        given=True,
    ),
    SqlTable(
        "asked",
        "What was asked for, in the order in which it was.",
        (text("json", JSON),),
        given=True,
    ),
    SqlTable(
        "settings",
        "What else the solve was made from, by name.",
        (
            text("name", "`curated` (facts that no table has), `limits` (what the solve might spend)"),
            text("json", JSON),
        ),
        given=True,
    ),
)
