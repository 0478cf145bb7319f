"""Scores of many detectors side by side, trace by trace."""
