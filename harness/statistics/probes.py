"""Thresholds for a wanted share, and linear probes that carry scores to new states."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

Vector = Float[np.ndarray, " width"]


def threshold(
    values: Float[np.ndarray, " values"], weights: Float[np.ndarray, " values"], share: float
) -> float:
    """The value whose equals and betters have the share of all weight that is closest to `share`.

    NaN values take part in the weight only. Raises ValueError where no value is defined.
    """
    known = ~np.isnan(values)
    found, back = np.unique(values[known], return_inverse=True)
    if not len(found):
        raise ValueError("no value is defined")
    each = np.bincount(back, weights[known])
    above = each[::-1].cumsum()[::-1] / weights.sum()
    return float(found[np.abs(above - share).argmin()])


@dataclass(frozen=True, eq=False)
class Probe:
    """A linear map from states to scores: vector · state + bias."""

    vector: Vector
    bias: float

    def of(self, states: Float[np.ndarray, "states width"]) -> Float[np.ndarray, " states"]:
        """What it makes of states."""
        return states @ self.vector + self.bias


def ridge(
    states: Float[np.ndarray, "states width"],
    scores: Float[np.ndarray, " states"],
    penalty: float,
) -> Probe:
    """Ridge regression on standardised states, without a penalty on the mean.

    The penalty counts per state: it is to the mean squared error what it is to the squared weights.
    A coordinate that never changes has no weight.
    """
    middle, spread = states.mean(0), states.std(0)
    scale = np.where(spread > 0, spread, np.inf)
    x = (states - middle) / scale
    gram = x.T @ x / len(x) + penalty * np.eye(x.shape[1])
    weights = np.linalg.solve(gram, x.T @ (scores - scores.mean()) / len(x)) / scale
    return Probe(weights, float(scores.mean() - middle @ weights))


def standardised(
    scores: Float[np.ndarray, " sentences"], *, signed: bool
) -> Float[np.ndarray, " sentences"]:
    """Scores of a trace less their mean, in standard deviations; absolute ones of a signed method.

    NaN where a score is, and everywhere if fewer than two differ.
    """
    values = np.abs(scores) if signed else scores
    known = values[~np.isnan(values)]
    if len(known) < 2 or known.std() == 0:
        return np.full(len(values), np.nan)
    return (values - known.mean()) / known.std()


def correlation(a: Sequence[float] | Vector, b: Sequence[float] | Vector) -> float:
    """Pearson's correlation over the places where both are defined; NaN below three."""
    x, y = np.asarray(a, float), np.asarray(b, float)
    known = ~(np.isnan(x) | np.isnan(y))
    if known.sum() < 3 or x[known].std() == 0 or y[known].std() == 0:
        return float("nan")
    return float(np.corrcoef(x[known], y[known])[0, 1])
