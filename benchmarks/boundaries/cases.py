"""Every case by name, and what ExecuTorch's quantizer is told to have the same."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.boundaries.behind import behind
from benchmarks.boundaries.between import between
from benchmarks.boundaries.blocks import blocks
from benchmarks.boundaries.case import Boundary
from benchmarks.boundaries.joins import joins
from benchmarks.boundaries.kept import said, stands_in
from benchmarks.boundaries.within import within
from benchmarks.op_model_cases import OpModel
from benchmarks.upstream import stand_ins

__all__ = ["boundaries", "compared", "settings_of"]

_PRESETS = {(8, 8): "8a8w", (16, 8): "16a8w", (16, 4): "16a4w", (16, 16): "16a16w", (8, 4): "8a4w"}


@functools.cache
def boundaries() -> dict[str, Boundary]:
    """All cases, in the order of the table."""
    cases = (*joins(), *between(), *behind(), *within(), *blocks())
    found = {case.name: case for case in cases}
    assert len(found) == len(cases), "names are unique"
    return found


def compared() -> Iterator[OpModel]:
    """The cases as models that both quantizers take."""
    stand_ins.install(("pydot", "tabulate"))  # ExecuTorch draws graphs and tables with these; nothing here does
    for case in boundaries().values():
        samples = case.form.samples()
        settings = settings_of(case) or {}
        yield OpModel(case.name, case.form.module(), samples[0], settings, samples, case.pins)


def settings_of(case: Boundary) -> dict[str, Any] | None:
    """The same for ``make_quantizer``, as presets of submodules; None where its presets cannot say it."""
    from executorch.backends.qualcomm.quantizer.quantizer import ModuleQConfig, QuantDtype

    found: list[tuple[Callable[[Any], bool], Any]] = []
    for pin in case.pins:
        wish = said(pin)
        preset = None if wish is None else _PRESETS.get((wish.what.activation or 0, wish.what.weight or 8))
        if wish is None or preset is None:
            return None
        config = ModuleQConfig(QuantDtype[f"use_{preset}"], is_conv_per_channel=True)
        found.append((functools.partial(stands_in, wish.where), config))
    return {"submodule_qconfig_list": found} if found else {}
