"""A series of checkpoints in the order of training: what each writes, and what changes."""
