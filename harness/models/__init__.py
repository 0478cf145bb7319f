"""A model: its weights, its passes, and what is done to it while it reads."""
