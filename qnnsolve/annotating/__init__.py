"""A solution becomes torchao annotations, and what calibration shows."""
