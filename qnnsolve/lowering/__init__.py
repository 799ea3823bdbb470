"""A converted model becomes a `.pte`."""
