"""Figures of what is found where the truth is known."""
