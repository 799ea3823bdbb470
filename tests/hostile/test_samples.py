"""Calibration files are data, too: what they declare is there, and nothing in them is run."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from qnnsolve.errors import UsageError
from qnnsolve.models.files import LoadedModel
from qnnsolve.models.locating import locate
from qnnsolve.models.samples import calibration_samples
from tests.hostile.tampering import Marker


@pytest.fixture(autouse=True)
def canary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "ran"


def read(name: str) -> tuple[tuple[Any, ...], ...]:
    model = LoadedModel("net.pt2", nn.ReLU(), (torch.zeros(2, 3),), ("x",))
    return calibration_samples(model, locate(name, "calibration", (".npz", ".pt")))


def refusal(name: str) -> str:
    with pytest.raises(UsageError) as error:
        read(name)
    text = str(error.value)
    assert text.startswith(f"calibration {name} ") and "\n" not in text and len(text) < 700
    return text


def header(text: str, version: int = 1) -> bytes:
    width = {1: 2, 2: 4, 3: 4}[version]
    return b"\x93NUMPY" + bytes((version, 0)) + len(text).to_bytes(width, "little") + text.encode()


def npz(member: bytes, compression: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile("x.npz", "w", compression) as archive:
        archive.writestr("x.npy", member)


PLAIN = "{'descr': '<f4', 'fortran_order': False, 'shape': (6, 3), }"


@pytest.mark.parametrize("version", [1, 2, 3])
def test_arrays_are_read(version: int) -> None:
    npz(header(PLAIN, version) + bytes(72))
    assert len(read("x.npz")) == 3
    np.savez("y.npz", x=np.arange(18, dtype=">f4").reshape(6, 3))
    np.savez_compressed("z.npz", x=np.arange(18, dtype="<f4").reshape(6, 3))
    assert [each[0].tolist() for each in read("y.npz")] == [each[0].tolist() for each in read("z.npz")]


@pytest.mark.parametrize(
    "text",
    [
        PLAIN.replace("(6, 3)", "(600000000000, 3)"),
        PLAIN.replace("(6, 3)", f"({'9' * 5000}, 3)"),
        PLAIN.replace("(6, 3)", "(6, -3)"),
        PLAIN.replace("(6, 3)", "(6, 3"),
        PLAIN.replace("(6, 3)", "9**9**9"),
        PLAIN.replace("<f4", "O"),
        PLAIN.replace("<f4", "<c8"),
        PLAIN.replace("<f4", "<f99"),
        PLAIN.replace("'<f4'", "[('a', '<f4')]"),
        "[" * 5000,
        "'''",
        "\\",
    ],
)
def test_headers_that_are_not_true(text: str) -> None:
    npz(header(text) + bytes(72))
    refusal("x.npz")


def test_a_bomb_is_not_unpacked() -> None:
    npz(header(PLAIN.replace("(6, 3)", "(33554432, 3)")) + bytes(3 * 2**27), zipfile.ZIP_DEFLATED)
    assert "unpacks to" in refusal("x.npz")


def saved(value: object, change: Callable[[bytes], bytes] = lambda data: data) -> None:
    """Write ``x.pt``, its pickle changed."""
    stream = io.BytesIO()
    torch.save(value, stream)
    with zipfile.ZipFile("x.pt", "w") as made, zipfile.ZipFile(stream) as read:
        for name in read.namelist():
            made.writestr(name, change(read.read(name)) if name.endswith("data.pkl") else read.read(name))


def test_tensors_are_read() -> None:
    saved([(torch.zeros(2, 3),)] * 3)
    assert len(read("x.pt")) == 3


def test_a_storage_larger_than_its_record_is_not_read() -> None:
    """torch reads past the record's end."""
    saved([torch.zeros(2, 3)], lambda data: data.replace(b"K\x06t", b"J\xff\xff\xff\x7ft"))
    assert "declares 2,147,483,647 values of float32 where there are 24 bytes" in refusal("x.pt")


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (torch.zeros(1).expand(10**6, 10**6), "holds a tensor of 1,000,000,000,000 values in 4 bytes"),
        ({"x": torch.eye(3).to_sparse()}, "only dense ones are read"),
    ],
)
def test_tensors_that_are_not_plain(value: Any, why: str) -> None:
    saved(value)
    assert why in refusal("x.pt")


def test_endless_containers() -> None:
    nested: Any = [torch.zeros(2, 3)]
    for _ in range(40):
        nested = [nested, nested]
    saved(nested)
    assert "more than 1,000,000 values" in refusal("x.pt")
    itself: list[Any] = []
    itself.append(itself)
    saved(itself)
    assert "more than 1,000,000 values" in refusal("x.pt")


def test_nothing_is_run(canary: Path) -> None:
    saved([Marker(canary)])
    refusal("x.pt")
    torch.save([Marker(canary)], "old.pt", _use_new_zipfile_serialization=False)
    assert "before torch 1.6" in refusal("old.pt")
    assert not canary.exists()
