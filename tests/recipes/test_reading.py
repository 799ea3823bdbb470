"""Recipes as people write them: what they come to, and what is refused, with its line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from qnnsolve.encodings import FLOAT, Encoding
from qnnsolve.errors import RecipeError
from qnnsolve.recipes import Recipe, read_recipes
from qnnsolve.recipes.form import _ENTRIES, _TOP
from qnnsolve.rules.alike import identity_of
from qnnsolve.rules.wishes import By, Strength, What, Where

SCHEMA = json.loads((Path(__file__).parents[2] / "qnnsolve" / "schema" / "recipe-1.json").read_text())

YAML = """\
format: 1
precision: 16a4w_block
block_size: 16
wishes:
- where: "*"
  prefer: affine
- where: layers.0@weight
  pin: 8w,channel
- {where: head, pin: cpu, optional: true}
nodes:
- node: add_1
  op: aten.add.Tensor
  module: layers.0
  pin: {out: u8, "in[1]": float, "out[1]": "s8[-128..127],eps=1e-06"}
- {node: gelu, op: aten.gelu.default, pin: cpu}
"""
TOML = """\
format = 1
precision = "16a4w_block"
block_size = 16
wishes = [
  { where = "*", prefer = "affine" },
  { where = "layers.0@weight", pin = "8w,channel" },
  { where = "head", pin = "cpu", optional = true },
]

[[nodes]]
node = "add_1"
op = "aten.add.Tensor"
module = "layers.0"
pin = { out = "u8", "in[1]" = "float", "out[1]" = "s8[-128..127],eps=1e-06" }

[[nodes]]
node = "gelu"
op = "aten.gelu.default"
pin = "cpu"
"""


def read(tmp_path: Path, text: str, name: str = "r.yaml") -> Recipe:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read_recipes(path)


def bare(recipe: Recipe) -> list[tuple[Where, What, Strength, bool]]:
    return [(wish.where, wish.what, wish.strength, wish.may_miss) for wish in recipe.wishes]


def test_the_three_syntaxes_say_the_same(tmp_path: Path) -> None:
    import yaml

    one = read(tmp_path, YAML)
    others = [read(tmp_path, TOML, "r.toml"), read(tmp_path, json.dumps(yaml.safe_load(YAML)), "r.json")]
    for other in others:
        assert (bare(other), other.precision, other.block_size) == (bare(one), "16a4w_block", 16)
    jsonschema.Draft202012Validator(SCHEMA).validate(yaml.safe_load(YAML))


def test_wishes_and_nodes_become_wishes_in_the_words_of_the_file(tmp_path: Path) -> None:
    recipe = read(tmp_path, YAML)
    path = tmp_path / "r.yaml"
    assert recipe.wishes[1].words == f"recipe {path}:7"
    assert recipe.wishes[1].where == Where(By.ANY, "layers.0", "weight")
    assert [wish.may_miss for wish in recipe.wishes[:3]] == [False, False, True]
    add, gelu = identity_of("add_1", "aten.add.Tensor", "layers.0"), identity_of("gelu", "aten.gelu.default", "")
    had = {(wish.where.key, wish.where.port): wish.what for wish in recipe.wishes[3:]}
    assert had == {
        (add, "out"): What(encoding=Encoding.of_name("u8")),
        (add, "in[1]"): What(encoding=FLOAT),
        (add, "out[1]"): What(encoding=Encoding.of_name("s8[-128..127]"), eps=1e-06),
        (gelu, ""): What(cpu=True),
    }
    assert {wish.told_as for wish in recipe.wishes[3:]} == {f"recipe {path}"}


def test_a_later_recipe_counts_over_an_earlier_one(tmp_path: Path) -> None:
    one, other = tmp_path / "one.yaml", tmp_path / "other.json"
    one.write_text('format: 1\nprecision: 8a8w\nwishes: [{where: "*", pin: 16a}]\n')
    other.write_text('{"format": 1, "precision": "16a8w", "wishes": [{"where": "*", "pin": "8a"}]}')
    recipe = read_recipes([one, other])
    assert (recipe.precision, [wish.what.activation for wish in recipe.wishes]) == ("16a8w", [16, 8])
    assert recipe.paths == (str(one), str(other))


def test_the_schema_and_the_reader_know_the_same_keys() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert set(SCHEMA["properties"]) == set(_TOP)
    for section, keys in _ENTRIES.items():
        assert set(SCHEMA["properties"][section]["items"]["properties"]) == set(keys)


HEAD = "format: 1\nwishes:\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", ": is no recipe"),
        ("- 1\n", ":1: is no recipe"),
        ("precision: 8a8w\n", ":1: needs format: 1"),
        ("format: 2\n", ":1: needs format: 1"),
        ("format: 1\nprecison: 8a8w\n", ":2: unknown key 'precison': did you mean precision"),
        ("format: 1\nprecision: 16a9w\n", ":2: unknown precision '16a9w': did you mean 16a"),
        ("format: 1\nprecision: 8\n", ":2: 'precision' must be text; put it between quotes"),
        ("format: 1\nblock_size: 0\n", ":2: 'block_size' must be 1 or more"),
        ("format: 1\nblock_size: true\n", ":2: 'block_size' must be a whole number"),
        ("format: 1\nwishes: 16a\n", ":2: 'wishes' must be a list"),
        (HEAD + "- conv=16a\n", ":3: an entry of wishes must be a mapping"),
        (HEAD + "- pin: 16a\n", ":3: an entry of wishes needs 'where'"),
        (HEAD + "- where: conv\n", ":3: an entry of wishes has either 'pin' or 'prefer'"),
        (HEAD + "- {where: conv, pin: 8a, prefer: 16a}\n", ":3: an entry of wishes has either"),
        (HEAD + "- where: conv\n  pinn: 16a\n", ":4: unknown key in wishes 'pinn': did you mean pin"),
        (HEAD + "- where: conv\n  pin: 17a\n", ":3: unknown wish '17a': did you mean 16a"),
        (HEAD + "- where: conv@bottom\n  pin: 16a\n", ":3: a port is weight, out, or in[0]"),
        (HEAD + "- where: conv\n  prefer: cpu\n", ":3: nothing prefers the CPU"),
        (
            HEAD + "- where: *\n  pin: 16a\n",
            ":3: is not YAML: did not find expected alphabetic or numeric character; a '*' by itself goes",
        ),
        (HEAD + "- where: conv\n  where: conv\n  pin: 16a\n", ":4: 'where' stands there twice"),
        (HEAD + "- &a {where: conv, pin: 16a}\n- *a\n", ":4: an alias (*name) is not for recipes"),
        (HEAD + "- where: !!python/name:os.system x\n", ":3: is not YAML: "),
        ("format: 1\nnodes:\n- {node: a, op: b, pin: {inn: u8}}\n", ":3: a port is weight, out"),
        ("format: 1\nnodes:\n- {node: a, op: b, pin: {out: u9}}\n", ":3: unknown wish 'u9'"),
        ("format: 1\nnodes:\n- {node: a, op: b, pin: {out: 8}}\n", ":3: 'out' must be text"),
        ("format: 1\nnodes:\n- {node: a, op: b, pin: {out: cpu}}\n", ":3: 'cpu' is for a whole node, and a pin"),
        ("format: 1\nnodes:\n- {node: a, op: b, prefer: cpu}\n", ":3: 'cpu' is for a whole node, and a pin"),
        ("format: 1\nnodes:\n- {op: b, pin: cpu}\n", ":3: an entry of nodes needs 'node'"),
        ("format: 1\nwishes: " + "[" * 500 + "]" * 500, ":2: is nested too deeply"),
        ("format: 1\nwishes: " + "[" * 100_000, ":2: is nested too deeply"),
        ("format: [1\n", ":2: is not YAML: "),
        ("format: 1\x00\n", ": is not YAML: "),
    ],
)
def test_what_is_no_recipe_is_refused_with_its_line(tmp_path: Path, text: str, line: str) -> None:
    with pytest.raises(RecipeError) as raised:
        read(tmp_path, text)
    assert str(raised.value).startswith(f"recipe {tmp_path / 'r.yaml'}{line}")
    assert len(str(raised.value).splitlines()) == 1
    assert raised.value.exit_code == 2


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("r.toml", "format = 1\nwishes = [{where = 'a', pin = '17a'}]\n", ":2: unknown wish '17a'"),
        ("r.toml", "format = \n", ": is not TOML: "),
        ("r.json", '{"format": 1,\n "precision": "8a9w"}', ":2: unknown precision '8a9w'"),
        ("r.json", '{"format": 1,\n "format": 1}', ": 'format' stands there twice"),
        ("r.json", '{"format": 1,\n', ":2: is not JSON: "),
        ("r.json", "9" * 6000, ": is not JSON: "),
        ("r.txt", "format: 1", ": a recipe's name ends with .yaml, .yml, .toml, .json, not '.txt'"),
    ],
)
def test_the_other_syntaxes_are_refused_as_well(tmp_path: Path, name: str, text: str, line: str) -> None:
    with pytest.raises(RecipeError) as raised:
        read(tmp_path, text, name)
    assert str(raised.value).startswith(f"recipe {tmp_path / name}{line}")


def test_a_file_that_cannot_be_read_is_named_and_the_nearest_one(tmp_path: Path) -> None:
    (tmp_path / "attention.yaml").write_text("format: 1\n")
    with pytest.raises(RecipeError, match=r"atention.yaml: cannot be read: .*; did you mean attention.yaml\?"):
        read_recipes(tmp_path / "atention.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"format: 1 # \xff\n")
    with pytest.raises(RecipeError, match=r"latin.yaml: cannot be read: 'utf-8' codec"):
        read_recipes(tmp_path / "latin.yaml")
    (tmp_path / "folder.yaml").mkdir()
    with pytest.raises(RecipeError, match=r"folder.yaml: cannot be read: Is a directory"):
        read_recipes(tmp_path / "folder.yaml")


def test_a_list_as_where_is_said_to_be_no_text(tmp_path: Path) -> None:
    given: dict[str, Any] = {"format": 1, "wishes": [{"where": ["a"], "pin": "16a"}]}
    with pytest.raises(RecipeError, match=r"'where' must be text$"):
        read(tmp_path, json.dumps(given), "r.json")
