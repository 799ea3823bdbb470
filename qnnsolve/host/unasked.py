"""ExecuTorch's quantizer without the SDK in this process (:func:`sdk_unasked`), or with one that works."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from qnnsolve.errors import HostBackendError
from qnnsolve.host.libraries import find_sdk
from qnnsolve.host.trial import try_libraries

__all__ = ["sdk_if_it_works", "sdk_unasked"]

_ROOT = "QNN_SDK_ROOT"


@contextlib.contextmanager
def sdk_unasked() -> Iterator[None]:
    """Inside, ExecuTorch finds no SDK, and loads nothing of it into this process.

    ExecuTorch (1.5.1, ``quantizer/backend_opinfo_adapter.py``) imports the SDK's ``BackendOpInfo``, and with it
    Qualcomm's libraries, when its quantizer is imported and again when one is made, if the first did not succeed. Here
    a child asks it (:mod:`qnnsolve.facts.sdk`). Empty, not unset: then ExecuTorch would download an SDK.
    """
    before = os.environ.get(_ROOT)
    os.environ[_ROOT] = ""
    try:
        yield
    finally:
        if before is not None:
            os.environ[_ROOT] = before


@contextlib.contextmanager
def sdk_if_it_works() -> Iterator[None]:
    """Inside, ExecuTorch finds the SDK whose libraries load in a trial, and no other.

    One of its passes (1.5.1, ``recompose_hadamard.py``) loads them into this process, to know their version.
    """
    with contextlib.ExitStack() as stack:
        try:
            if (sdk := find_sdk()) is not None:
                try_libraries(sdk)
        except HostBackendError:  # an export says so; to solve, they are not needed
            stack.enter_context(sdk_unasked())
        yield
