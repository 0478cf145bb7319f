"""Importance weights: draws of one distribution that stand for draws of another."""

from dataclasses import dataclass

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


@dataclass(frozen=True, eq=False)
class Choices:
    """What may stand at a place: the share of each, its weight, and P(outcome) behind it.

    The shares are those of one distribution and sum to 1, the weights make them those of another.
    All that follows is NaN where there are none. `choices` makes them.
    """

    share: Weights
    weight: Weights
    outcome: Weights

    def over(self, values: Weights) -> float:
        """The mean of something over what may stand there."""
        return float(self.share @ values) if len(self.share) else np.nan

    @property
    def mean_weight(self) -> float:
        """1 where the other distribution puts no mass elsewhere."""
        return self.over(self.weight)

    @property
    def effective_share(self) -> float:
        """(mean w)² / mean w²; NaN where all weights are 0."""
        square = self.over(self.weight**2)
        return self.mean_weight**2 / square if square > 0 else np.nan

    @property
    def gain(self) -> float:
        """P(outcome) under the other distribution less that under the own: a covariance with w."""
        return self.over((self.weight - 1) * (self.outcome - self.over(self.outcome)))


def choices(share: Weights, weight: Weights, outcome: Weights) -> Choices:
    """What has a weight, by its share of what has one; the weights of others are NaN."""
    there = ~np.isnan(weight) & (share > 0)
    total = share[there].sum()
    return Choices(share[there] / (total if total > 0 else 1.0), weight[there], outcome[there])
