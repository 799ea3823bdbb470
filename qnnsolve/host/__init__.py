"""Qualcomm's libraries and child processes."""
