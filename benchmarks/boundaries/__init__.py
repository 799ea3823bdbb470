"""Where two precisions meet: small models with wishes, on the real compiler and emulator (``docs/boundaries.md``)."""
