"""How alike two score vectors rank the sentences of each trace; NaN where either is constant."""

import numpy as np
from jaxtyping import Float, Int

from harness.agreement.segments import Segments

# Squared centred ranks (over n) below this, a sentence, are what rounding leaves of a constant.
CONSTANT = 1e-9

Scores = Float[np.ndarray, " sentences"]
PerTrace = Float[np.ndarray, " traces"]


def correlation(x: Scores, y: Scores, traces: Segments) -> PerTrace:
    """Pearson correlation within each trace of two vectors on the scale of ranks over n."""
    x, y = traces.centre(x), traces.centre(y)
    xx, yy = traces.sum(x * x), traces.sum(y * y)
    flat = ~(np.minimum(xx, yy) > CONSTANT * traces.size)
    norm = np.where(flat, np.nan, np.sqrt(xx * yy))
    return np.clip(traces.sum(x * y) / norm, -1, 1)


def spearman(x: Scores, y: Scores, traces: Segments) -> PerTrace:
    """Spearman's rank correlation within each trace, ties sharing their mean rank."""
    return correlation(traces.centred_ranks(x), traces.centred_ranks(y), traces)


def kendall(x: Scores, y: Scores, traces: Segments) -> PerTrace:
    """Kendall's tau-b within each trace: concordant minus discordant pairs, corrected for ties."""
    stops = traces.start + traces.size
    spans = [slice(i, j) for i, j in zip(traces.start, stops, strict=True)]
    return np.array([_tau_b(x[span], y[span]) for span in spans], dtype=np.float64)


def _tau_b(x: np.ndarray, y: np.ndarray) -> float:
    dx, dy = (np.sign(v[:, None] - v).ravel() for v in (x, y))
    norm = np.sqrt((dx @ dx) * (dy @ dy))
    return float(dx @ dy / norm) if norm else np.nan


def topk(x: Scores, y: Scores, traces: Segments, fraction: float) -> PerTrace:
    """Overlap of the top k sentences, 0 at chance and 1 at equality of untied tops.

    k = max(1, round(fraction · n)). A sentence counts by its probability of being chosen when ties
    at the edge are drawn at random, so three non-zero scores of sixty overlap themselves at .53
    (before the correction (o − c)/(1 − c), c = k/n).
    """
    k = np.maximum(1, np.rint(fraction * traces.size)).astype(np.int64)
    both = _membership(x, k, traces) * _membership(y, k, traces)
    chance = k / traces.size
    corrected = (traces.sum(both) / k - chance) / np.where(chance < 1, 1 - chance, np.nan)
    return np.where(_constant(x, traces) | _constant(y, traces), np.nan, corrected)


def _membership(values: Scores, k: Int[np.ndarray, " traces"], traces: Segments) -> Scores:
    """Probability of being among the k highest when ties at the edge are drawn at random."""
    order = np.lexsort((values, traces.spread(np.arange(len(k)))))
    edge = traces.spread(values[order][traces.start + traces.size - k])
    above, tied = (values > edge).astype(np.float64), (values == edge).astype(np.float64)
    share = (k - traces.sum(above)) / traces.sum(tied)
    return above + tied * traces.spread(share)


def _constant(values: Scores, traces: Segments) -> np.ndarray:
    first = traces.spread(values[traces.start])
    return traces.sum((values != first).astype(np.float64)) == 0
