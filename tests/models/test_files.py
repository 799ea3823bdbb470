"""Models and calibration data from files and code; whatever is wrong with them is one line."""

from __future__ import annotations

import pickle
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from qnnsolve.errors import UsageError
from qnnsolve.models.files import LoadedModel, load_model
from qnnsolve.models.references import CodeRef, FileRef, locate
from qnnsolve.models.samples import calibration_samples


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 3)

    def forward(self, pixels: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.linear(pixels) + ids
        return out


EXAMPLES = (torch.zeros(1, 4), torch.zeros(1, 3, dtype=torch.int64))


class Marker:
    """Unpickling one leaves a file behind: the sign that code was run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("saved") / "net.pt2"
    torch.export.save(torch.export.export(Net().eval(), EXAMPLES), path)
    return path.read_bytes()


def net() -> LoadedModel:
    return LoadedModel("net.pt2", Net(), EXAMPLES, ("pixels", "ids"))


def load(text: str) -> LoadedModel:
    return load_model(locate(text, "model", (".pt2",)))


def samples(text: str, model: LoadedModel | None = None) -> tuple[tuple[Any, ...], ...]:
    return calibration_samples(model or net(), locate(text, "calibration", (".npz", ".pt")))


def one_line(error: pytest.ExceptionInfo[UsageError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


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


def test_other_files_are_not_models() -> None:
    Path("model.onnx").touch()
    with pytest.raises(UsageError, match=r"model model\.onnx is not a \.pt2 file"):
        load("model.onnx")
    Path("dir.pt2").mkdir()
    with pytest.raises(UsageError, match=r"dir\.pt2 is not a file"):
        load("dir.pt2")
    with pytest.raises(UsageError, match=r"neither a \.pt2 file nor module:callable"):
        load("vit")


# --- module:callable ----------------------------------------------------------------------------------------

CODE = """
import torch
from torch import nn

class Pair(nn.Module):
    def forward(self, left, right):
        return left + right

def good():
    return Pair(), (torch.ones(2), torch.ones(2)), [(torch.zeros(2), torch.ones(2))] * 3

def bare_tensor():
    return nn.ReLU(), torch.ones(2)

def wrong_type():
    return 3

def wrong_model():
    return 3, ()

def wrong_inputs():
    return nn.ReLU(), 3

def wrong_calibration():
    return nn.ReLU(), (torch.ones(2),), 3

def exits():
    raise SystemExit(5)

vit_model = 3
"""


@pytest.fixture
def module(folder: Path) -> str:
    name = f"code_{abs(hash(folder.name)) % 10**8}"
    (folder / f"{name}.py").write_text(CODE)
    return name


def test_a_callable_gives_model_inputs_and_calibration(module: str) -> None:
    loaded = load(f"{module}:good")
    assert loaded.input_names == ("left", "right")
    assert len(calibration_samples(loaded, None)) == 3
    assert load(f"{module}:bare_tensor").input_names == ("input",)


def test_a_file_works_like_a_module(module: str) -> None:
    sub = Path("sub")
    sub.mkdir()
    (sub / "nets.py").write_text(CODE)
    assert load("sub/nets.py:good").input_names == ("left", "right")
    with pytest.raises(UsageError, match=r"model sub/net\.py does not exist; did you mean nets\.py"):
        load("sub/net.py:good")


@pytest.mark.parametrize(
    ("attribute", "message"),
    [
        ("wrong_type", "returned an int, not (nn.Module, example_inputs"),
        ("wrong_model", "returned an int as its first item, not an nn.Module"),
        ("wrong_inputs", "returned an int as its example inputs"),
        ("wrong_calibration", "returned an int as its calibration inputs, not an iterable"),
        ("exits", "raised: SystemExit: 5"),
        ("vit_model", "is an int, not a callable"),
        ("god", "has no 'god'; did you mean good"),
        ("Pair.nothing", "has no 'nothing'"),
    ],
)
def test_a_callable_that_is_wrong(module: str, attribute: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        load(f"{module}:{attribute}")
    assert message in one_line(error)


def test_a_missing_module_names_the_nearest(folder: Path) -> None:
    package = folder / "nets_for_test"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "resnet.py").write_text("import no_such_dependency")
    with pytest.raises(UsageError) as error:
        load("nets_for_test.resnte:x")
    assert "no module named 'nets_for_test.resnte'; did you mean resnet?" in one_line(error)
    with pytest.raises(UsageError) as error:
        load("nets_for_tset:x")
    assert "did you mean nets_for_test?" in one_line(error)
    with pytest.raises(UsageError) as error:
        load("nets_for_test.resnet:x")
    assert "importing nets_for_test.resnet failed: ModuleNotFoundError: No module named" in one_line(error)


# --- calibration --------------------------------------------------------------------------------------------


def test_npz_by_name_and_by_position() -> None:
    pixels, ids = np.random.default_rng(0).normal(size=(5, 1, 4)), np.arange(15).reshape(5, 1, 3)
    np.savez("named.npz", ids=ids, pixels=pixels)
    np.savez("positional.npz", pixels.astype(np.float32), ids)
    for name in ("named.npz", "positional.npz"):
        read = samples(name)
        assert len(read) == 5
        assert read[2][0].dtype == torch.float32
        np.testing.assert_allclose(read[2][0].numpy(), pixels[2], rtol=1e-6)
        assert read[2][1].tolist() == ids[2].tolist()


def test_an_array_without_a_sample_axis_is_cut_into_batches() -> None:
    np.savez("flat.npz", np.zeros((6, 4), np.float32), np.zeros((6, 3), np.int64))
    assert [each[0].shape for each in samples("flat.npz")] == [(1, 4)] * 6


def test_pt_lists_and_dicts_of_tensors() -> None:
    torch.save([EXAMPLES, list(EXAMPLES), {"ids": EXAMPLES[1], "pixels": EXAMPLES[0]}], "list.pt")
    torch.save({"pixels": torch.zeros(2, 1, 4), "ids": torch.zeros(2, 1, 3, dtype=torch.int64)}, "dict.pt")
    assert len(samples("list.pt")) == 3
    assert len(samples("dict.pt")) == 2


def test_calibration_by_callable_and_its_errors(module: str) -> None:
    Path("cal_for_test.py").write_text(
        "import torch\n"
        "def good():\n    yield torch.zeros(1, 4), torch.zeros(1, 3, dtype=torch.int64)\n"
        "def none():\n    return []\n"
        "def number():\n    return 3\n"
        "def late():\n    yield torch.zeros(1, 4), torch.zeros(1, 3, dtype=torch.int64)\n    raise OSError('gone')\n"
    )
    assert len(samples("cal_for_test:good")) == 1
    for name, message in (("none", "no samples"), ("number", "not an iterable"), ("late", "failed: OSError: gone")):
        with pytest.raises(UsageError, match=message):
            samples(f"cal_for_test:{name}")


def test_data_files_run_no_code(folder: Path) -> None:
    mark = folder / "ran"
    torch.save([Marker(mark)], "evil.pt")
    np.savez("evil.npz", np.array([Marker(mark)], dtype=object))
    Path("raw.npz").write_bytes(pickle.dumps(Marker(mark)))
    for name in ("evil.pt", "evil.npz", "raw.npz"):
        with pytest.raises(UsageError) as error:
            samples(name)
        assert name in one_line(error)
    assert not mark.exists()


@pytest.mark.parametrize("name", ["x.npz", "x.pt"])
@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 but no zip"])
def test_damaged_data_files(name: str, content: bytes) -> None:
    Path(name).write_bytes(content)
    with pytest.raises(UsageError) as error:
        samples(name)
    assert f"calibration {name}" in one_line(error)


BAD: list[tuple[object, str]] = [
    ([(torch.zeros(1, 4),)], "sample 0 has 1 input(s), the model takes 2 (pixels, ids)"),
    ([EXAMPLES, (torch.zeros(2, 4), EXAMPLES[1])], "sample 1, input 'pixels': shape (2, 4), the model takes (1, 4)"),
    ([(EXAMPLES[0], torch.zeros(1, 3))], "sample 0, input 'ids': dtype float32, the model takes int64"),
    ([(EXAMPLES[0], 3)], "sample 0, input 'ids': a int, not a tensor"),
    ([(torch.full((1, 4), float("nan")), EXAMPLES[1])], "input 'pixels': holds NaN"),
    ([3], "sample 0 is an int, not a tuple"),
    ([{"pixel": EXAMPLES[0], "ids": EXAMPLES[1]}], "names 'pixel', which is no input; did you mean pixels?"),
    ([{"ids": EXAMPLES[1]}], "lacks pixels"),
    ({"pixels": torch.zeros(2, 1, 4), "ids": torch.zeros(3, 1, 3)}, "differ in their number of samples"),
    ({"pixels": torch.zeros(()), "ids": torch.zeros(3, 1, 3)}, "'pixels' is not a tensor with a leading"),
    ([], "no samples"),
    (torch.zeros(1), "holds a Tensor, not samples"),
]


@pytest.mark.parametrize(("data", "message"), BAD)
def test_samples_that_do_not_fit(data: object, message: str) -> None:
    torch.save(data, "bad.pt")
    with pytest.raises(UsageError) as error:
        samples("bad.pt")
    assert message in one_line(error)


def test_without_any_inputs_there_is_a_clear_error() -> None:
    bare = LoadedModel("net.pt2", Net(), None, ("pixels", "ids"))
    with pytest.raises(UsageError, match="carries no example inputs; give --calibration"):
        calibration_samples(bare, None)
    torch.save([EXAMPLES], "list.pt")
    assert len(samples("list.pt", bare)) == 1


def test_what_is_typed_is_found_but_not_imported() -> None:
    Path("a.pt2").touch()
    assert locate("a.pt2", "model", (".pt2",)) == FileRef("a.pt2", Path("a.pt2"))
    assert locate("pack.mod:fn", "model", (".pt2",)) == CodeRef("pack.mod:fn", "pack.mod", "fn")
