"""A ``.pt2`` as a model; whatever is wrong with it is one line."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import torch

from qnnsolve.errors import UsageError
from qnnsolve.models.samples import calibration_samples
from tests.models.typed import EXAMPLES, Marker, Net, load, one_line


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("saved") / "net.pt2"
    torch.export.save(torch.export.export(Net().eval(), EXAMPLES), path)
    return path.read_bytes()


# --- .pt2 ---------------------------------------------------------------------------------------------------


def test_a_pt2_carries_its_example_inputs(archive: bytes) -> None:
    Path("net.pt2").write_bytes(archive)
    loaded = load("net.pt2")
    assert isinstance(loaded.model, torch.export.ExportedProgram)
    assert loaded.input_names == ("pixels", "ids")
    assert loaded.example_inputs is not None
    assert [tuple(each.shape) for each in loaded.example_inputs] == [(1, 4), (1, 3)]
    assert len(calibration_samples(loaded, None)) == 1


def test_a_pt2_with_keyword_inputs_is_refused() -> None:
    program = torch.export.export(Net().eval(), EXAMPLES[:1], {"ids": EXAMPLES[1]})
    torch.export.save(program, "keywords.pt2")
    with pytest.raises(UsageError) as error:
        load("keywords.pt2")
    assert "keyword inputs (ids)" in one_line(error)


def test_a_missing_file_names_the_nearest(archive: bytes) -> None:
    Path("resnet18.pt2").write_bytes(archive)
    Path("resnet.txt").touch()
    with pytest.raises(UsageError) as error:
        load("resnet.pt2")
    assert one_line(error) == "model resnet.pt2 does not exist; did you mean resnet18.pt2?"


def test_a_missing_folder_is_named() -> None:
    with pytest.raises(UsageError, match=r"model no/where\.pt2 does not exist: no folder no$"):
        load("no/where.pt2")


@pytest.mark.parametrize("content", [b"", b"hello, I am text"])
def test_what_is_no_zip_is_no_pt2(content: bytes) -> None:
    Path("x.pt2").write_bytes(content)
    with pytest.raises(UsageError) as error:
        load("x.pt2")
    assert "model x.pt2 is not a .pt2 file" in one_line(error)


def test_a_plain_zip_and_a_saved_module_are_foreign() -> None:
    with zipfile.ZipFile("plain.pt2", "w") as plain:
        plain.writestr("a", "b")
    with pytest.raises(UsageError, match="another kind of zip"):
        load("plain.pt2")
    torch.save({"weight": torch.ones(1)}, "state.pt2")
    with pytest.raises(UsageError, match=r"written by torch\.save"):
        load("state.pt2")


def test_a_corrupt_pt2_is_one_line(archive: bytes, caplog: pytest.LogCaptureFixture) -> None:
    Path("half.pt2").write_bytes(archive[: len(archive) // 2])
    with zipfile.ZipFile("json.pt2", "w") as broken, zipfile.ZipFile(_saved(archive)) as good:
        for name in good.namelist():
            content = good.read(name)
            broken.writestr(name, b'{"a" 1}' if name.endswith("model.json") else content)
    for name in ("half.pt2", "json.pt2"):
        with pytest.raises(UsageError) as error:
            load(name)
        assert name in one_line(error)
    assert not caplog.records


def _saved(archive: bytes) -> Path:
    path = Path("good.pt2")
    path.write_bytes(archive)
    return path


def test_a_pt2_runs_no_code(archive: bytes, folder: Path) -> None:
    """Example inputs are the pickle that every archive has: one that is no tensor is refused, not run."""
    mark = folder / "ran"
    with zipfile.ZipFile("evil.pt2", "w") as evil, zipfile.ZipFile(_saved(archive)) as good:
        torch.save(Marker(mark), "payload")
        for name in good.namelist():
            swap = name.endswith("sample_inputs/model.pt")
            evil.writestr(name, Path("payload").read_bytes() if swap else good.read(name))
    with pytest.raises(UsageError) as error:
        load("evil.pt2")
    assert "evil.pt2" in one_line(error)
    assert not mark.exists()
