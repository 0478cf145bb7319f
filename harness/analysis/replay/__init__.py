"""Sampling played again from what is recorded: what other ways of drawing would have cost."""
