"""From what one sentence does to the tokens of another to a matrix of sentences."""

import numpy as np
from jaxtyping import Bool, Float

from harness.core import Trace

Matrix = Float[np.ndarray, "targets sources"]


def behind(trace: Trace, *, skip: int = 0) -> Bool[np.ndarray, "tokens sources"]:
    """The tokens of sentences after each sentence, the first `skip` left out.

    Nothing for a sentence without tokens.
    """
    first = np.array([s.stop for s in trace.sentences]) + skip
    filled = np.array([s.start < s.stop for s in trace.sentences])
    token = np.arange(len(trace.token_ids))[:, None]
    return (token >= first) & (token < trace.sentences[-1].stop) & filled


def sentence_means(
    trace: Trace,
    values: Float[np.ndarray, "tokens sources"],
    touched: Bool[np.ndarray, "tokens sources"],
) -> Matrix:
    """The mean over the touched tokens of each sentence; NaN where it has none."""
    start = np.array([s.start for s in trace.sentences])
    stop = np.array([s.stop for s in trace.sentences])

    def sums(rows: np.ndarray) -> Matrix:
        total = np.pad(rows.cumsum(axis=0, dtype=np.float64), ((1, 0), (0, 0)))
        return total[stop] - total[start]

    count = sums(touched)
    return sums(np.where(touched, values, 0.0)) / np.where(count > 0, count, np.nan)


def lags(n: int) -> np.ndarray:
    """How many sentences the target (row) lies behind the source (column)."""
    return np.subtract.outer(np.arange(n), np.arange(n))


def mean(values: np.ndarray, axis: int) -> np.ndarray:
    """The mean of the defined values; NaN where there is none."""
    known = np.isfinite(values)
    count = known.sum(axis)
    return np.where(known, values, 0.0).sum(axis) / np.where(count > 0, count, np.nan)
