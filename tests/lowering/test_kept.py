"""Programs that were compiled before: taken where nothing has changed, and only there."""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.fx import GraphModule

from qnnsolve.errors import UsageError
from qnnsolve.host import child
from qnnsolve.lowering.kept import VARIABLE, KeptPrograms, key_of
from qnnsolve.lowering.lower import lower
from tests.nets import ConvNet, images, seeded

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # torch 2.13 copies its own specs

ANSWER: dict[str, Any] = {"delegates": 1, "cpu_ops": [], "missing": [], "calls": []}


def graph_of(module: torch.nn.Module) -> GraphModule:
    graph = torch.export.export(module, images(1)[0]).module()
    assert isinstance(graph, GraphModule)
    return graph


@pytest.fixture
def net() -> GraphModule:
    return graph_of(seeded(ConvNet))


def key(net: GraphModule, **changed: Any) -> str | None:
    given: dict[str, Any] = {
        "inputs": images(1)[0],
        "soc": "SM8750",
        "fp16": False,
        "cpu_nodes": frozenset[str](),
    } | changed
    inputs = given.pop("inputs")
    return key_of(net, inputs, **given)


def test_the_same_graph_has_the_same_key(net: GraphModule) -> None:
    assert key(net) is not None
    assert key(net) == key(graph_of(seeded(ConvNet))) == key(copy.deepcopy(net))


def test_whatever_a_program_depends_on_changes_the_key(net: GraphModule, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [key(net), key(net, soc="SM8650"), key(net, fp16=True), key(net, cpu_nodes=frozenset({"relu"}))]
    keys.append(key(net, inputs=tuple(each + 1 for each in images(1)[0])))
    weight = copy.deepcopy(net)
    with torch.no_grad():
        next(iter(weight.parameters())).flatten()[-1] += 1e-3
    argument = copy.deepcopy(net)
    conv = next(node for node in argument.graph.nodes if "conv" in node.name and node.op == "call_function")
    conv.kwargs = {"groups": 1}
    marked = copy.deepcopy(net)
    next(node for node in marked.graph.nodes if node.op == "call_function").meta["custom"] = {"at": 1}
    keys += [key(weight), key(argument), key(marked)]
    monkeypatch.setenv("QNN_LOG", "1")
    keys.append(key(net))
    assert None not in keys and len(set(keys)) == len(keys)


def test_what_has_no_content_to_hash_has_no_key(net: GraphModule) -> None:
    first = next(node for node in net.graph.nodes if node.op == "call_function")
    net.add_module("other", torch.nn.Identity())
    with net.graph.inserting_after(first):
        called = net.graph.call_module("other", (first,))
    first.replace_all_uses_with(called, lambda user: user is not called)
    assert key(net) is None


def test_a_program_is_compiled_once(net: GraphModule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def run(_module: str, job: dict[str, Any], *_args: Any, **_named: Any) -> dict[str, Any]:
        made.append(job["soc"])
        Path(job["pte"]).write_bytes(b"program\n of " + job["soc"].encode())
        return ANSWER

    monkeypatch.setattr(child, "run", run)
    kept = KeptPrograms(tmp_path / "kept")
    for soc, again in (("SM8750", False), ("SM8650", False), ("SM8750", True), ("SM8650", True)):
        out = tmp_path / "model.pte"
        lowered = lower(net, images(1)[0], soc=soc, fp16=False, cpu_nodes=frozenset(), out=out, kept=kept)
        assert lowered.again is again and lowered.delegates == 1
        assert out.read_bytes() == b"program\n of " + soc.encode() and lowered.pte_bytes == out.stat().st_size
    assert made == ["SM8750", "SM8650"]


@pytest.fixture
def pte(tmp_path: Path) -> Path:
    path = tmp_path / "made.pte"
    path.write_bytes(b"x" * 1000)
    return path


def test_a_damaged_program_is_not_taken(pte: Path, tmp_path: Path) -> None:
    kept = KeptPrograms(tmp_path / "kept")
    kept.keep("key", pte, ANSWER)
    assert kept.take("key", tmp_path / "out") == ANSWER and kept.take("other", tmp_path / "out") is None
    (file,) = kept.folder.iterdir()
    whole = file.read_bytes()
    answered = whole.replace(b'"delegates": 1', b'"delegates": 7')
    for damaged in (whole[:-1], whole[:-1] + b"y", answered, b"", b"{}\n", b"\xff\n"):
        file.write_bytes(damaged)
        assert kept.take("key", tmp_path / "out") is None


def test_those_unused_for_longest_make_room(pte: Path, tmp_path: Path) -> None:
    kept = KeptPrograms(tmp_path / "kept", most_bytes=3500)
    for age, name in ((30, "a"), (20, "b"), (10, "c")):
        kept.keep(name, pte, ANSWER)
        os.utime(kept.folder / f"{name}.program", ns=(0, 10**18 - age))
    assert kept.take("a", tmp_path / "out")  # used now
    kept.keep("d", pte, ANSWER)
    assert sorted(path.stem for path in kept.folder.iterdir()) == ["a", "c", "d"]
    pte.write_bytes(b"x" * 4000)
    kept.keep("large", pte, ANSWER)
    assert kept.take("large", tmp_path / "out") is None and kept.take("d", tmp_path / "out")


def test_where_nothing_can_be_kept_nothing_fails(pte: Path, tmp_path: Path) -> None:
    kept = KeptPrograms(pte / "kept")
    kept.keep("key", pte, ANSWER)
    assert kept.take("key", tmp_path / "out") is None


def test_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert KeptPrograms.where(False) is None
    assert KeptPrograms.where(tmp_path) == KeptPrograms(tmp_path)
    with pytest.raises(UsageError, match=r"--cache .*there is no folder"):
        KeptPrograms.where(tmp_path / "no" / "where")
    monkeypatch.setenv(VARIABLE, "")
    assert KeptPrograms.where(True) is None
    monkeypatch.setenv(VARIABLE, str(tmp_path / "named"))
    assert KeptPrograms.where(True) == KeptPrograms(tmp_path / "named")
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert KeptPrograms.where(True) == KeptPrograms(tmp_path / "qnnsolve" / "programs")
