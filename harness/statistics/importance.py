"""Importance weights: draws of one distribution that stand for draws of another."""

import numpy as np
from jaxtyping import Float

Weights = Float[np.ndarray, " draws"]


def known(values: Weights) -> Float[np.ndarray, " some"]:
    """Those that are not NaN."""
    return values[~np.isnan(values)]


def mean(values: Weights) -> float:
    """The mean of those that are not NaN; NaN without any."""
    there = known(values)
    return float(there.mean()) if len(there) else np.nan


def effective_share(weights: Weights) -> float:
    """(mean w)² / mean w², from 1/n to 1: as if this share of the draws counted alike.

    NaN without weights, or where all are 0.
    """
    there = known(weights)
    square = mean(there**2)
    return mean(there) ** 2 / square if square > 0 else np.nan
