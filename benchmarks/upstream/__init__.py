"""ExecuTorch's own tests of its Qualcomm backend, with either quantizer, on the emulator (``docs/upstream.md``)."""
