"""A ``.pt2`` is data: every way in which torch would run what is in one is shut."""

from __future__ import annotations

import contextlib
import io
import json
import pickle
import sys
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.hostile.archives import Change, Graph, load, refusal, setting
from tests.hostile.tampering import CONSTANTS, MODEL, SAMPLES, WEIGHTS, Marker, archive, edited, members, zipped

CODE = "__import__('pathlib').Path('ran').touch()"
"""What a file tries to run."""


@pytest.fixture(scope="module")
def good() -> bytes:
    return archive()


@pytest.fixture(autouse=True)
def canary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "canary_module", raising=False)
    (tmp_path / "canary_module.py").write_text("from pathlib import Path\nPath('ran').touch()\n")
    return tmp_path / "ran"


def test_what_torch_wrote_is_read_whole(good: bytes) -> None:
    loaded = load(good)
    theirs = torch.export.load(io.BytesIO(good))
    assert isinstance(loaded.model, torch.export.ExportedProgram)
    assert str(loaded.model.graph) == str(theirs.graph)
    assert loaded.model.state_dict.keys() == theirs.state_dict.keys()
    assert loaded.varying == (frozenset({0}),)
    assert {str(node.meta.get("nn_module_stack")) for node in loaded.model.graph.nodes} == {
        str(node.meta.get("nn_module_stack")) for node in theirs.graph.nodes
    }
    sample = torch.randn(6, 4)
    wanted, found = theirs.module()(sample), loaded.model.module()(sample)
    assert all(torch.equal(found[key], wanted[key]) for key in wanted)


def renamed(old: str, new: str) -> Change:
    def change(graph: Graph) -> None:
        text = json.dumps(graph).replace(json.dumps(old), json.dumps(new))
        graph.clear()
        graph.update(json.loads(text))

    return change


def tree(kind: str, context: Any) -> str:
    leaf: dict[str, Any] = {"type": None, "context": None, "children_spec": []}
    return json.dumps([1, {"type": kind, "context": context, "children_spec": [leaf]}])


DEFAULTDICT = {"default_factory_module": "canary_module", "default_factory_name": "Path", "dict_context": ["a"]}
ENUM = json.dumps([{"__enum__": True, "fqn": "canary_module:Path", "name": "a"}])
RUN_BY_TORCH: dict[str, tuple[Change, str]] = {
    "size": (setting("expr_str", f"{CODE} or Symbol('s77')"), "it could run code"),
    "size in the name of a symbol": (setting("expr_str", f"Symbol(str({CODE}))"), "it could run code"),
    "name of an input": (renamed("x", f"x: {CODE}"), "has a name"),
    "tree that imports": (setting("in_spec", tree("collections.defaultdict", DEFAULTDICT)), "has a tree"),
    "tree with an enum": (setting("out_spec", tree("builtins.dict", ENUM)), "with keys"),
    "weight with a quote": (renamed("linear.weight", f'w"), {CODE}, getattr(self, "'), "has a path"),
    "input by keyword": (setting("in_spec", tree("builtins.dict", json.dumps([f'"{CODE}']))), "has a path"),
}  # fmt: skip


@pytest.mark.parametrize("way", RUN_BY_TORCH)
def test_the_json_runs_nothing(way: str, good: bytes, canary: Path) -> None:
    change, why = RUN_BY_TORCH[way]
    assert why in refusal(edited(good, MODEL, change))
    assert not canary.exists()


@pytest.mark.parametrize("way", ["size", "tree that imports", "tree with an enum"])
def test_torch_alone_would_run_it(way: str, good: bytes, canary: Path) -> None:
    """The files above are real attacks, not damaged files."""
    with contextlib.suppress(Exception), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.load(io.BytesIO(edited(good, MODEL, RUN_BY_TORCH[way][0]))).module()
    assert canary.exists()


@pytest.mark.parametrize(
    "target",
    [
        "torch.os.system",
        "torch.hub.load",
        "torch.ops.load_library",
        "torch.ops.aten.from_file.default",
        "torch.ops.aten.save.default",
        "torch.ops.aten.add.__class__",
        "torch.ops.inductor.resize_storage_bytes_.default",
        "_operator.methodcaller",
        "math.__loader__",
        "os.system",
        "#namespace:op",
    ],
)
def test_only_operators_are_called(target: str, good: bytes) -> None:
    assert f"calls {target}"[:60] in refusal(edited(good, MODEL, setting("target", target, at=1)))
    argument = setting("arg", {"as_operator": target})
    assert "calls" in refusal(edited(good, MODEL, argument))


def test_guards_are_not_loaded(good: bytes, canary: Path) -> None:
    loaded = load(edited(good, MODEL, setting("guards_code", [f"{CODE} is None"])))
    assert isinstance(loaded.model, torch.export.ExportedProgram)
    loaded.model.module()(torch.zeros(6, 4))
    assert not canary.exists()


@pytest.mark.parametrize(
    "name",
    [
        "data/constants/opaque_obj_0",
        "data/constants/custom_obj_0",
        "data/constants/opaque_obj_0/p",
        "data/constants/OPAQUE_OBJ_0",
        "data/Constants/opaque_obj_0",
        "data/constants/x/../opaque_obj_0",
        "data/constants/opaque_obj_0\\p",
    ],
)
def test_no_pickled_object_is_loaded(name: str, good: bytes, canary: Path) -> None:
    content = members(good)
    config = json.loads(content[CONSTANTS])
    entry = next(iter(config["config"].values()))
    config["config"]["object"] = {**entry, "path_name": name.rpartition("onstants/")[2], "use_pickle": True}
    content[CONSTANTS] = json.dumps(config).encode()
    content[name] = pickle.dumps(Marker(canary))
    assert "pickled Python objects" in refusal(zipped(content))
    assert not canary.exists()


@pytest.mark.parametrize("place", ["weight", "samples", "constant elsewhere"])
def test_pickles_hold_tensors_only(place: str, good: bytes, canary: Path) -> None:
    content = members(good)
    payload = io.BytesIO()
    torch.save(Marker(canary), payload)
    if place == "samples":
        content[SAMPLES] = payload.getvalue()
    else:
        config = json.loads(content[WEIGHTS])
        entry = next(iter(config["config"].values()))
        entry["use_pickle"] = True
        if place == "weight":
            content[f"data/weights/{entry['path_name']}"] = payload.getvalue()
        else:
            entry["path_name"] = "../../extra/weight_0"
            content["extra/weight_0"] = payload.getvalue()
        content[WEIGHTS] = json.dumps(config).encode()
    refusal(zipped(content))
    assert not canary.exists()


@pytest.mark.parametrize(
    "name",
    [
        "data/aotinductor/m/m.so",
        "data/AOTInductor/m/m.wrapper.so",
        "data/aotinductor/../../../../outside.so",
        "data\\aotinductor\\m.so",
        "extra/lib.so",
    ],
)
def test_no_library_is_loaded_or_unpacked(name: str, good: bytes, tmp_path: Path) -> None:
    before = {path.name for path in tmp_path.parent.iterdir()}
    assert "carries compiled code" in refusal(zipped({**members(good), name: b"\x7fELF"}))
    assert {path.name for path in tmp_path.parent.iterdir()} == before


@pytest.mark.parametrize(
    "name", ["data/other/x", "/etc/x", "data/weights/../x", "models/sub/x.json", "weights/weight_0"]
)
def test_members_that_torch_does_not_write(name: str, good: bytes) -> None:
    assert "does not write" in refusal(zipped({**members(good), name: b"x"}))


def test_two_members_of_one_name(good: bytes) -> None:
    assert "two members" in refusal(zipped({**members(good), "Models/model.json": b"{}", "models/MODEL.json": b"{}"}))
    stream = io.BytesIO(good)
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(stream, "a") as again:
        again.writestr(again.namelist()[0], b"x")
    assert "two members" in refusal(stream.getvalue())


def test_other_programs_and_notes_are_left_out(good: bytes) -> None:
    loaded = load(zipped({**members(good), "models/other.json": b"not JSON", "extra/note.txt": b"hello"}))
    assert loaded.input_names == ("x",)
    content = members(good)
    content["models/decode.json"] = content.pop(MODEL)
    assert "no program called model, but models/decode.json" in refusal(zipped(content))


def test_the_checks_cover_torchs_schema() -> None:
    """Every string and every mapping of torch's own schema has its check; a new one fails here before it is read."""
    import dataclasses
    import typing

    from torch._export.serde import schema

    from qnnsolve.models.fields import EMPTIED, KEPT_KEYS, KEYS, STRINGS

    def kinds(hint: Any) -> Iterator[Any]:
        yield typing.get_origin(hint) or hint
        for each in typing.get_args(hint):
            yield from kinds(each)

    reached: set[type] = set()
    todo: list[Any] = [schema.ExportedProgram, schema.PayloadConfig]
    strings, mappings = set(), set()
    while todo:
        kind = todo.pop()
        if kind in reached:
            continue
        reached.add(kind)
        for name, hint in typing.get_type_hints(kind, globalns=vars(schema)).items():
            found = [each for each in kinds(hint) if each is not type(None)]
            todo += [each for each in found if dataclasses.is_dataclass(each)]
            if dict in found:
                mappings.add(f"{kind.__name__}.{name}")
                found.remove(str)
            if str in found:
                strings.add(f"{kind.__name__}.{name}")
    assert strings - set(EMPTIED) == set(STRINGS)
    assert mappings == set(KEYS) | set(KEPT_KEYS)
