"""The user's own facts: what they change, that they are cited, and that a mistake is one line with its number."""

from __future__ import annotations

from pathlib import Path

import pytest

from qnnsolve.errors import FactsError
from qnnsolve.facts.socs import chipset, compile_as, soc
from qnnsolve.facts.toml_lines import lines_of
from qnnsolve.facts.user import UserFacts
from qnnsolve.facts.user_file import read_user_facts
from qnnsolve.opinfo_facts import FactsSource, OperatorFacts, operator_facts
from qnnsolve.sources import SourceKind


def read(folder: Path, text: str, name: str = "mine.toml") -> UserFacts:
    path = folder / name
    path.write_text(f"format = 1\n{text}", encoding="utf-8")
    return read_user_facts([path])


def facts(user: UserFacts, arch: str = "V68", chip: str = "SM8350") -> OperatorFacts:
    return operator_facts("htp", arch, soc(chip, user.socs), FactsSource.MEASURED, user)


def test_a_row_is_forbidden_where_the_file_says(tmp_path: Path) -> None:
    user = read(tmp_path, '[[forbid]]\nop = "Softmax"\nrows = ["u16 > *"]\narchs = ["V68"]\nwhy = "drifts"\n')
    here, there = (facts(user, *where).accepted("Softmax") for where in (("V68", "SM8350"), ("V79", "SM8750")))
    assert here is not None and there is not None
    assert not here.admits(("u16", "u16")) and there.admits(("u16", "u16"))
    assert [s.citation for s in here.refusing(("u16", "u16"))] == [f"{tmp_path / 'mine.toml'}:2: drifts"]
    assert all(s.kind is SourceKind.USER for s in here.refusing(("u16", "u16")))


def test_codes_are_forbidden_at_a_port(tmp_path: Path) -> None:
    text = '[[forbid]]\nop = "Conv2d"\nport = "in[1]"\ncodes = ["s4", "s4c"]\nsocs = ["SM8350"]\nwhy = "slow"\n'
    user = read(tmp_path, text)
    accepted, other = facts(user).accepted("Conv2d"), facts(user, "V68", "QCM6490").accepted("Conv2d")
    assert accepted is not None and other is not None
    assert {codes[1] for codes in other.rows} - {codes[1] for codes in accepted.rows} == {"s4", "s4c"}


def test_an_operator_is_kept_on_the_cpu(tmp_path: Path) -> None:
    gelu = facts(read(tmp_path, '[[cpu]]\nop = "Gelu"\nwhy = "bug 123"\n')).accepted("Gelu", "rank4")
    assert gelu is not None and not gelu.rows and gelu.refusing(("u8", "u8"))


def test_rows_are_allowed_and_forbidding_wins(tmp_path: Path) -> None:
    allow = '[[allow]]\nop = "MatMul"\ncase = "rank4"\nrows = ["u8 u16 > u16"]\nsymmetric = ["in[1]"]\nwhy = "tried"\n'
    matmul = facts(read(tmp_path, allow)).accepted("MatMul", "rank4")
    assert matmul is not None
    row = matmul.rows["u8", "u16", "u16"]
    assert row.symmetric == {1} and [source.kind for source in row.sources] == [SourceKind.USER]
    assert ("u8", "u16", "u16") not in facts(read(tmp_path, allow)).accepted("MatMul", "rank2").rows  # type: ignore[union-attr]
    both = read(tmp_path, '[[forbid]]\nop = "MatMul"\nrows = ["u8 u16 > *"]\nwhy = "no"\n' + allow)
    assert ("u8", "u16", "u16") not in facts(both).accepted("MatMul", "rank4").rows  # type: ignore[union-attr]


def test_an_encoding_is_fixed_and_another_set_free(tmp_path: Path) -> None:
    fix = '[[fixed]]\nop = "HardSwish"\nport = "out[0]"\ncode = "u8"\nscale = 0.5\nzero_point = 3\nwhy = "x"\n'
    free = '[[fixed]]\nop = "Sigmoid"\nport = "out[0]"\ncode = "u16"\nfree = true\nwhy = "y"\n'
    found = facts(read(tmp_path, fix + free))
    hardswish, sigmoid = found.accepted("HardSwish", "rank4"), found.accepted("Sigmoid")
    assert hardswish is not None and sigmoid is not None
    ((code, port),) = hardswish.fixed_at(1)
    assert (code, port.scale, port.zero_point) == ("u8", 0.5, 3)
    assert [code for code, _ in sigmoid.fixed_at(1)] == ["u8"]


def test_sharing_is_asked_for_or_lifted(tmp_path: Path) -> None:
    text = '[[same]]\nop = "Relu"\nports = ["in[0]", "out[0]"]\nwhy = "x"\n'
    text += '[[same]]\nop = "Tile"\nports = ["in[0]", "out[0]"]\nholds = false\nwhy = "y"\n'
    found = facts(read(tmp_path, text))
    relu, tile = found.accepted("Relu"), found.accepted("Tile")
    assert relu is not None and relu.same[0] == {0, 1}
    assert SourceKind.USER in {source.kind for source in relu.same[1]}
    assert tile is not None and tile.same[0] == set()


def test_a_new_operator_has_the_rows_that_it_is_given(tmp_path: Path) -> None:
    text = (
        '[[op]]\nname = "MyNorm"\ninputs = ["in[0]"]\noutputs = ["out[0]", "out[1]"]\nrepeats = "out[1]"\nwhy = "own"\n'
    )
    text += '[[allow]]\nop = "MyNorm"\nrows = ["u8 > u8 u16"]\nwhy = "tried"\n'
    mine = facts(read(tmp_path, text)).accepted("MyNorm")
    assert mine is not None
    assert mine.admits(("u8", "u8", "u16", "u16")) and not mine.admits(("u8", "u8", "u8"))


def test_a_new_soc_has_the_facts_of_its_arch_and_compiles_as_another(tmp_path: Path) -> None:
    user = read(tmp_path, '[[soc]]\nname = "SM9999"\nhtp_arch = "V81"\nlike = "SM8850"\n')
    chip = soc("sm9999", user.socs)
    assert (chip.htp_arch, compile_as(chip), chipset(chip).name) == ("V81", "SM8850", "SM8850")
    alone = read(tmp_path, '[[soc]]\nname = "SM9999"\nhtp_arch = "V81"\n')
    with pytest.raises(Exception, match="needs 'like'"):
        compile_as(soc("SM9999", alone.socs))
    assert soc(chipset(soc("SM9999", alone.socs)).name).htp_arch == "V81"


def test_a_later_file_builds_on_an_earlier_one(tmp_path: Path) -> None:
    one, two = tmp_path / "one.toml", tmp_path / "two.toml"
    one.write_text('format = 1\n[[soc]]\nname = "SM9999"\nhtp_arch = "V81"\n')
    two.write_text('format = 1\n[[cpu]]\nop = "Gelu"\nsocs = ["SM9999"]\nwhy = "x"\n')
    user = read_user_facts([one, two])
    assert user.paths == (one, two)
    assert not facts(user, "V81", "SM9999").accepted("Gelu").rows  # type: ignore[union-attr]
    with pytest.raises(FactsError, match="unknown SoC 'SM9999'"):
        read_user_facts([two, one])


FORBID = '[[forbid]]\nop = "Relu"\nrows = ["u8 > u8"]\nwhy = "x"\n'


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        pytest.param('\n[[forbidden]]\nop = "Relu"\n', 3, "unknown section 'forbidden'", id="section"),
        pytest.param('[[cpu]]\nopp = "Relu"\n', 3, "unknown key in [[cpu]] 'opp': did you mean op?", id="key"),
        pytest.param('[[cpu]]\nop = "Relu"\n', 2, "[[cpu]] needs 'why'", id="missing"),
        pytest.param('[[forbids]]\nop = "Relu"\n', 2, "unknown section 'forbids': did you mean forbid", id="near"),
        pytest.param('[[cpu]]\nop = "Rellu"\nwhy = "x"\n', 3, "unknown operator 'Rellu': did you mean Relu", id="op"),
        pytest.param('[[cpu]]\nop = 7\nwhy = "x"\n', 3, "'op' must be a string", id="type"),
        pytest.param('[[cpu]]\nop = "Relu"\nwhy = " "\n', 4, "'why' must be a string", id="blank"),
        pytest.param(FORBID + 'archs = [\n  "V68",\n  "V96",\n]\n', 8, "unknown arch 'V96': ", id="arch"),
        pytest.param(FORBID + 'archs = "V68"\n', 6, "'archs' must be a list of strings", id="list"),
        pytest.param(FORBID + 'socs = ["SM835"]\n', 6, "unknown SoC 'SM835': did you mean SM8350", id="soc"),
        pytest.param(FORBID + 'case = "rank44"\n', 6, "unknown case of Relu 'rank44'", id="case"),
        pytest.param(FORBID.replace('"u8 > u8"', '"u8 > u8",\n  "u8 > u88"'), 5, "unknown port code 'u88'", id="code"),
        pytest.param(FORBID.replace("u8 > u8", "u8 u8 > u8"), 4, "which has in[0] > out[0]", id="row"),
        pytest.param(FORBID.replace("u8 > u8", "u8"), 4, "is not a row of Relu", id="arrow"),
        pytest.param(FORBID.replace('["u8 > u8"]', "[]"), 4, "'rows' is empty or repeats itself", id="empty"),
        pytest.param(
            FORBID.replace("forbid", "allow").replace("u8 > u8", "* > u8"), 4, "unknown port code '*'", id="wild"
        ),
        pytest.param(FORBID + 'port = "in[0]"\ncodes = ["u8"]\n', 2, "either 'rows', or 'port'", id="either"),
        pytest.param(
            '[[forbid]]\nop = "Relu"\nport = "in[1]"\ncodes = ["u8"]\nwhy = "x"\n', 4, "unknown port of Relu", id="port"
        ),
        pytest.param('[[soc]]\nname = "SM8350"\nhtp_arch = "V68"\n', 3, "is known already", id="known soc"),
        pytest.param('[[soc]]\nname = "SM1"\nhtp_arch = "V67"\n', 4, "unknown HTP arch 'V67'", id="htp arch"),
        pytest.param(
            '[[soc]]\nname = "SM1"\nhtp_arch = "V68"\nlike = "SM8750"\n', 5, "SM8750 has HTP arch V79", id="like"
        ),
        pytest.param(
            '[[fixed]]\nop = "Relu"\nport = "out[0]"\ncode = "u8"\nscale = 1\nzero_point = 300\nwhy = "x"\n',
            7,
            "within 0 .. 255",
            id="zero point",
        ),
        pytest.param(
            '[[fixed]]\nop = "Relu"\nport = "out[0]"\ncode = "u8"\nscale = -1.0\nzero_point = 0\nwhy = "x"\n',
            6,
            "positive",
            id="scale",
        ),
        pytest.param(
            '[[fixed]]\nop = "Relu"\nport = "out[0]"\ncode = "s8c"\nfree = true\nwhy = "x"\n',
            5,
            "no single scale",
            id="s8c",
        ),
        pytest.param(
            '[[fixed]]\nop = "Relu"\nport = "out[0]"\ncode = "u8"\nscale = 1.0\nwhy = "x"\n',
            2,
            "'zero_point'",
            id="half",
        ),
        pytest.param(
            '[[op]]\nname = "Relu"\ninputs = ["in[0]"]\noutputs = ["out[0]"]\nwhy = "x"\n',
            3,
            "known already",
            id="known op",
        ),
        pytest.param(
            '[[op]]\nname = "My"\ninputs = ["x"]\noutputs = ["out[0]"]\nwhy = "x"\n',
            4,
            "is called in[0]",
            id="port name",
        ),
        pytest.param("cpu = 3\n", 2, "write [[cpu]]", id="no table"),
    ],
)
def test_a_mistake_is_one_line_with_its_number(tmp_path: Path, text: str, line: int, what: str) -> None:
    with pytest.raises(FactsError) as caught:
        read(tmp_path, text)
    assert what in str(caught.value)
    assert f"mine.toml:{line}: " in str(caught.value)
    assert caught.value.line == line
    assert "\n" not in str(caught.value)


def test_what_is_no_facts_file_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    with pytest.raises(FactsError, match="cannot be read"):
        read_user_facts([path])
    path.write_text("[[cpu]\n")
    with pytest.raises(FactsError, match=r"not TOML: .*line 1"):
        read_user_facts([path])
    path.write_text("format = 2\n")
    with pytest.raises(FactsError, match=r"mine[.]toml:1: needs format = 1"):
        read_user_facts([path])


def test_every_key_and_element_has_its_line() -> None:
    text = "\n".join(
        [
            "format = 1  # [[not]] a table",
            "[[a]]",
            'x = """',
            "[[b]]",
            'y = 1"""',
            "rows = [ # one, two",
            '  "p, q", "r",',
            "  '#s',",
            "]",
            "[[a]]",
            "p.q = { u = [1, 2], v = 3 }",
            '"z z" = "]"',
            "[c.d]",
            "e = 2",
        ]
    )
    assert dict(lines_of(text)) == {
        ("format",): 1,
        ("a",): 2,
        ("a", 0): 2,
        ("a", 0, "x"): 3,
        ("a", 0, "rows"): 6,
        ("a", 0, "rows", 0): 7,
        ("a", 0, "rows", 1): 7,
        ("a", 0, "rows", 2): 8,
        ("a", 1): 10,
        ("a", 1, "p", "q"): 11,
        ("a", 1, "z z"): 12,
        ("c", "d"): 13,
        ("c", "d", "e"): 14,
    }


def test_without_files_the_facts_of_a_chip_are_one_object(tmp_path: Path) -> None:
    """Else each solve of a process looks up anew what every operator accepts."""
    assert facts(read_user_facts([])) is facts(read_user_facts([]))
    own = read(tmp_path, '[[cpu]]\nop = "Conv2d"\nwhy = "drifts"\n')
    assert facts(own) is not facts(read_user_facts([]))
