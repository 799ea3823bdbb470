"""``python -m benchmarks.static_llama``: see the package."""

from __future__ import annotations

import argparse
import json
import logging
import os
from pathlib import Path

os.environ.setdefault("QNN_SDK_ROOT", "")  # else ExecuTorch downloads an SDK

import attrs

from benchmarks.static_llama.absent import stand_in


def main() -> None:
    """See the package."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.static_llama")
    parser.add_argument("--out", type=Path, required=True, help="a folder; a model that is trained there is not again")
    parser.add_argument("--quantizer", choices=("qnnsolve", "executorch"), default="qnnsolve")
    parser.add_argument("--soc", default="SM8750")
    parser.add_argument("--steps", type=int, default=1000, help="of training, about 30 a second")
    parser.add_argument("--texts", type=int, default=4, help="that are read on the emulator, 63 tokens each")
    options = parser.parse_args()
    stand_in()
    from benchmarks.static_llama import exporting, model, playing

    options.out.mkdir(exist_ok=True)
    if not (options.out / "calibration.json").exists():
        model.train(options.out, options.steps)
    program = options.out / options.quantizer
    made = exporting.export(options.out, program, options.soc, options.quantizer == "qnnsolve")
    logging.disable()
    played = playing.play(options.out, program, options.texts)
    found = {"soc": options.soc, "quantizers": sorted({type(each).__name__ for each in made}), **attrs.asdict(played)}
    if solved := [each.result for each in made if getattr(each, "result", None) is not None]:
        found["converts"] = [sum(c.source != "float" for c in each.converts) for each in solved]
        found["deviations"] = [sum(len(node.deviations) for node in each.nodes) for each in solved]
    (program / "played.json").write_text(json.dumps(found))
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
