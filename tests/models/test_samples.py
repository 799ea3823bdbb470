"""Calibration data from files and code; whatever is wrong with it is one line."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from qnnsolve.errors import UsageError
from qnnsolve.models.files import LoadedModel
from qnnsolve.models.samples import calibration_samples
from tests.models.typed import EXAMPLES, Marker, Net, one_line, samples


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


def test_calibration_by_callable_and_its_errors() -> None:
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
