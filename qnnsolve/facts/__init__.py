"""Facts: the graph, the SoC, the operator tables. Data with provenance; no decisions."""
