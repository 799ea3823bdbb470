"""What torch, torchao and ExecuTorch say while they work, kept off the user's terminal: :func:`quiet`.

Only their own messages below ``ERROR``, and only inside the context: nothing of the user's process is changed
for good. Importing ExecuTorch's passes (1.5.1, ``convert_mha_to_sha.py``) configures the root logger; that is
undone too.
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator

__all__ = ["quiet"]

_PACKAGES = ("executorch", "torchao")
_PYTREE = "torch.utils._pytree"
"""Warns (torch 2.13) about an enum that torchao 0.18 registers while it is imported."""


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Inside, upstream's own INFO and WARNING records and its known warnings go nowhere. One may stand in another."""
    root, pytree = logging.getLogger(), logging.getLogger(_PYTREE)
    level, handlers = root.level, root.handlers[:]
    if not handlers and logging.lastResort is not None:
        # logging.info() on a bare root logger would configure it; this is what Python does without.
        root.addHandler(logging.lastResort)
    added = [(each, _not_upstream) for each in (*root.handlers, root)] + [(pytree, _is_error)]
    added = [(each, kept) for each, kept in added if kept not in each.filters]  # what is so already is an outer one's
    for each, kept in added:
        each.addFilter(kept)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*treespec, LeafSpec", FutureWarning)
            # torch 2.13 warns of what its recurrent layers do themselves when they are exported.
            warnings.filterwarnings("ignore", "The tensor attributes? .*_flat_weights", UserWarning)
            yield
    finally:
        for each, kept in added:
            each.removeFilter(kept)
        root.handlers[:] = handlers
        root.setLevel(level)


def _is_error(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.ERROR


def _not_upstream(record: logging.LogRecord) -> bool:
    """Also by file, since ExecuTorch logs some of its messages on the root logger."""
    named = record.name.split(".")[0] in _PACKAGES
    return _is_error(record) or not (named or any(f"/{package}/" in record.pathname for package in _PACKAGES))
