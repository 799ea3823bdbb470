"""``llama.py`` as it is installed, on the host's compiler: :func:`export`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from benchmarks.static_llama.model import CONTEXT, PREFILL

NAME = "stories260k"
PROGRAM = f"{NAME}_hybrid_llama_qnn.pte"
CONVERTED = "decode_qdq.pt2"


def export(folder: Path, out: Path, soc: str, ours: bool) -> Any:
    """Export what was trained in ``folder`` to ``out``; the quantizers that the script has made."""
    from executorch.examples.qualcomm.oss_scripts.llama import SUPPORTED_LLM_MODELS, llama
    from executorch.examples.qualcomm.oss_scripts.llama.wrappers import llm_wrappers

    import qnnsolve.executorch
    from qnnsolve.host.libraries import ensure_loaded

    ensure_loaded()
    if ours:
        qnnsolve.executorch.install()
    made: list[Any] = []
    make = llm_wrappers.make_quantizer
    llm_wrappers.make_quantizer = lambda **settings: made.append(make(**settings)) or made[-1]

    class Tiny(type(SUPPORTED_LLM_MODELS[NAME])):  # type: ignore[misc]
        r3, transform_weight = True, False  # the weights are laid out for this model from the start

    SUPPORTED_LLM_MODELS[NAME] = Tiny()
    out.mkdir(exist_ok=True)
    settings = {
        "decoder_model": NAME,
        "checkpoint": folder / "model.pt",
        "params": folder / "params.json",
        "tokenizer_model": folder / "tokens.model",
        "tokenizer_bin": folder / "tokens.model",
        "calib_samples": folder / "calibration.json",
        "prompt": "-",
        "model_mode": "hybrid",
        "max_seq_len": CONTEXT,
        "prefill_ar_len": PREFILL,
        "soc_model": soc,
        "build_folder": out,
        "artifact": out,
    }
    words = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
    sys.setrecursionlimit(4096)
    llama.export_llama(llama._build_parser().parse_args([*words, "--compile_only", "--enable_x86_64"]))
    return made
