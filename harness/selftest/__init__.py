"""Detectors where the truth is known."""
