"""Measurements: what the backend computes, how far models are off, how long the solve takes."""
