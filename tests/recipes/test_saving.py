"""What a solve chose, as a recipe: it gives the same config again, also to a model that was changed."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import torch
import yaml
from executorch.backends.qualcomm.quantizer.quantizer import QuantDtype
from torch import nn
from torchao.quantization.pt2e import HistogramObserver, MinMaxObserver
from torchao.quantization.pt2e.quantize_pt2e import prepare_pt2e

from qnnsolve import SolveQuantizer, load_run, save_recipe, solve
from qnnsolve.errors import UnsatisfiableError, UsageError
from qnnsolve.results import SolveResult
from tests.nets import Attention, ConvNet, seeded
from tests.recipes.test_reading import SCHEMA


class Sums(nn.Module):
    """Sums at the top, two blocks and a head."""

    def __init__(self, stem: bool = False, head: int = 4, deeper: bool = False) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(8, 8), nn.Sequential(nn.Linear(8, 8), nn.LayerNorm(8))
        self.head = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, head)) if deeper else nn.Linear(8, head)
        self.stem = stem

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + 1.5 if self.stem else x
        x = x + self.first(x)
        x = torch.relu(x) + self.second(x)
        out: torch.Tensor = self.head(x)
        return out


class WithStem(Sums):
    def __init__(self) -> None:
        super().__init__(stem=True)


class WithHead(Sums):
    def __init__(self) -> None:
        super().__init__(head=10, deeper=True)


class Halves(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        one, other = torch.split(x, 4, -1)
        out: torch.Tensor = torch.relu(one) * other
        return out


ROW, TOKENS, IMAGE = torch.randn(2, 8), torch.randn(1, 4, 16), torch.randn(1, 3, 16, 16)
MIX: dict[str, Any] = {"precision": "16a8w", "prefer": ["second=8a", "first@weight=4w"]}


def config(result: SolveResult) -> list[object]:
    encodings = [(n.name, n.inputs, n.output, n.placement) for n in result.nodes]
    return [*encodings, *((c.producer, c.user, c.source, c.target) for c in result.converts)]


CASES = [
    (Sums, ROW, MIX),
    (Sums, ROW, {"precision": "8a8w", "pin": ["op:aten.relu=cpu", "first@out=u8=0.05:128"]}),
    (Sums, ROW, {"precision": "8a8w", "prefer": ["*=eps=1e-05,observer=MinMaxObserver"]}),
    (ConvNet, IMAGE, {"precision": "16a4w_block", "block_size": 8}),
    (Attention, TOKENS, {"precision": "16a16w", "soc": "SM8350"}),
    (Attention, TOKENS, {"precision": "fp16a8w", "soc": "SM8350"}),
    (Halves, ROW, {"precision": "16a8w", "prefer": ["op:aten.mul=8a"]}),
]


@pytest.mark.parametrize(("net", "sample", "asked"), CASES)
@pytest.mark.parametrize("suffix", [".yaml", ".toml", ".json"])
def test_a_saved_recipe_gives_the_same_config_and_is_saved_as_the_same_bytes(
    tmp_path: Path, net: type[nn.Module], sample: torch.Tensor, asked: dict[str, Any], suffix: str
) -> None:
    one, other = tmp_path / f"one{suffix}", tmp_path / f"other{suffix}"
    before = solve(seeded(net), (sample,), strict=False, save_recipe=one, **asked)
    soc = asked.get("soc", "SM8750")
    again = solve(seeded(net), (sample,), strict=False, soc=soc, recipe=one, save_recipe=other)
    assert config(again) == config(before)
    assert other.read_bytes() == one.read_bytes()
    assert again.precision == before.precision
    assert not [note for note in again.notes if "recipe" in note]
    (told,) = again.wishes
    assert (told.words, told.missed) == (f"recipe {one}", 0) and told.kept > 3


def test_what_is_written_holds_to_the_schema(tmp_path: Path) -> None:
    readers: dict[str, Callable[[str], Any]] = {".yaml": yaml.safe_load, ".toml": tomllib.loads, ".json": json.loads}
    found = []
    for suffix, read in readers.items():
        path = tmp_path / f"r{suffix}"
        solve(seeded(Sums), (ROW,), save_recipe=path, model_name="sums", **MIX)
        found.append(read(path.read_text()))
        jsonschema.Draft202012Validator(SCHEMA).validate(found[-1])
    assert found[0] == found[1] == found[2]
    assert found[0]["about"]["model"] == "sums"


def by_place(result: SolveResult) -> list[tuple[str, str, list[str], str | None]]:
    """Of each op its target, its module and its encodings: what does not depend on names."""
    return [(n.target, n.module_path, [encoding for _, encoding in n.inputs], n.output) for n in result.nodes]


def test_a_new_head_leaves_the_rest_as_it_was_and_what_is_gone_is_named(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    before = solve(seeded(Sums), (ROW,), save_recipe=path, **MIX)
    with pytest.warns(UserWarning, match=r"1 of its nodes is not in the model"):
        after = solve(seeded(WithHead), (ROW,), recipe=path)
    body = len(before.nodes) - 1
    assert by_place(after)[:body] == by_place(before)[:body]
    gone = f"recipe {path}: 1 of its nodes is not in the model: linear_2 (aten.linear.default in head)"
    assert after.notes == (gone,)
    with pytest.warns(UserWarning, match=r"1 of its nodes is not in the model"):
        prepare_pt2e(
            torch.export.export(seeded(WithHead), (ROW,)).module(), SolveQuantizer("htp", "SM8750").load_recipe(path)
        )


def test_a_new_stem_shifts_every_name_and_yet_each_node_is_found(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    before = solve(seeded(Sums), (ROW,), save_recipe=path, **MIX)
    after = solve(seeded(WithStem), (ROW,), recipe=path)
    assert [n.name for n in after.nodes if "add" in n.target] == ["add", "add_1", "add_2"]
    assert by_place(after)[1:] == by_place(before)
    assert after.notes == ()


def test_a_saved_pin_that_another_chip_cannot_hold_is_a_conflict_or_given_up(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    solve(seeded(ConvNet), (IMAGE,), soc="SM8750", precision="16a16w", save_recipe=path)
    assert "s16" in path.read_text()
    strict = solve(seeded(ConvNet), (IMAGE,), soc="SM8450", recipe=path)
    assert strict.conflicts and "recipe" in strict.conflicts[0].text
    lenient = solve(seeded(ConvNet), (IMAGE,), soc="SM8450", recipe=path, strict=False)
    (told,) = lenient.wishes
    assert told.missed > 0 and told.kept > 0


def test_typed_wishes_count_over_a_recipe(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    solve(seeded(Sums), (ROW,), save_recipe=path, **MIX)
    result = solve(seeded(Sums), (ROW,), recipe=path, pin=["head=8a"])
    assert next(n for n in result.nodes if n.name == "linear_2").output == "u8"


def test_the_quantizer_takes_a_recipe_and_gives_one(tmp_path: Path) -> None:
    path, other = tmp_path / "r.yaml", tmp_path / "other.yaml"
    first = solve(seeded(Sums), (ROW,), save_recipe=path, **MIX)
    quantizer = SolveQuantizer("htp", "SM8750").load_recipe(path)
    prepare_pt2e(torch.export.export(seeded(Sums), (ROW,)).module(), quantizer)
    assert quantizer.result is not None and config(quantizer.result) == config(first)
    save_recipe(other, quantizer.solved, model="Sums")
    assert other.read_bytes() == path.read_bytes()


def test_an_observer_of_a_script_is_said_to_be_left_out(tmp_path: Path) -> None:
    class Mine(MinMaxObserver):  # type: ignore[misc]  # torchao ships no types
        pass

    path = tmp_path / "r.yaml"
    for observer, said in ((Mine, None), (HistogramObserver, "HistogramObserver")):
        quantizer = SolveQuantizer("htp", "SM8750")
        quantizer.set_default_quant_config(QuantDtype.use_16a8w, act_observer=observer)
        prepare_pt2e(torch.export.export(seeded(Sums), (ROW,)).module(), quantizer)
        save_recipe(path, quantizer.solved)
        read = yaml.safe_load(path.read_text())
        assert ("observer=HistogramObserver" in path.read_text()) == (said is not None)
        assert read["about"].get("left out") == (None if said else "observers: Mine of the script")
        assert read["wishes"] == [{"where": "*", "prefer": "tensor"}]


def test_a_kept_run_gives_its_recipe_without_torch(tmp_path: Path) -> None:
    path, run, other = tmp_path / "r.yaml", tmp_path / "m.qnn", tmp_path / "other.yaml"
    solve(seeded(Sums), (ROW,), save=run, save_recipe=path, model_name="m", **MIX)
    code = (
        "import sys; from qnnsolve import load_run, save_recipe; "
        f"save_recipe({str(other)!r}, load_run({str(run)!r}), model='m'); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert other.read_bytes() == path.read_bytes()
    again, target = tmp_path / "again.qnn", tmp_path / "again.yaml"
    solve(seeded(Sums), (ROW,), recipe=path, save=again)
    save_recipe(target, load_run(again), model="m")
    assert target.read_bytes() == path.read_bytes()


def test_nothing_is_written_where_there_is_no_solution(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("earlier")
    quantizer = SolveQuantizer("htp", "SM8450", precision="16a8w").wish("classify=16w", pin=True)
    with pytest.raises(UnsatisfiableError):
        prepare_pt2e(torch.export.export(seeded(ConvNet), (IMAGE,)).module(), quantizer)
    with pytest.raises(UsageError, match="there is no solution to save"):
        save_recipe(path, quantizer.solved)
    result = solve(seeded(ConvNet), (IMAGE,), soc="SM8450", precision="16a8w", pin="classify=16w", save_recipe=path)
    assert result.conflicts and path.read_text() == "earlier"


@pytest.mark.parametrize(
    ("name", "line"),
    [("r.txt", "a recipe's name ends with"), ("no/r.yaml", "does not exist"), (".", "is a folder")],
)
def test_a_place_for_a_recipe_that_cannot_be_is_refused_before_any_work(tmp_path: Path, name: str, line: str) -> None:
    with pytest.raises(UsageError, match=line):
        solve(nn.Identity(), (ROW,), save_recipe=tmp_path / name)


def test_a_recipe_is_not_written_over_what_is_read(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("format: 1\n")
    with pytest.raises(UsageError, match="is a recipe"):
        solve(nn.Identity(), (ROW,), recipe=path, save_recipe=path)
