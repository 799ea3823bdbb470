"""Every kind of file that is read: a genuine one, how it is changed, and how it is read."""

from __future__ import annotations

import contextlib
import io
import json
import random
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import attrs
import numpy as np
import torch
from torch import nn

from qnnsolve import cli
from qnnsolve.facts.table_reading import load_table
from qnnsolve.facts.table_writing import dump_table
from qnnsolve.facts.tables import shipped_tables
from qnnsolve.facts.user_file import read_user_facts
from qnnsolve.models.files import LoadedModel, load_model
from qnnsolve.models.locating import FileRef
from qnnsolve.models.samples import calibration_samples
from qnnsolve.models.tracing import exported
from qnnsolve.pipeline import solve
from qnnsolve.recipes import read_recipes
from qnnsolve.runs import load_run
from tests.hostile.mutating import of_archive, of_bytes, of_json_text, of_text
from tests.hostile.tampering import archive

__all__ = ["Kind", "kinds"]

FACTS = """format = 1
[[forbid]]
op = "Softmax"
port = "out[0]"
codes = ["u8"]
why = "x"
[[fixed]]
op = "Softmax"
port = "out[0]"
code = "u8"
scale = 0.00390625
zero_point = 0
why = "y"
"""
RECIPE = """format: 1
precision: 16a4w_block
block_size: 16
wishes:
- where: "*"
  prefer: affine
- where: linear@weight
  pin: 8w,channel
- {where: head, pin: cpu, optional: true}
nodes:
- node: linear
  op: aten.linear.default
  module: linear
  pin: {out: u8, "in[1]": float}
"""
RECIPE_TOML = """format = 1
precision = "16a4w_block"
wishes = [{ where = "*", prefer = "affine" }, { where = "linear@weight", pin = "8w,channel" }]
[[nodes]]
node = "linear"
op = "aten.linear.default"
pin = { out = "u8", "in[1]" = "float" }
"""
RECIPE_JSON = {
    "format": 1,
    "wishes": [{"where": "re:lin.*", "pin": "16a8w"}],
    "nodes": [{"node": "linear", "op": "aten.linear.default", "pin": "cpu"}],
}


@attrs.frozen(eq=False)
class Kind:
    """One kind of file; it is drawn ``weight`` times as often as others."""

    name: str
    genuine: bytes
    mutate: Callable[[bytes, random.Random], bytes]
    read: Callable[[Path], object]
    weight: int = 4


def _read_model(path: Path) -> None:
    loaded = load_model(FileRef(path.name, path))
    if loaded.example_inputs is not None:
        exported(loaded.model, loaded.example_inputs)


def _read_samples(path: Path) -> None:
    calibration_samples(LoadedModel("m", nn.ReLU(), (torch.zeros(2, 3),), ("x",)), FileRef(path.name, path))


def _command(*options: str) -> Callable[[Path], None]:
    """Reads the file as a whole command does, ``FILE`` among its options; fails where a bug is reported."""

    def read(path: Path) -> None:
        typed = ["solve", *(option.replace("FILE", str(path)) for option in options), "--soc", "SM8750"]
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = cli.main(typed)
        said = err.getvalue()
        assert code in (0, 1, 2, 3), f"exit code {code}: {said[:2_000]}"
        assert said.count("\n") == (1 if code else 0) and len(said) < 2_000, said[:2_000]

    return read


def _kept_run() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "run.qnn")
        solve(nn.ReLU(), (torch.zeros(2, 3),), save=path)
        return path.read_bytes()


def kinds(model: Path) -> Mapping[str, Kind]:
    """By a name for each; ``model`` is a genuine file beside, for commands that need one."""
    pt, npz = io.BytesIO(), io.BytesIO()
    torch.save([(torch.zeros(2, 3),), {"x": torch.ones(2, 3)}], pt)
    np.savez(npz, x=np.zeros((4, 3), np.float32))
    table = dump_table(shipped_tables("htp")["Softmax"]).encode()
    recipe = json.dumps(RECIPE_JSON).encode()
    net, toml, yaml = archive(), FACTS.encode(), RECIPE.encode()
    return {
        "model": Kind("m.pt2", net, of_archive, _read_model, 12),
        "tensors": Kind("x.pt", pt.getvalue(), of_bytes, _read_samples),
        "arrays": Kind("x.npz", npz.getvalue(), of_bytes, _read_samples),
        "facts": Kind("facts.toml", toml, of_text, lambda path: read_user_facts([path])),
        "table": Kind("Softmax.json", table, of_json_text, load_table),
        "run": Kind("run.qnn", _kept_run(), of_bytes, load_run),
        "recipe": Kind("r.yaml", yaml, of_text, read_recipes),
        "recipe in TOML": Kind("r.toml", RECIPE_TOML.encode(), of_text, read_recipes),
        "recipe in JSON": Kind("r.json", recipe, of_json_text, read_recipes),
        "model, by the command": Kind("m.pt2", net, of_archive, _command("FILE"), 2),
        "facts, by the command": Kind("facts.toml", toml, of_text, _command(str(model), "--facts", "FILE"), 1),
        "recipe, by the command": Kind("r.yaml", yaml, of_text, _command(str(model), "--recipe", "FILE"), 1),
    }
