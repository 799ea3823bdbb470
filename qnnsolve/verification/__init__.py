"""Whether a `.pte` computes what it should."""
