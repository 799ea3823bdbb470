"""A solution becomes torchao annotations, and what calibration shows."""

from __future__ import annotations

from qnnsolve.host.unasked import sdk_unasked

with sdk_unasked():  # before any module of this wing imports it
    import executorch.backends.qualcomm.quantizer.quantizer  # noqa: F401
