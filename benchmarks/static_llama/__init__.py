"""ExecuTorch's own ``llama.py`` (examples/qualcomm/oss_scripts/llama), unchanged, with one class or the other.

A tiny Llama (3 layers, 64 wide) is trained for a minute on the texts of Python's ``help()``, exported in the hybrid
mode (prefill and decode in one program, KV caches in 8 bits, R3 rotation) and run on the emulator token by token.

``python -m benchmarks.static_llama --out DIR`` trains, exports with ``SolveQuantizer``, plays, and prints what came out
as JSON; ``--quantizer executorch`` exports with ``QnnQuantizer``.
"""
