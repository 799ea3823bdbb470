"""Files of ``torch.save``, read as data: :func:`load_tensors`.

torch's ``weights_only`` runs no code, but believes the sizes that it reads: a storage that is declared larger than its
record is read past the record's end (torch 2.13). So the file is first unpickled without its data, and each size is
compared with what is there.
"""

from __future__ import annotations

import io
from typing import IO, Any

from qnnsolve.models.refused import Refused

__all__ = ["check_saved", "load_tensors"]

RATIO = 20
"""What a file unpacks to may be this many times its size; torch.save does not compress."""
SPREAD = 64 * 2**20
"""Bytes that a tensor may have beyond those of its storage, which it repeats (``expand``)."""
MOST_VALUES = 1_000_000


def load_tensors(stream: IO[bytes]) -> Any:
    """What a file of ``torch.save`` holds: tensors and plain containers and values, on the CPU.

    Raises:
        Refused: it is no such file, or a size in it cannot be true.
        UnpicklingError: it holds other objects.
    """
    import torch

    check_saved(stream)
    stream.seek(0)
    return torch.load(stream, map_location="cpu", weights_only=True)


def check_saved(stream: IO[bytes]) -> None:
    """Refuse a file of ``torch.save`` whose sizes are not those of its data; no tensor is allocated.

    Raises:
        Refused: a declared size is not that of the data.
        UnpicklingError: it holds more than tensors, plain containers and values.
    """
    import torch
    from torch._weights_only_unpickler import Unpickler

    start = stream.seek(0)
    if stream.read(4) != b"PK\x03\x04":
        raise Refused("is no file of torch.save, or one of before torch 1.6: write it again")
    size = stream.seek(0, io.SEEK_END)
    stream.seek(start)
    reader = torch._C.PyTorchFileReader(stream)
    records = {name: reader.get_record_size(name) for name in reader.get_all_records()}
    if sum(records.values()) > RATIO * size:
        raise Refused(f"unpacks to {sum(records.values()):,} bytes from {size:,}, which torch.save does not do")
    if "data.pkl" not in records:
        raise Refused("is no file of torch.save")

    def storage(saved: Any) -> Any:
        _, kind, key, _, numel = saved
        dtype = torch.uint8 if kind is torch.UntypedStorage else kind.dtype
        there = records.get(f"data/{key}")
        if there is None or type(numel) is not int or not 0 <= numel * dtype.itemsize <= there:
            raise Refused(f"declares {numel:,} values of {_name(dtype)} where there are {there or 0:,} bytes")
        make: Any = torch.UntypedStorage
        typed: Any = torch.storage.TypedStorage
        return typed(wrap_storage=make(numel * dtype.itemsize, device="meta"), dtype=dtype, _internal=True)

    unpickler: Any = Unpickler(io.BytesIO(reader.get_record("data.pkl")), encoding="utf-8")
    unpickler.persistent_load = storage
    _count(unpickler.load(), {})


def _name(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")


def _count(value: Any, seen: dict[int, int]) -> int:
    """How many values there are in ``value``, told apart by where they stand; a file can say much with few bytes.

    Raises:
        Refused: too many, or a container that holds itself; or a tensor that repeats its storage too often.
    """
    import torch

    if isinstance(value, torch.Tensor):
        _check_tensor(value)
        return 1
    if not isinstance(value, dict | list | tuple | set):
        return 1
    if id(value) not in seen:
        seen[id(value)] = MOST_VALUES + 1  # which stands for "endless" as long as it is being counted
        parts = [*value.keys(), *value.values()] if isinstance(value, dict) else value
        seen[id(value)] = 1 + sum(_count(part, seen) for part in parts)
    if seen[id(value)] > MOST_VALUES:
        raise Refused(f"holds more than {MOST_VALUES:,} values")
    return seen[id(value)]


def _check_tensor(value: Any) -> None:
    import torch

    if value.layout is not torch.strided or value.is_quantized:
        raise Refused(f"holds a tensor of layout {str(value.layout).removeprefix('torch.')}; only dense ones are read")
    there = value.untyped_storage().nbytes()
    if value.numel() * value.dtype.itemsize > there + SPREAD:
        raise Refused(f"holds a tensor of {value.numel():,} values in {there:,} bytes")
