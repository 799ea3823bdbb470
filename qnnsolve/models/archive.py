"""A ``.pt2`` as data: :func:`checked_copy`, a rewritten archive that holds what was checked and nothing else.

``torch.export.load`` (2.13) runs what it finds: compiled libraries under ``data/aotinductor``, pickles among the
constants, Python in sizes, names and trees. So it never sees the user's file. Members are allowed by name, their sizes
compared with what is there, their JSON checked field by field (:mod:`qnnsolve.models.schema`). All of it is then
written to a new archive, so that no trick by which two readers of a zip file see different contents survives.
"""

from __future__ import annotations

import io
import json
import math
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import attrs

from qnnsolve.foreign import first_line, printable
from qnnsolve.models.refused import Refused
from qnnsolve.models.saved import SPREAD, check_saved
from qnnsolve.models.schema import checked

__all__ = ["checked_copy"]

RATIO = 100
"""What a file unpacks to may be this many times its size, unless it is small; torch does not compress."""
SMALL = 2**24
MOST_DIMENSIONS = 64

_MODEL = "models/model.json"
_PAYLOADS = {"weights": "data/weights/", "constants": "data/constants/"}
_SAMPLES = "data/sample_inputs/model.pt"
_ALLOWED = re.compile(
    r"archive_format|archive_version|byteorder|version|\.format_version|\.storage_alignment|\.data/(version|serialization_id)"
    r"|models/[^/\\]+\.json|data/sample_inputs/[^/\\]+\.pt|extra/.*|data/(weights|constants)/[^/\\]+_config\.json"
    r"|data/weights/weight_\d+|data/constants/tensor_\d+"
)
_LIBRARIES = ("data/aotinductor", "data/executorch", "mtia")
_OBJECTS = ("custom_obj", "opaque_obj")
_OLDER = ("serialized_exported_program.json", "data/weights/model.pt", "data/constants/model.pt")


def checked_copy(path: Path, copy: IO[bytes]) -> None:
    """Write to ``copy`` what ``torch.export.load`` may see of the ``.pt2`` at ``path``.

    Raises:
        Refused: it is no ``.pt2``, or a damaged one; it holds code; or it declares more data than it has.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = _members(archive, path.stat().st_size)
            _copy(_Archive(archive, members), copy)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError) as error:
        if getattr(error, "errno", None) is not None:
            raise
        raise Refused(f"is not a .pt2 file, or a damaged one: {first_line(error)}") from error


@attrs.frozen(eq=False)
class _Archive:
    """The members of an archive, by their names without its root."""

    archive: zipfile.ZipFile
    members: Mapping[str, zipfile.ZipInfo]

    def read(self, name: str) -> bytes:
        if name not in self.members:
            raise Refused(f"lacks {name}: it is a damaged .pt2 file")
        return self.archive.read(self.members[name])

    def size(self, name: str) -> int:
        return self.members[name].file_size if name in self.members else -1

    def json(self, name: str) -> Any:
        try:
            return json.loads(self.read(name).decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise Refused(f"is a damaged .pt2 file: {name} is not JSON: {first_line(error)}") from error


def _members(archive: zipfile.ZipFile, size: int) -> dict[str, zipfile.ZipInfo]:
    infos = [info for info in archive.infolist() if not info.is_dir()]
    names = [info.filename for info in infos]
    root = names[0].partition("/")[0] + "/" if names else ""
    members = {info.filename.removeprefix(root): info for info in infos}
    _check_kind(names, members)
    lowered = [name.casefold() for name in members]
    if len(members) != len(infos) or len(set(lowered)) != len(lowered):
        raise Refused("holds two members of one name")
    for name, info in members.items():
        if not info.filename.startswith(root) or _ALLOWED.fullmatch(name) is None:
            raise Refused(f"holds {printable(info.filename, 80)}, which torch.export.save does not write")
        if info.flag_bits & 1:
            raise Refused("is encrypted")
    unpacked = sum(info.file_size for info in infos)
    if sum(info.compress_size for info in infos) > size or unpacked > max(SMALL, RATIO * size):
        raise Refused(f"unpacks to {unpacked:,} bytes from {size:,}, which torch.export.save does not do")
    return members


def _check_kind(names: list[str], members: Mapping[str, zipfile.ZipInfo]) -> None:
    """Name what is another kind of file, or carries code, before single members are looked at."""
    for name in names:
        parts = re.split(r"[/\\]+", name.casefold())
        if any(folder in "/".join(parts) for folder in _LIBRARIES) or parts[-1].endswith((".so", ".dll", ".dylib")):
            raise Refused(f"carries compiled code, which is not loaded: {printable(name, 80)}")
        if any(part.startswith(_OBJECTS) for part in parts):
            raise Refused("carries pickled Python objects, which are not loaded: they could run code")
    if any(older in (*names, *members) for older in _OLDER):
        raise Refused("was written by torch 2.7 or before; write it again with torch.export.save")
    if "archive_format" not in members:
        saved = any(name.endswith("/data.pkl") for name in names)
        hint = "it was written by torch.save" if saved else "it is another kind of zip file"
        raise Refused(f"is not a .pt2 file of torch.export.save: {hint}")
    if _MODEL not in members:
        found = ", ".join(name for name in members if name.startswith("models/")) or "no program"
        raise Refused(f"holds no program called model, but {printable(found, 80)}")


def _copy(archive: _Archive, copy: IO[bytes]) -> None:
    from torch._export.serde import schema
    from torch.export.pt2_archive import constants

    program = checked(schema.ExportedProgram, archive.json(_MODEL))
    payloads = {kind: _payload(archive, kind, folder) for kind, folder in _PAYLOADS.items()}
    samples = archive.read(_SAMPLES)
    if samples:
        check_saved(io.BytesIO(samples))
    # With Python's writer, since torch's (2.13) aborts the process when a disk is full.
    with zipfile.ZipFile(copy, "w") as writer:
        for name, text in (
            (constants.ARCHIVE_FORMAT_PATH, constants.ARCHIVE_FORMAT_VALUE),
            (constants.ARCHIVE_VERSION_PATH, constants.ARCHIVE_VERSION_VALUE),
            (".data/version", "6\n"),
            ("byteorder", "little"),
            (_MODEL, json.dumps(program)),
            *((f"{_PAYLOADS[kind]}model_{kind}_config.json", json.dumps(payloads[kind])) for kind in _PAYLOADS),
        ):
            writer.writestr(f"model/{name}", text)
        writer.writestr(f"model/{_SAMPLES}", samples)
        for kind, folder in _PAYLOADS.items():
            for name in sorted({entry["path_name"] for entry in payloads[kind].get("config", {}).values()}):
                writer.writestr(f"model/{folder}{name}", archive.read(folder + name))


def _payload(archive: _Archive, kind: str, folder: str) -> Any:
    """Which weights there are, each with a shape that its bytes can fill."""
    from torch._export.serde import schema

    config = checked(schema.PayloadConfig, archive.json(f"{folder}model_{kind}_config.json"))
    dtypes: dict[str, int] = {}
    for name, entry in config.get("config", {}).items():
        path, meta = entry["path_name"], entry.get("tensor_meta")
        if archive.size(folder + path) < 0:
            raise Refused(f"lacks {folder}{path}: it is a damaged .pt2 file")
        if entry["use_pickle"]:  # such as a weight that torchao has quantized, which torch loads with weights_only
            check_saved(io.BytesIO(archive.read(folder + path)))
            continue
        if meta is None:
            raise Refused(f"has a weight {printable(name, 80)} without a shape")
        if dtypes.setdefault(path, meta["dtype"]) != meta["dtype"]:
            raise Refused(f"reads one weight as two dtypes: {printable(name, 80)}")
        _check_shape(name, meta, archive.size(folder + path))
    return config


def _check_shape(name: str, meta: Mapping[str, Any], there: int) -> None:
    from torch._export.serde.serialize import _SERIALIZE_TO_TORCH_DTYPE

    dtype = _SERIALIZE_TO_TORCH_DTYPE.get(meta["dtype"])
    sizes, strides = _numbers(meta["sizes"]), _numbers(meta["strides"])
    offset = meta["storage_offset"].get("as_int", -1)
    if (
        dtype is None
        or len(sizes) != len(strides)
        or len(sizes) > MOST_DIMENSIONS
        or min((offset, *sizes, *strides)) < 0
    ):
        raise Refused(f"has a weight {printable(name, 80)} of an impossible shape")
    numel = math.prod(sizes)
    reached = offset + sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True)) + 1
    if (numel and reached * dtype.itemsize > there) or numel * dtype.itemsize > there + SPREAD:
        raise Refused(f"declares {printable(name, 80)} of shape {sizes}, but has {there:,} bytes for it")


def _numbers(given: list[Mapping[str, Any]]) -> list[int]:
    return [each.get("as_int", -1) for each in given]
