"""The specs that both quantizers give models of one op, node by node, and where they differ.

    python -m benchmarks.specs                # models of one op, with one scale per channel and one per weight
    python -m benchmarks.specs --suite        # ExecuTorch's op models, too; minutes

Only nodes count that both have under one name and target, since each rewrites what it annotates. A spec is what of it
reaches the backend: dtype, range, scheme, axis and block; a shared one counts as what it is shared with. Differences
come with their reason; the exit code is 1 where one has none.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import chain, islice
from types import MappingProxyType
from typing import Any

import attrs
import torch
from torch import nn
from torch.export import ExportedProgram
from torchao.quantization.pt2e.quantizer import (
    DerivedQuantizationSpec,
    FixedQParamsQuantizationSpec,
    SharedQuantizationSpec,
)
from torchao.quantization.pt2e.quantizer.quantizer import Q_ANNOTATION_KEY

from benchmarks.boundaries.case import Named
from qnnsolve import SolveQuantizer
from qnnsolve.executorch import _original

__all__ = ["MODELS", "PRESETS", "Difference", "differences", "model_of", "reason_of", "specs_of"]

PRESETS = ("8a8w", "16a8w", "16a4w", "16a16w")
_ROWS, _IMAGE = (2, 8), (1, 4, 8, 8)
_Op = tuple[Callable[[], nn.Module], tuple[tuple[int, ...], ...]]
MODELS: Mapping[str, _Op] = MappingProxyType(
    {
        "convolution": (lambda: nn.Conv2d(4, 8, 3), (_IMAGE,)),
        "convolution and relu": (lambda: nn.Sequential(nn.Conv2d(4, 8, 3), nn.ReLU()), (_IMAGE,)),
        "transposed convolution": (lambda: nn.ConvTranspose2d(4, 8, 2), (_IMAGE,)),
        "linear": (lambda: nn.Linear(8, 4), (_ROWS,)),
        "two linears": (lambda: nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 4)), (_ROWS,)),
        "matmul": (lambda: Named(lambda a, b: a @ b.t()), (_ROWS, _ROWS)),
        "add": (lambda: Named(torch.add), (_ROWS, _ROWS)),
        "sub": (lambda: Named(torch.sub), (_ROWS, _ROWS)),
        "mul": (lambda: Named(torch.mul), (_ROWS, _ROWS)),
        "softmax": (lambda: nn.Softmax(-1), (_ROWS,)),
        "layer norm": (lambda: nn.LayerNorm(8), (_ROWS,)),
        "gelu": (nn.GELU, (_ROWS,)),
        "hard swish": (nn.Hardswish, (_ROWS,)),
        "prelu": (lambda: nn.PReLU(4), (_IMAGE,)),
        "sigmoid": (nn.Sigmoid, (_ROWS,)),
        "tanh": (nn.Tanh, (_ROWS,)),
        "max pool": (lambda: nn.MaxPool2d(2), (_IMAGE,)),
        "average pool": (lambda: nn.AvgPool2d(2), (_IMAGE,)),
        "upsampling": (lambda: nn.Upsample(scale_factor=2), (_IMAGE,)),
        "mean": (lambda: Named(lambda a: a.mean(-1)), (_ROWS,)),
        "cat": (lambda: Named(lambda a, b: torch.cat((a, b))), (_ROWS, _ROWS)),
        "reshape": (lambda: Named(lambda a: a.reshape(4, 4)), (_ROWS,)),
        "permute": (lambda: Named(lambda a: a.permute(1, 0)), (_ROWS,)),
        "slice": (lambda: Named(lambda a: a[:, 1:5]), (_ROWS,)),
    }
)
"""By name how a model of one op is built, and the shapes of its inputs."""


@cache
def model_of(name: str) -> ExportedProgram:
    """One of :data:`MODELS`, exported."""
    build, shapes = MODELS[name]
    return torch.export.export(build().eval(), tuple(torch.ones(shape) for shape in shapes), strict=True)


@attrs.frozen
class Difference:
    """At ``port`` of a node: what ours and what ExecuTorch's quantizer has, by short names."""

    target: str
    port: str
    ours: str
    theirs: str


_REASONS = (
    (r".* \S+: .* fixed, .*", "the chip computes it in one scale, whatever its encoding says; observed, it is wrong"),
    (
        r"aten\.(conv|linear)\S* in\[2\]: derived, s32sym",
        "the chip takes a bias in the scale of the input times that of the weight, whatever is declared",
    ),
    (
        r"aten\.(conv|linear)\S* in\[1\]: s8sym, u8sym",
        "a weight of 8 bits with one scale, around 0 here as in every other preset, around 128 in ExecuTorch's 16a8w",
    ),
    (r"aten\.cumsum\S* \S+: u16, u8", "the chip has no cumulative sum of 8 bits: a deviation, which the report names"),
    (
        r"aten\.(group|instance|rms)_norm\S* in\[1\]: .*",
        "the weight of a norm is as wide as the activations, and signed where the chip takes that; "
        "ExecuTorch has that of a convolution, or unsigned",
    ),
    (r"aten\.index_put\S* in\[0\]: .*, nothing", "what is written into is quantized, too"),
    (r"aten\.mul\.Tensor in\[1\]: .*, nothing", "a number that ExecuTorch's passes made a constant is quantized, too"),
    (r"aten\.unbind\S* out: nothing, .*", "it has several outputs, each with an encoding of its own"),
)


def reason_of(difference: Difference) -> str | None:
    """Why the two differ there; None where that is not known."""
    each = difference
    text = f"{each.target} {each.port}: {each.ours}, {each.theirs}"
    return next((reason for pattern, reason in _REASONS if re.fullmatch(pattern, text)), None)


def specs_of(quantizer: Any, model: ExportedProgram) -> dict[tuple[str, str, str], str]:
    """By node, target and port the short name of its spec."""
    graph = quantizer.transform_for_annotation(model.module())
    quantizer.annotate(graph)
    found: dict[tuple[str, str, str], str] = {}
    for node in graph.graph.nodes:
        annotation = node.meta.get(Q_ANNOTATION_KEY)
        if node.op != "call_function" or annotation is None:
            continue
        for index, source in enumerate(node.all_input_nodes):
            if source in annotation.input_qspec_map:
                spec = annotation.input_qspec_map[source]
                found[node.name, str(node.target), f"in[{index}]"] = name_of(spec, graph)
        if annotation.output_qspec is not None:
            found[node.name, str(node.target), "out"] = name_of(annotation.output_qspec, graph)
    return found


def name_of(spec: Any, graph: Any) -> str:
    """``u16``, ``s8/0``, ``s32 derived``; of a shared spec that of whom it is shared with."""
    seen: list[Any] = []
    while isinstance(spec, SharedQuantizationSpec) and spec.edge_or_node not in seen:
        seen.append(spec.edge_or_node)
        at = spec.edge_or_node
        owner, source = (at[1], at[0]) if isinstance(at, tuple) else (at, None)
        annotation = owner.meta.get(Q_ANNOTATION_KEY)
        if annotation is None:
            return "shared"
        spec = annotation.output_qspec if source is None else annotation.input_qspec_map.get(source)
    if spec is None:
        return "none"
    if isinstance(spec, SharedQuantizationSpec):
        return "shared in a circle"
    if isinstance(spec, DerivedQuantizationSpec):
        return "derived"
    low, high = spec.quant_min, spec.quant_max
    info = torch.iinfo(spec.dtype)
    low, high = info.min if low is None else low, info.max if high is None else high
    bits = (high - low).bit_length()
    fixed = " fixed" if isinstance(spec, FixedQParamsQuantizationSpec) else ""
    axis = getattr(spec, "ch_axis", None)
    per_channel = "channel" in str(spec.qscheme)
    symmetric = "sym" if "symmetric" in str(spec.qscheme) else ""
    return f"{'s' if low < 0 else 'u'}{bits}{symmetric}{f'/{axis}' if per_channel else ''}{fixed}"


def differences(model: ExportedProgram, soc: str, precision: str, channels: bool = True) -> Iterator[Difference]:
    """Where the two have another spec at one port of a node; ``channels``: with one scale per channel of weights."""
    from executorch.backends.qualcomm.quantizer.quantizer import QuantDtype
    from executorch.backends.qualcomm.serialization.qc_schema import QcomChipset, QnnExecuTorchBackendType

    each = {"is_conv_per_channel": channels, "is_linear_per_channel": channels}
    both = []
    for kind in (SolveQuantizer, _original()):
        quantizer = kind(QnnExecuTorchBackendType.kHtpBackend, QcomChipset[soc], strict=False)
        quantizer.set_default_quant_config(QuantDtype[f"use_{precision}"], **each)
        both.append(specs_of(quantizer, model))
    ours, theirs = both
    for (name, target, port), spec in ours.items():
        other = theirs.get((name, target, port))
        if other is not None and other != spec:
            yield Difference(target, port, spec, other)
        elif other is None and any(key[0] == name and key[1] == target for key in theirs):
            yield Difference(target, port, spec, "nothing")
    for (name, target, port), spec in theirs.items():
        if (name, target, port) not in ours and any(key[0] == name and key[1] == target for key in ours):
            yield Difference(target, port, "nothing", spec)


def suite(every: int = 1) -> Iterator[tuple[str, ExportedProgram]]:
    """ExecuTorch's op models, exported: one of so many."""
    from benchmarks.op_model_cases import op_models

    for model in islice(op_models(), 0, None, every):
        yield model.name, torch.export.export(model.module, model.inputs, strict=True)


def main() -> int:
    """Print every difference with its reason."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--soc", default="SM8750")
    parser.add_argument("--suite", action="store_true", help="ExecuTorch's op models, too, at 8a8w and 16a8w")
    options = parser.parse_args()
    unexplained = 0
    of_one_op = ((name, model_of(name), PRESETS, (True, False)) for name in MODELS)
    of_suite = ((name, model, PRESETS[:2], (True,)) for name, model in (suite() if options.suite else ()))
    for name, model, presets, scales in chain(of_one_op, of_suite):
        for precision in presets:
            for channels in scales:
                for each in differences(model, options.soc, precision, channels):
                    reason = reason_of(each)
                    unexplained += reason is None
                    of = "" if channels else ", one scale per weight"
                    differ = f"{each.target} {each.port}: {each.ours}, QnnQuantizer {each.theirs}"
                    print(f"{precision}{of}, {name}: {differ}: {reason or 'not explained'}")
    return bool(unexplained)


if __name__ == "__main__":
    sys.exit(main())
