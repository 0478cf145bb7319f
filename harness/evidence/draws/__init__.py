"""Draws: behind which tokens rollouts are written, and what their arms mean."""
