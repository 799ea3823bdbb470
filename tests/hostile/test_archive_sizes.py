"""What a ``.pt2`` declares is there, and nothing in it takes memory or time without end."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.hostile.archives import Change, Graph, load, refusal, setting
from tests.hostile.tampering import MODEL, SAMPLES, WEIGHTS, archive, edited, members, zipped


@pytest.fixture(scope="module")
def good() -> bytes:
    return archive()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


# --- sizes --------------------------------------------------------------------------------------------------------


def shaped(sizes: list[int], strides: list[int]) -> Change:
    def change(config: Graph) -> None:
        meta = config["config"]["linear.weight"]["tensor_meta"]
        meta.update(sizes=[{"as_int": each} for each in sizes], strides=[{"as_int": each} for each in strides])

    return change


@pytest.mark.parametrize(
    ("sizes", "strides"),
    [
        ([10**12], [1]),
        ([10**9, 10**9], [0, 0]),
        ([3, 4], [4, 2]),
        ([-3, 4], [4, 1]),
        ([3, 4], [4]),
        ([1] * 100, [1] * 100),
        ([2**62] * 3, [0] * 3),
    ],
)
def test_a_weight_has_the_bytes_that_it_declares(sizes: list[int], strides: list[int], good: bytes) -> None:
    assert "linear.weight" in refusal(edited(good, WEIGHTS, shaped(sizes, strides)))
    empty = {**members(edited(good, WEIGHTS, shaped(sizes, strides))), "data/weights/weight_0": b""}
    assert "linear.weight" in refusal(zipped(empty))


def test_a_weight_that_repeats_its_bytes_is_read(good: bytes) -> None:
    assert isinstance(load(edited(good, WEIGHTS, shaped([3, 4], [0, 1]))).model, torch.export.ExportedProgram)


def test_zip_bombs(good: bytes) -> None:
    bomb = zipped({**members(good), "extra/zeros": bytes(64 * 2**20)}, zipfile.ZIP_DEFLATED)
    assert len(bomb) < 2**18
    assert "unpacks to" in refusal(bomb)
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as nested:
        nested.writestr("m/data.pkl", bytes(8 * 2**20))
        nested.writestr("m/version", b"3\n")
    assert "unpacks to" in refusal(zipped({**members(good), SAMPLES: inner.getvalue()}))


def test_a_recompressed_archive_is_read(good: bytes) -> None:
    assert load(zipped(members(good), zipfile.ZIP_DEFLATED)).input_names == ("x",)


@pytest.mark.parametrize(
    "text", ["9**9**9**9", "Pow(Integer(9), Integer(999999999))", "LShift(1, 10**9)", "(" * 500 + ")" * 500]
)
def test_sizes_that_would_never_be_worked_out(text: str, good: bytes) -> None:
    assert "has a size" in refusal(edited(good, MODEL, setting("expr_str", text)))


def test_symbols_that_torch_would_count_up_to(good: bytes) -> None:
    change = setting("range_constraints", {"u99999999999": {"min_val": 0, "max_val": 1}})
    assert "names a size" in refusal(edited(good, MODEL, change))


def test_full_scratch_space_is_named(good: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.BytesIO):
        def write(self, data: Any) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", Full)
    assert "No space left on device" in refusal(good)
