"""Numbers of numbers: distances of distributions, dependence, pooling to sentences."""
