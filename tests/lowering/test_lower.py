"""Lowering: where it writes, what survives a dead compiler, and (slow) what the real compiler makes of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from executorch.backends.qualcomm.partition.qnn_partitioner import QnnPartitioner
from torch.fx import GraphModule

from qnnsolve.errors import HostBackendError, UsageError
from qnnsolve.host.outputs import check_writable
from qnnsolve.lowering import child
from qnnsolve.lowering.lower import NO_KERNEL, Lowered, _save, calling, lower
from qnnsolve.results import CpuOp, ProgramCall, Stand, Unrunnable
from tests.nets import ConvNet, images, seeded


def test_a_program_with_nothing_to_delegate_is_taken_though_a_constant_is_left_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(QnnPartitioner, "tag_nodes", QnnPartitioner.tag_nodes)
    program = torch.export.export(Leftover(), (torch.rand(2),))
    with pytest.raises(UnboundLocalError, match="delegation_tag"):
        QnnPartitioner.tag_nodes(None, [], program)
    child._allow_no_partition()
    QnnPartitioner.tag_nodes(None, [], program)


class Leftover(torch.nn.Module):
    """Holds a constant that nothing reads."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("unread", torch.ones(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + 1


def graph_of(module: torch.nn.Module, inputs: tuple[Any, ...]) -> GraphModule:
    graph_module = torch.export.export(module, inputs, strict=False).module()
    assert isinstance(graph_module, GraphModule)
    return graph_module


@pytest.fixture
def net() -> GraphModule:
    return graph_of(seeded(ConvNet), images(1)[0])


def lower_with(rogue: str, net: GraphModule, out: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Lowered:
    monkeypatch.setattr("qnnsolve.lowering.lower.CHILD", "tests.rogue_child")
    monkeypatch.setenv("ROGUE", rogue)
    return lower(net, images(1)[0], soc="SM8750", fp16=False, cpu_nodes=frozenset(), out=out, **options)


def test_an_output_in_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"the folder .*nowhere does not exist"):
        check_writable(tmp_path / "nowhere" / "model.pte")


def test_an_output_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a folder"):
        check_writable(tmp_path)


def test_a_device_is_never_replaced() -> None:
    with pytest.raises(UsageError, match="no plain file"):
        check_writable(Path(os.devnull))


def test_a_protected_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.pte").touch()
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write to anything
    with pytest.raises(UsageError, match="write-protected"):
        check_writable(tmp_path / "model.pte")


def test_a_folder_that_takes_no_files_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(UsageError, match="cannot be written: Permission denied"):
        check_writable(tmp_path / "model.pte")


def test_checking_follows_links_and_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "real.pte").write_bytes(b"old")
    (tmp_path / "link.pte").symlink_to("real.pte")
    assert check_writable(tmp_path / "link.pte") == (tmp_path / "real.pte").resolve()
    assert check_writable(tmp_path / "new.pte") == (tmp_path / "new.pte").resolve()
    assert {path.name for path in tmp_path.iterdir()} == {"real.pte", "link.pte"}
    assert (tmp_path / "real.pte").read_bytes() == b"old"


def test_a_refused_output_costs_no_export(net: GraphModule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qnnsolve.lowering.lower._save", lambda *_: pytest.fail("long work before the check"))
    with pytest.raises(UsageError):
        lower_with("good", net, tmp_path, monkeypatch)


@pytest.mark.parametrize("rogue", ["abort", "raise", "hang"])
def test_a_dead_compiler_leaves_the_old_program_alone(
    rogue: str, net: GraphModule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "model.pte"
    out.write_bytes(b"old")
    with pytest.raises(HostBackendError, match=r"^the HTP compiler for SM8750 .*; its last error: the weights"):
        lower_with(rogue, net, out, monkeypatch, timeout=4.0)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("model.pte", b"old")]


def test_a_complete_program_replaces_the_old_one_and_keeps_its_mode(
    net: GraphModule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "model.pte"
    out.write_bytes(b"old")
    out.chmod(0o640)
    steps: list[tuple[str, int, int | None]] = []
    lowered = lower_with("", net, out, monkeypatch, progress=lambda *step: steps.append(step))
    assert out.read_bytes() == b"half"
    assert out.stat().st_mode & 0o777 == 0o640
    assert lowered.cpu_ops == (CpuOp("add", "aten.add.Tensor", "because", Stand.AFTER),)
    assert (lowered.delegates, lowered.pte_bytes) == (1, 4)
    assert lowered.calls == (ProgramCall("forward", 0, 0, "", True), ProgramCall("forward", 0, 1, "add"))
    assert lowered.unrunnable == (Unrunnable("aten::add.out", ("add",), NO_KERNEL),)
    assert steps == [("lower", 3, 4)]


def test_lowering_leaves_no_marks_on_the_converted_model(
    net: GraphModule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    relu = next(node for node in net.graph.nodes if node.target is torch.ops.aten.relu.default)
    relu.meta["custom"] = {"mine": 1}
    lower_with("", net, tmp_path / "model.pte", monkeypatch)
    marked = {node.name: node.meta["custom"] for node in net.graph.nodes if "custom" in node.meta}
    assert marked == {"relu": {"mine": 1}}


def test_names_and_tags_reach_the_child(net: GraphModule, tmp_path: Path) -> None:
    _save(net, images(1)[0], frozenset({"relu"}), tmp_path)
    program = torch.export.load(tmp_path / "program.pt2")
    custom = {
        node.meta["custom"]["qnnsolve_node"]: node.meta["custom"].get("qnnsolve")
        for node in program.graph_module.graph.nodes
        if node.op == "call_function"
    }
    assert custom["relu"] == "cpu"
    assert {name: tag for name, tag in custom.items() if tag} == {"relu": "cpu"}
    assert set(custom) == {node.name for node in net.graph.nodes if node.op == "call_function"}


def test_kernels_are_traced_to_the_ops_that_call_them() -> None:
    named = {"sort": "aten.sort.default", "again": "aten.sort.stable", "add": "aten.add.Tensor"}
    ops = [CpuOp(name, target, "") for name, target in named.items()]
    assert calling("aten::sort.values", ops) == ("sort", "again")
    assert calling("aten::sorted.out", ops) == ()


class Tuple(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> Any:
        return torch.max(x, 1)


def test_a_model_that_returns_what_torch_names_can_be_saved(tmp_path: Path) -> None:
    sample = (torch.rand(2, 3, 4),)
    _save(graph_of(Tuple(), sample), sample, frozenset(), tmp_path)
    program = torch.export.load(tmp_path / "program.pt2")
    assert "qnnsolve_node" in {key for node in program.graph.nodes for key in node.meta.get("custom", ())}
    outputs = program.module()(*sample)
    assert [tuple(each.shape) for each in outputs] == [(2, 4), (2, 4)]
