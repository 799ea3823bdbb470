"""The page about kept runs, made from the schema of their file."""

from __future__ import annotations

from collections.abc import Iterator

from qnnsolve.runs.columns import Column
from qnnsolve.runs.schema import APPLICATION_ID, FORMATS, MEASUREMENTS, TABLES

__all__ = ["runs_page"]

_HOW = """# Kept runs

{made}

`--save` keeps a solve in one file, together with all that it was made from, so that it can be read and asked later
without the model and without torch:

    $ qnnsolve solve model.pt2 --soc SM8350 --precision 16a8w --save model.qnn
    $ qnnsolve export model.pt2 --soc SM8350 --precision 16a8w --out model.pte --save model.qnn

`solve(..., save="model.qnn")` and `export(..., save="model.qnn")` do the same in Python, and
`qnnsolve.runs.save_run("model.qnn", quantizer.solved)` keeps what a `SolveQuantizer` has solved.

```python
from qnnsolve import load_run

run = load_run("model.qnn")  # loads neither torch nor ExecuTorch
run.about["model"]  # what it is of, and the versions that made it
run.result.deviations  # the answer as it was given: a SolveResult
run.export  # what an export answered beside it, or None
run.facts, run.problem  # what was solved: graph, operators, what was asked for; candidates and constraints
run.outcome  # the solver's answer; run.outcome.why_removed(site, encoding) is its trail
run.solve()  # solved again from the stored constraints: the same answer
```

- The file holds no weights. It does hold names of nodes and modules, and lines of the model's program with their paths.
- It is written beside its name and put in place when it is whole. An earlier run there is replaced; any other file is
  not. An export that fails leaves the earlier run, unless it fails because no legal config exists: that is kept.
- `about` has `content`, the SHA-256 of the tables that are marked *given*: two runs with one `content` were made from
  the same facts and wishes. `digest` is that of all tables, so that a damaged file is refused.
- A file of another kind, of another format, or a damaged one is refused in one line (`RunError`, exit code 2). It is
  opened read-only, its schema has to be the one below word for word, and nothing in it is executed.
- What a search measures is kept as it comes. Until the search ends, it stands in a file beside the run with `.search`
  after its name: a search that was killed goes on from there, and a second search to the same run is refused while the
  first one works. At its end the measurements stand in the run, so that a later search measures only what is new. A
  value is used again only where all that it depends on is the same, by its `key`.

## The file

SQLite, with `application_id` {application_id} and `user_version` {formats} (the format). Ids are numbered from 0
on; a column of *ids* holds a JSON array of them. Text is JSON where the table says so."""


def runs_page(made: str) -> Iterator[str]:
    """The lines of the page; ``made`` says that it is made."""
    yield from _HOW.format(
        made=made, application_id=f"0x{APPLICATION_ID:08X}", formats=" or ".join(map(str, FORMATS))
    ).splitlines()
    for table in (*TABLES, MEASUREMENTS):
        given = " *Given.*" if table.given else ""
        yield from ("", f"### {table.name}", "", f"{table.says}{given}", "", "| column | holds | is |", "|---|---|---|")
        yield from (f"| `{column.name}` | {_holds(column)} | {column.says} |" for column in table.columns)


def _holds(column: Column) -> str:
    kind = column.cell.value.lower()
    if column.of:
        kind = f"{'ids' if column.many else 'id'} of [{column.of}](#{column.of})"
    return f"{kind}, or nothing" if column.null else kind
