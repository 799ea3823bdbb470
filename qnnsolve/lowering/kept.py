"""Programs that were compiled before, kept by what they were made from: :class:`KeptPrograms`, :func:`key_of`.

The key is a hash of everything that a compilation depends on: each node of the quantized graph, the bytes of each
tensor that it reads, the inputs, the chip, the compiler, and the files of ExecuTorch and of this package that lower.
What differs in any of it has another key, so that nothing old is ever taken.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import json
import operator
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from qnnsolve.host.libraries import ensure_loaded
from qnnsolve.host.outputs import folder_for

if TYPE_CHECKING:
    import torch

__all__ = ["MOST_BYTES", "VARIABLE", "KeptPrograms", "key_of"]

VARIABLE = "QNNSOLVE_CACHE"
"""Names another folder than the user's; where it is set and empty, nothing is kept."""
MOST_BYTES = 4 << 30
"""What all programs together may take; those that were not used for longest go first."""
_SUFFIX = ".program"
_FOLLOWED = ("executorch.backends.qualcomm", "executorch.exir", "qnnsolve.lowering", "qnnsolve.host")
"""Packages whose files count, beside the versions: a change in a checkout has no version of its own."""


@attrs.frozen
class KeptPrograms:
    """Compiled programs in a folder: each is one file, a hash of what follows, a line of JSON, and the ``.pte``."""

    folder: Path
    most_bytes: int = MOST_BYTES

    @classmethod
    def where(cls, wanted: str | os.PathLike[str] | bool) -> KeptPrograms | None:
        """Those in the folder that is ``wanted``; True: the user's own, False: none.

        Raises:
            UsageError: ``wanted`` cannot be written to.
        """
        if wanted is False:
            return None
        if wanted is not True:
            return cls(folder_for(wanted, "--cache"))
        named = os.environ.get(VARIABLE)
        if named is not None:
            return cls(folder_for(named, VARIABLE)) if named else None
        caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        return cls(Path(caches).expanduser() / "qnnsolve" / "programs")

    def take(self, key: str, pte: Path) -> dict[str, Any] | None:
        """Write the program of ``key`` to ``pte``; what the compiler answered. None: there is none that is whole."""
        path = self.folder / f"{key}{_SUFFIX}"
        with contextlib.suppress(OSError), path.open("rb") as kept:
            digest, head = kept.readline().strip(), kept.readline()
            with pte.open("wb") as file:
                shutil.copyfileobj(kept, file, 1 << 20)
            if _digest(head, pte) == digest:
                with contextlib.suppress(OSError):
                    os.utime(path)
                answer: dict[str, Any] = json.loads(head)
                return answer
        return None

    def keep(self, key: str, pte: Path, answer: dict[str, Any]) -> None:
        """Keep the program at ``pte``, where there is room: a folder that cannot be written to keeps nothing."""
        if pte.stat().st_size > self.most_bytes:
            return
        head = json.dumps(answer).encode() + b"\n"
        with contextlib.suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            descriptor, partial = tempfile.mkstemp(dir=self.folder)
            try:
                with os.fdopen(descriptor, "wb") as file, pte.open("rb") as made:
                    file.write(_digest(head, pte) + b"\n" + head)
                    shutil.copyfileobj(made, file, 1 << 20)
                Path(partial).replace(self.folder / f"{key}{_SUFFIX}")
            finally:
                Path(partial).unlink(missing_ok=True)
            self._make_room()

    def _make_room(self) -> None:
        kept = [(path.stat(), path) for path in self.folder.glob(f"*{_SUFFIX}")]
        kept.sort(key=lambda each: each[0].st_mtime_ns, reverse=True)
        total = 0
        for stat, path in kept:
            total += stat.st_size
            if total > self.most_bytes:
                path.unlink(missing_ok=True)


def key_of(
    converted: torch.fx.GraphModule, inputs: tuple[Any, ...], *, soc: str, fp16: bool, cpu_nodes: Iterable[str]
) -> str | None:
    """A hash of everything that the program depends on; None where the graph holds what has no content to hash.

    The same in every process, as long as nothing that it depends on changes.
    """
    found = hashlib.sha256()
    try:
        for each in (_around(soc, fp16, cpu_nodes), _of_inputs(inputs), _of_graph(converted, "", {})):
            for piece in each:
                found.update(piece if isinstance(piece, memoryview) else piece.encode() + b"\0")
    except _NoContentError:
        return None
    return found.hexdigest()


class _NoContentError(Exception):
    """Something in a graph has no content that could be hashed."""


Piece = str | memoryview


def _around(soc: str, fp16: bool, cpu_nodes: Iterable[str]) -> Iterator[Piece]:
    backend = ensure_loaded()  # before the environment is read, for it sets variables there
    yield from (soc, str(fp16), *sorted(cpu_nodes), "", sys.version, platform.platform())
    for name in ("torch", "torchao", "executorch", "qnnsolve", "onnxruntime-qnn"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            yield f"{name} {importlib.metadata.version(name)}"
    yield from (f"{name}={value}" for name, value in sorted(os.environ.items()) if name.startswith("QNN_"))
    library = (backend.path / "libQnnHtp.so").stat()
    yield f"{backend.build_id} {library.st_size} {library.st_mtime_ns}"
    for package in _FOLLOWED:
        spec = importlib.util.find_spec(package)
        for folder in [] if spec is None else spec.submodule_search_locations or ():
            for path in sorted(Path(folder).rglob("*.py")):
                stat = path.stat()
                yield f"{path} {stat.st_size} {stat.st_mtime_ns}"


def _of_inputs(inputs: tuple[Any, ...]) -> Iterator[Piece]:
    import torch
    from torch.utils import _pytree as pytree

    leaves, spec = pytree.tree_flatten(inputs)
    yield str(spec)
    for leaf in leaves:
        yield from _of_tensor(leaf) if isinstance(leaf, torch.Tensor) else (repr(leaf),)


def _of_tensor(tensor: torch.Tensor) -> Iterator[Piece]:
    import torch

    yield f"{tensor.dtype} {tuple(tensor.shape)} {tensor.stride()}"
    if tensor.numel():
        plain = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        yield plain.numpy().data


def _of_graph(module: torch.fx.GraphModule, path: str, seen: dict[int, str]) -> Iterator[Piece]:
    """Each node, and what it reads of the module; ``seen`` are tensors that were hashed, by where."""
    import torch

    yield str(getattr(module.graph._codegen, "pytree_info", None))
    for node in module.graph.nodes:
        if node.op == "call_module" and node.users:
            raise _NoContentError
        value = node.meta.get("val")
        values = value if isinstance(value, (list, tuple)) else (value,)
        made = [f"{v.dtype} {tuple(v.shape)}" if isinstance(v, torch.Tensor) else type(v).__name__ for v in values]
        around = [(str(name), _type_name(kind)) for name, kind in (node.meta.get("nn_module_stack") or {}).values()]
        called = [(str(name), _type_name(kind)) for name, kind in node.meta.get("source_fn_stack") or ()]
        custom = node.meta.get("custom")
        what = (path, node.name, node.op, _type_name(node.target), node.args, node.kwargs, made, around, called, custom)
        yield repr(what)
        if node.op == "get_attr":
            held = operator.attrgetter(node.target)(module)
            if isinstance(held, torch.fx.GraphModule):
                yield from _of_graph(held, f"{path}{node.name}.", seen)
            elif isinstance(held, torch.Tensor):
                where = seen.setdefault(id(held), f"{path}{node.target}")
                yield where
                if where == f"{path}{node.target}":
                    yield from _of_tensor(held)
            else:
                raise _NoContentError


def _type_name(kind: Any) -> str:
    """The name of a class, a function or an overload, without its address."""
    import torch

    if isinstance(kind, (str, torch._ops.OpOverload, torch._ops.HigherOrderOperator)):
        return str(kind)
    return f"{getattr(kind, '__module__', '')}.{getattr(kind, '__qualname__', type(kind).__name__)}"


def _digest(head: bytes, path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.sha256(head)).hexdigest().encode()
