"""ExecuTorch's own op models: the module and the inputs of each test of its Qualcomm backend, first case of each.

The installed tests are driven, not copied: each is run until it asks for its first quantized module, and stopped
there. Random weights and inputs are drawn from one seed per test, so that they are the same in every process.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any
from unittest import SkipTest
from unittest.mock import MagicMock

# Set before ExecuTorch looks: where the variable is missing it would download an SDK.
os.environ.setdefault("QNN_SDK_ROOT", "")

import attrs
import torch
import torch._dynamo  # looks for optional packages by name, so it has to come before the stand-ins

__all__ = ["OpModel", "op_models"]

SEED = 1126
SUITE = "executorch.backends.qualcomm.tests.test_qnn_delegate"
QUANTIZER_SETTINGS = {
    "is_conv_per_channel": "per_channel_conv",
    "is_linear_per_channel": "per_channel_linear",
    "is_embedding_per_channel": "per_channel_embedding",
}


@attrs.frozen(eq=False)
class OpModel:
    """A model that both quantizers take; ``settings`` are what ExecuTorch's ``make_quantizer`` is told beside a preset.

    Of one of ExecuTorch's tests it is the first case.
    """

    name: str
    module: torch.nn.Module
    inputs: tuple[Any, ...]
    settings: Mapping[str, Any]
    samples: tuple[tuple[Any, ...], ...] = ()
    """What it is calibrated with; none mean the inputs."""
    pins: tuple[str, ...] = ()
    """Wishes of qnnsolve's, which must hold (strict) where there are any."""


class _Asked(BaseException):
    """Carries what a test asked to have quantized; past every ``except Exception`` of a test."""


def op_models() -> Iterator[OpModel]:
    """Every test of ``TestQNNQuantizedOperator`` that quantizes a module, by name."""
    case = _suite().TestQNNQuantizedOperator
    case.soc_model, case.backend = "SM8750", "htp"

    def ask(self: Any, module: torch.nn.Module, inputs: tuple[Any, ...], *args: Any, **settings: Any) -> None:
        raise _Asked(module, inputs, settings)

    case.get_qdq_module = ask
    case.get_prepared_qat_module = ask
    for name in sorted(name for name in dir(case) if name.startswith("test_")):
        method = getattr(case, name)
        torch.manual_seed(SEED)
        try:
            # Past a skip by SDK version: the compiler here is newer than every version that the tests ask for.
            getattr(method, "__wrapped__", method)(case(name))
        except _Asked as asked:
            module, inputs, settings = asked.args
            kept = {QUANTIZER_SETTINGS[key]: value for key, value in settings.items() if key in QUANTIZER_SETTINGS}
            yield OpModel(name.removeprefix("test_").removeprefix("qnn_backend_"), module.eval(), tuple(inputs), kept)
        except SkipTest:
            continue


def _suite() -> ModuleType:
    """The installed tests. What they import for other tests and is absent here (torchvision ...) gets a stand-in."""
    import importlib

    import executorch.backends.qualcomm.quantizer.quantizer  # noqa: F401

    absent: list[str] = []
    try:
        while True:
            try:
                return importlib.import_module(SUITE)
            except ModuleNotFoundError as error:
                if error.name is None or error.name in absent or error.name.startswith("executorch"):
                    raise
                absent.append(error.name)
                sys.modules[error.name] = MagicMock(__spec__=None)
    finally:
        for name in absent:
            sys.modules.pop(name, None)
