"""Mixed precision, side by side: qnnsolve's search and others, on trained networks, at the same budgets and data."""
