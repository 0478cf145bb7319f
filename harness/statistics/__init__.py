"""Distances of distributions, dependence, pooling to sentences."""
