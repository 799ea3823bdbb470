"""Mixed-precision search: the best legal config under a budget, from a handful of passes over the model."""
