"""Files of ``numpy.savez``, read as data: :func:`load_arrays`.

numpy (2.4) allocates the shape that a header declares before it checks that the file holds as much, and evaluates the
header as Python. So headers are read here first, and what they declare is compared with the size of the data.
"""

from __future__ import annotations

import ast
import math
import re
import zipfile
from pathlib import Path
from typing import IO, TYPE_CHECKING

from qnnsolve.foreign import first_line, printable
from qnnsolve.models.refused import Refused

if TYPE_CHECKING:
    import torch

__all__ = ["load_arrays"]

RATIO = 100
SMALL = 2**28
"""Bytes that any file may unpack to; beyond them, at most ``RATIO`` times its size."""
LONGEST_HEADER = 10_000
_DTYPE = re.compile(r"[<>|=]?([biuf]\d{1,2}|\?)")
_HEADER_SIZE = {1: 2, 2: 4, 3: 4}
"""Bytes of the header's length, by the format's version."""


def load_arrays(path: Path) -> dict[str, torch.Tensor]:
    """The arrays of the ``.npz`` at ``path``, by name.

    Raises:
        Refused: it is no ``.npz``, or a damaged one, or holds other things than arrays of numbers.
    """
    import numpy
    import torch

    with path.open("rb"):  # where it cannot be read, that is what is wrong with it
        pass
    if not zipfile.is_zipfile(path):
        raise Refused("is no .npz file of plain arrays: it is no zip file")
    try:
        with zipfile.ZipFile(path) as archive:
            _check(archive, path.stat().st_size)
        # Opened here, since numpy 2.4 leaks the file that it opened where it is no zip.
        with path.open("rb") as stream, numpy.load(stream, allow_pickle=False) as arrays:
            return {name: torch.from_numpy(_native(arrays[name])) for name in arrays.files}
    except (OSError, ValueError, TypeError, EOFError, NotImplementedError, zipfile.BadZipFile) as error:
        if isinstance(error, Refused):
            raise
        raise Refused(f"is no .npz file of plain arrays: {first_line(error)}") from error


def _native(array: object) -> object:
    import numpy

    assert isinstance(array, numpy.ndarray)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _check(archive: zipfile.ZipFile, size: int) -> None:
    infos = archive.infolist()
    unpacked = sum(info.file_size for info in infos)
    if unpacked > max(SMALL, RATIO * size) or sum(info.compress_size for info in infos) > size:
        raise Refused(f"unpacks to {unpacked:,} bytes from {size:,}: it is no .npz file of plain arrays")
    if len({info.filename for info in infos}) != len(infos):
        raise Refused("holds two arrays of one name")
    for info in infos:
        with archive.open(info) as stream:
            declared, start = _declared(stream, info.filename)
        if declared != info.file_size - start:
            raise Refused(
                f"declares {declared:,} bytes of {printable(info.filename, 60)}, but has {info.file_size - start:,}"
            )


def _declared(stream: IO[bytes], name: str) -> tuple[int, int]:
    """How many bytes of values the header of an array declares, and at which byte they start."""
    strange = Refused(f"is no .npz file of plain arrays: {printable(name, 60)} is none")
    magic = stream.read(8)
    if magic[:6] != b"\x93NUMPY" or magic[6] not in _HEADER_SIZE:
        raise strange
    width = _HEADER_SIZE[magic[6]]
    length = int.from_bytes(stream.read(width), "little")
    if length > LONGEST_HEADER:
        raise strange
    try:
        header = ast.literal_eval(stream.read(length).decode("utf-8").strip())
    except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise strange from error
    match header:
        case {"descr": str() as dtype, "shape": tuple() as shape, "fortran_order": bool()} if len(header) == 3:
            whole = all(type(each) is int and 0 <= each < 2**48 for each in shape) and len(shape) <= 32
            found = _DTYPE.fullmatch(dtype)
            if whole and found is not None:
                return math.prod(shape) * (1 if found[1] == "?" else int(found[1][1:])), 8 + width + length
    raise Refused(f"holds {printable(name, 60)}, which is no array of numbers")
