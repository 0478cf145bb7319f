"""Figures of what validations found."""
