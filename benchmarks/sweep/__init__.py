"""Some hundred functional forms, each by the library path and by the command line's: what was announced, and what came.

``python -m benchmarks.sweep`` (or ``make sweep``) runs them; :mod:`benchmarks.sweep.forms` are the forms.
"""
