"""What the user names: a model, its inputs and its samples."""
