"""What qnnsolve costs, beside what it replaces: ``python -m benchmarks.speed`` writes ``benchmarks/RESULTS.md``."""
