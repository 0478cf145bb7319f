"""Thinking words: which they are, and words that stand beside them as controls."""
