"""What is typed as ``module:callable`` or as a file is found, or told in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from qnnsolve.errors import UsageError
from qnnsolve.models.locating import CodeRef, FileRef, locate
from qnnsolve.models.samples import calibration_samples
from tests.models.typed import load, one_line


def test_other_files_are_not_models() -> None:
    Path("model.onnx").touch()
    with pytest.raises(UsageError, match=r"model model\.onnx is not a \.pt2 file"):
        load("model.onnx")
    Path("dir.pt2").mkdir()
    with pytest.raises(UsageError, match=r"dir\.pt2 is not a file"):
        load("dir.pt2")
    with pytest.raises(UsageError, match=r"neither a \.pt2 file nor module:callable"):
        load("vit")


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


def test_what_is_typed_is_found_but_not_imported() -> None:
    Path("a.pt2").touch()
    assert locate("a.pt2", "model", (".pt2",)) == FileRef("a.pt2", Path("a.pt2"))
    assert locate("pack.mod:fn", "model", (".pt2",)) == CodeRef("pack.mod:fn", "pack.mod", "fn")
