"""Two runs side by side: other models, checkpoints or problems."""
