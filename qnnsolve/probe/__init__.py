"""Asks Qualcomm's real HTP compiler what it accepts, and writes the answers as operator tables."""
