"""ExecuTorch's own flows as they are, with the class swapped, and the program of each on the emulator.

``python -m benchmarks.executorch_flows --out DIR [--flow build|recipe|transformers]`` prints as JSON which quantizer
was made, and the largest error against the float model as a share of the output's range. ``build`` is
``build_executorch_binary``; ``recipe`` a whole ``ExportRecipe``, every stage of it; ``transformers`` the
``PT2EQuantizer`` of transformers, lowered by ExecuTorch: the exporter of transformers (5.23) has no backend for QNN.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["QNN_SDK_ROOT"] = ""  # else ExecuTorch downloads an SDK

import torch

Sample = tuple[torch.Tensor]


def _build(net: torch.nn.Module, samples: list[Sample], soc: str, out: Path) -> Any:
    from executorch.backends.qualcomm import export_utils
    from executorch.backends.qualcomm.quantizer.quantizer import QuantDtype

    made = []
    make = export_utils.make_quantizer
    export_utils.make_quantizer = lambda **settings: made.append(make(**settings)) or made[-1]
    os.environ["QNN_SDK_ROOT"] = str(out)  # QnnConfig wants one (1.5.1), but the libraries are loaded already
    config = export_utils.QnnConfig(soc_model=soc, build_folder=str(out), enable_x86_64=True)
    os.environ["QNN_SDK_ROOT"] = ""
    export_utils.build_executorch_binary(net, config, str(out / "net"), samples, quant_dtype=QuantDtype.use_16a8w)
    return made[0]


def _recipe(net: torch.nn.Module, samples: list[Sample], soc: str, out: Path) -> Any:
    from executorch.backends.qualcomm._passes.qnn_pass_manager import get_qnn_pass_manager_cls
    from executorch.backends.qualcomm.recipes.qnn_recipe_provider import QNNRecipeProvider
    from executorch.backends.qualcomm.serialization.qc_schema import QcomChipset, QnnExecuTorchBackendType
    from executorch.export import ExportRecipe, QuantizationRecipe, export

    passes = get_qnn_pass_manager_cls(QnnExecuTorchBackendType.kHtpBackend)
    quantizer = _quantizer(soc)
    recipe = ExportRecipe(
        quantization_recipe=QuantizationRecipe(quantizers=[quantizer]),
        aten_transform_passes=[lambda _, program: passes().transform_for_export_pipeline(program)],
        lowering_recipe=QNNRecipeProvider()._get_qnn_lowering_recipe(use_fp16=False, soc_model=QcomChipset[soc]),
    )
    (out / "net.pte").write_bytes(bytes(export(net, samples, recipe).get_pte_buffer()))
    return quantizer


def _transformers(net: torch.nn.Module, samples: list[Sample], soc: str, out: Path) -> Any:
    from executorch.backends.qualcomm._passes.qnn_pass_manager import get_qnn_pass_manager_cls
    from executorch.backends.qualcomm.recipes.qnn_recipe_provider import QNNRecipeProvider
    from executorch.backends.qualcomm.serialization.qc_schema import QcomChipset, QnnExecuTorchBackendType
    from executorch.backends.qualcomm.utils.qnn_manager_lifecycle import QnnManagerContext
    from executorch.exir import to_edge_transform_and_lower
    from transformers.exporters import PT2EQuantizer, configs

    quantizer = _quantizer(soc)
    calibration = [{"input": sample} for (sample,) in samples]
    wrapped = PT2EQuantizer(quantizer, calibration_dataset=calibration)
    graph = torch.export.export(net, (), calibration[0]).module()
    converted = wrapped.quantize(graph, calibration[0], configs.ExportFormat.EXECUTORCH)
    passes = get_qnn_pass_manager_cls(QnnExecuTorchBackendType.kHtpBackend)()
    program = passes.transform_for_export_pipeline(torch.export.export(converted, (), calibration[0], strict=True))
    lowering = QNNRecipeProvider()._get_qnn_lowering_recipe(use_fp16=False, soc_model=QcomChipset[soc])
    (partitioner,) = lowering.partitioners
    with QnnManagerContext({"forward": partitioner.compiler_specs_snapshot}):
        lowered = to_edge_transform_and_lower(
            program,
            transform_passes=passes.get_to_edge_transform_passes(program),
            partitioner=[partitioner],
            compile_config=lowering.edge_compile_config,
        )
    (out / "net.pte").write_bytes(lowered.to_executorch().buffer)
    return quantizer


def _quantizer(soc: str) -> Any:
    from executorch.backends.qualcomm import export_utils
    from executorch.backends.qualcomm.quantizer.quantizer import QuantDtype

    return export_utils.make_quantizer(quant_dtype=QuantDtype.use_16a8w, soc_model=soc)


FLOWS: dict[str, Callable[..., Any]] = {"build": _build, "recipe": _recipe, "transformers": _transformers}


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.executorch_flows")
    parser.add_argument("--out", type=Path, required=True, help="a folder")
    parser.add_argument("--soc", default="SM8750")
    parser.add_argument("--flow", action="append", choices=FLOWS, help="again for more; without, all")
    options = parser.parse_args()
    from benchmarks.static_llama.absent import stand_in

    stand_in()
    import executorch.kernels.quantized  # noqa: F401  (registers the CPU's quantize and dequantize)
    from executorch.runtime import Runtime

    import qnnsolve.executorch
    from qnnsolve.host.libraries import ensure_loaded

    ensure_loaded()
    qnnsolve.executorch.install()
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 16, 3),
        torch.nn.ReLU(),
        torch.nn.Conv2d(16, 8, 3),
        torch.nn.Flatten(),
        torch.nn.Linear(1152, 10),
    ).eval()
    samples = [(torch.rand(1, 3, 16, 16),) for _ in range(4)]
    options.out.mkdir(parents=True, exist_ok=True)
    with torch.no_grad():
        wanted = net(*samples[0])
    found = {}
    for flow in options.flow or FLOWS:
        folder = options.out / flow
        folder.mkdir()
        quantizer = FLOWS[flow](net, samples, options.soc, folder)
        method = Runtime.get().load_program(folder / "net.pte").load_method("forward")
        error = (method.execute(list(samples[0]))[0] - wanted).abs().max() / (wanted.max() - wanted.min())
        found[flow] = {"quantizer": type(quantizer).__name__, "error": round(float(error), 5)}
    (options.out / "found.json").write_text(json.dumps(found))
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
