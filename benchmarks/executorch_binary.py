"""ExecuTorch's ``build_executorch_binary`` as it is, with the class swapped, and its program on the emulator.

``python -m benchmarks.executorch_binary --out DIR`` prints as JSON which quantizer was made, and the largest error
against the float model as a share of the output's range.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

os.environ["QNN_SDK_ROOT"] = ""  # else ExecuTorch downloads an SDK

import torch


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.executorch_binary")
    parser.add_argument("--out", type=Path, required=True, help="a folder")
    parser.add_argument("--soc", default="SM8750")
    options = parser.parse_args()
    from benchmarks.static_llama.absent import stand_in

    stand_in()
    import executorch.kernels.quantized  # noqa: F401  (registers the CPU's quantize and dequantize)
    from executorch.backends.qualcomm import export_utils
    from executorch.backends.qualcomm.quantizer.quantizer import QuantDtype
    from executorch.runtime import Runtime

    import qnnsolve.executorch
    from qnnsolve.host.libraries import ensure_loaded

    ensure_loaded()
    qnnsolve.executorch.install()
    made = []
    make = export_utils.make_quantizer
    export_utils.make_quantizer = lambda **settings: made.append(make(**settings)) or made[-1]
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 16, 3),
        torch.nn.ReLU(),
        torch.nn.Conv2d(16, 8, 3),
        torch.nn.Flatten(),
        torch.nn.Linear(1152, 10),
    ).eval()
    samples = [(torch.rand(1, 3, 16, 16),) for _ in range(4)]
    os.environ["QNN_SDK_ROOT"] = str(options.out)  # QnnConfig wants one (1.5.1), but the libraries are loaded already
    config = export_utils.QnnConfig(soc_model=options.soc, build_folder=str(options.out), enable_x86_64=True)
    os.environ["QNN_SDK_ROOT"] = ""
    export_utils.build_executorch_binary(
        net, config, str(options.out / "net"), samples, quant_dtype=QuantDtype.use_16a8w
    )
    method = Runtime.get().load_program(options.out / "net.pte").load_method("forward")
    with torch.no_grad():
        wanted = net(*samples[0])
    error = (method.execute(list(samples[0]))[0] - wanted).abs().max() / (wanted.max() - wanted.min())
    found = {"quantizers": [type(each).__name__ for each in made], "error": round(float(error), 5)}
    (options.out / "found.json").write_text(json.dumps(found))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
