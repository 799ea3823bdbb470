"""Comparing node by node, and the faults that it finds."""
