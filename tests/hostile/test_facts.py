"""Facts files of any content: read at once, or refused in one line."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from qnnsolve.errors import FactsError
from qnnsolve.facts.table_reading import parse_table
from qnnsolve.facts.table_writing import dump_table
from qnnsolve.facts.tables import shipped_tables
from qnnsolve.facts.toml_lines import lines_of
from qnnsolve.facts.user_file import read_user_facts

FIXED = '[[fixed]]\nop = "Softmax"\nport = "out[0]"\ncode = "u8"\nzero_point = 0\nwhy = "x"\nscale = '


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 5000 + "]" * 5000,
        "a = " + "9" * 5000,
        f"format = 1\n{FIXED}{'9' * 400}",
        f"format = 1\n{FIXED}inf",
        f"format = 1\n{FIXED}nan",
        f"format = 1\n{FIXED}-1",
        "format = 1\n" + "x" * 100_000 + " = 1",
        "format = " + "{a=" * 3000 + "1" + "}" * 3000,
        "\ufeffformat = 1",
        "\0",
    ],
)
def test_toml_that_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "facts.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FactsError) as error:
        read_user_facts([path])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["a" * 300 + ".toml", "no/such/folder.toml", "."])
def test_files_that_cannot_be_read(name: str, tmp_path: Path) -> None:
    with pytest.raises(FactsError, match="cannot be read"):
        read_user_facts([tmp_path / name])


@pytest.mark.parametrize("line", ["# a comment\n", "\n", "  \n", '[[op]]\nname = "x"\n', 'key{} = ["a",\n "b"]\n'])
def test_lines_are_found_in_time(line: str) -> None:
    """Each newline is counted once: 100,000 lines took minutes."""
    text = "".join(line.format(index) for index in range(100_000)) + "last = 1\n"
    start = time.process_time()
    found = lines_of(text)
    assert time.process_time() - start < 10
    last = next(at for key, at in found.items() if key[-1] == "last")
    assert last == text.count("\n")


@pytest.mark.parametrize(
    "scale", ["1e999999999", "1/0", "1e400", "-1", "0", "9" * 500, "1/" + "9" * 500, "inf", "0x1", "1_0"]
)
def test_scales_of_a_table(scale: str) -> None:
    table = next(table for table in shipped_tables("htp").values() if '"fixed"' in dump_table(table))
    raw = json.loads(dump_table(table))
    case = next(case for case in raw["cases"].values() if "fixed" in case)
    key, text = next(iter(case["fixed"].items()))
    port, _, zero_point = text.split(", ")[0].split(" ")
    case["fixed"][key] = f"{port} {scale} {zero_point}"
    with pytest.raises(FactsError, match="'fixed' says"):
        parse_table(json.dumps(raw), "x.json")
