"""Answers at boundaries where only rollouts that leave the trace's sentences are drawn.

A rollout from boundary k writes the next sentence as it stands with a known probability p_k, and is
then one from boundary k + 1: P_k = p_k P_(k+1) + (1 - p_k) Q_k, Q_k of those that leave. Written
out, P_k is a mixture of the Q_j from k on with weights that are known, and exactly unbiased.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from harness.core import SentenceScores
from harness.statistics.distances import (
    Contrast,
    Values,
    above_floor,
    divergence,
    probabilities,
)

Probabilities = Float[np.ndarray, "rows answers"]
Draws = Int[np.ndarray, "rows answers"]


@dataclass(frozen=True, eq=False)
class Mixture:
    """Distributions of outcomes, a row each, and how many draws each is worth; NaN unknown."""

    p: Probabilities
    number: Float[np.ndarray, " rows"]

    def at(self, row: int) -> tuple[Float[np.ndarray, " answers"], float]:
        """One of them, and its number; 0 where there is none."""
        number = float(self.number[row])
        return self.p[row], number if number > 0 else 0.0

    def behind(self) -> "Mixture":
        """Those behind each sentence: all but the first."""
        return Mixture(self.p[1:], self.number[1:])


def weights(logprob: Values) -> Float[np.ndarray, "boundaries boundaries"]:
    """By boundary (row) how probable it is to leave at each later one (column); rows sum to 1.

    The last column: at none of them. `logprob` is log p in nats that a sentence is written as it
    stands. NaN rows up to the last sentence of which that is unknown, unless it is never reached.
    """
    n = len(logprob)
    found = np.zeros((n + 1, n + 1))
    found[n, n] = 1.0
    for k in reversed(range(n)):
        stay = np.exp(logprob[k])
        found[k] = stay * found[k + 1] if stay != 0 else 0.0
        found[k, k] = -np.expm1(logprob[k])
    return found


def mixture(left: Draws, logprob: Values) -> Mixture:
    """The distribution at each boundary from the counts of those that left there.

    Worth as many draws as have its variance, summed over answers: at the least one, at the most all
    that have a weight in it. NaN where draws lack that have a weight.
    """
    share, n = weights(logprob), left.sum(axis=-1)
    q = probabilities(left)
    known = np.where(n[:, None] > 0, q, 0.0)
    p = np.where((share * (n == 0)).any(axis=-1, keepdims=True), np.nan, share @ known)
    spread = (1 - (known**2).sum(axis=-1)) / np.maximum(n - 1, 1)
    equal = 1 / (share**2 @ (1 / np.maximum(n, 1)))
    return Mixture(
        p, _number(p, share**2 @ spread, equal, np.where(share > 0, n, 0.0).sum(axis=-1))
    )


def sample(counts: Draws) -> Mixture:
    """Draws of one distribution a row as a mixture of it alone."""
    return Mixture(probabilities(counts), counts.sum(axis=-1).astype(np.float64))


def joined(a: Mixture, b: Mixture, share: Values) -> Mixture:
    """Independent mixtures made one, with a share of the second; one without draws has no share."""
    part = share[:, None]
    p = np.where(part > 0, (1 - part) * a.p + part * np.where(part > 0, b.p, 0.0), a.p)
    parts = [(1 - share) ** 2 / a.number, share**2 / np.where(share > 0, b.number, 1.0)]
    return Mixture(p, 1 / (parts[0] + parts[1]))


def averaged(halves: Sequence[Mixture]) -> Mixture:
    """Independent mixtures made one, each of equal weight; one that is not known has none."""
    known = np.array([np.isfinite(each.p).all(axis=-1) for each in halves])
    total = known.sum(axis=0)
    share = np.where(known, 1 / np.maximum(total, 1), 0.0)
    p, number = (np.array([getattr(each, name) for each in halves]) for name in ("p", "number"))
    mean = (share[..., None] * np.where(known[..., None], p, 0.0)).sum(axis=0)
    spread = (share**2 / np.where(known, number, 1.0)).sum(axis=0)
    return Mixture(
        np.where(total[:, None] > 0, mean, np.nan), 1 / np.where(total > 0, spread, np.nan)
    )


def _number(p: Probabilities, variance: Values, equal: Values, most: Values) -> Values:
    """Draws of p that have a variance; as many as count equally where there is but one answer."""
    apart = 1 - (p**2).sum(axis=-1)
    ratio = apart / np.where(variance > 0, variance, np.finfo(float).tiny)
    found = np.where(apart > 1e-12, np.minimum(1 + ratio, most), equal)
    return np.where(np.isfinite(p).all(axis=-1), found, np.nan)


def contrasted(
    contrast: Contrast, own: Mixture, kept: Mixture, shared: Values, rng: np.random.Generator
) -> SentenceScores:
    """How far the rollouts from before a sentence are from those behind it, `kept`.

    A share `shared` of those before writes the sentence as it stands and is like `kept`, the others
    are `own`; with a share of 0 only those that leave it are compared. Each row and its floor count
    as many draws as they are worth. Diagnostics are those of `Contrast.score`.
    """
    measure = divergence(contrast.distance, contrast.alpha)
    worth = _worth(own.number, kept.number, shared)

    def distance(q: Probabilities, p: Probabilities, rows: slice | int) -> Values:
        part, n, m = (each[rows, ..., None] for each in (shared, worth, kept.number))
        before = np.where(part < 1, (1 - part) * q, 0.0) + np.where(part > 0, part * p, 0.0)
        return measure(before * n, p * m)

    raw = distance(own.p, kept.p, slice(None))
    mean, high = np.full((2, len(raw)), np.nan)
    for i in np.flatnonzero(np.isfinite(raw)):
        q, p = _equal((own.at(int(i)), kept.at(int(i))), contrast.floor_draws, rng)
        null = np.abs(distance(q, p, int(i)))
        mean[i], high[i] = null.mean(), np.quantile(null, 0.95)
    found = {"raw": raw, "floor_mean": mean, "floor_95": high}
    found |= {"n_without": worth, "n_with": kept.number}
    score = above_floor(raw, mean, contrast.signed) if contrast.subtract_floor else raw
    return SentenceScores(score, found)


def _worth(own: Values, kept: Values, shared: Values) -> Float[np.ndarray, " rows"]:
    """Equal draws that the rollouts from before a sentence are worth; NaN where there are none."""
    own = np.where(own > 0, own, 0.0)  # NaN is none, too
    left = np.where(shared < 1, (1 - shared) ** 2 / np.maximum(own, 1), 0.0)
    held = np.where(shared > 0, shared**2 / np.where(shared > 0, kept, 1.0), 0.0)
    return 1 / np.where((own > 0) | (shared == 1), left + held, np.nan)


def _equal(
    sides: Sequence[tuple[Float[np.ndarray, " answers"], float]],
    times: int,
    rng: np.random.Generator,
) -> Iterator[Probabilities]:
    """Both sides drawn again from what they pool to, each as often as it counts."""
    pooled = sum((number * p for p, number in sides if number > 0), np.zeros_like(sides[0][0]))
    some = np.flatnonzero(pooled > 0)
    for _, number in sides:
        size, found = max(number > 0, round(number)), np.zeros((times, len(pooled)))
        found[:, some] = rng.multinomial(size, pooled[some] / pooled[some].sum(), times)
        yield found / max(size, 1)
