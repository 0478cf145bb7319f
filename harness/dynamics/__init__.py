"""`python -m harness.dynamics`: what changes over a series of checkpoints."""
