"""Distances between answer distributions, row by row over sentences, and their noise floor."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int, Real
from scipy.special import entr, rel_entr

from harness.core import Evidence, Rollouts, SentenceScores

Distance = Literal["tv", "js", "kl", "accuracy"]
Counts = Int[np.ndarray, "sentences answers"]
Rows = Real[np.ndarray, "sentences answers"]  # counts, or as if so many had been drawn
Values = Float[np.ndarray, " sentences"]
Divergence = Callable[[Rows, Rows], Values]


def probabilities(counts: Rows) -> Float[np.ndarray, "sentences answers"]:
    """Each row divided by its sum; NaN for a row without draws."""
    total = counts.sum(axis=-1, keepdims=True).astype(np.float64)
    return counts / np.where(total > 0, total, np.nan)


def entropy(counts: Rows) -> Values:
    """Plug-in entropy of each row in nats; NaN for a row without draws."""
    return entr(probabilities(counts)).sum(axis=-1)


def total_variation(without: Rows, kept: Rows) -> Values:
    """Half the absolute differences of the two distributions, in [0, 1]; symmetric."""
    return np.abs(probabilities(without) - probabilities(kept)).sum(axis=-1) / 2


def jensen_shannon(without: Rows, kept: Rows) -> Values:
    """Mean divergence of both distributions from their mixture, in [0, log 2] nats; symmetric."""
    p, q = probabilities(without), probabilities(kept)
    mixture = (p + q) / 2
    return (rel_entr(p, mixture) + rel_entr(q, mixture)).sum(axis=-1) / 2


def kullback_leibler(without: Rows, kept: Rows, alpha: float) -> Values:
    """KL(p_without || p_kept) in nats, `alpha` pseudo-counts shared over the union support.

    It tends to the true divergence as draws grow. Where the sentence rules out an answer of
    probability p that is infinite, and the value grows by p nats whenever the draws grow e-fold.
    """
    support = (without + kept) > 0
    share = support * (alpha / np.maximum(support.sum(axis=-1, keepdims=True), 1))
    p, q = smoothed(without, share), smoothed(kept, share)
    return rel_entr(p, q).sum(axis=-1)


def smoothed(
    counts: Rows, share: Float[np.ndarray, "sentences answers"]
) -> Float[np.ndarray, "sentences answers"]:
    """Probabilities after adding pseudo-counts; NaN for a row without draws of its own."""
    drawn = counts.sum(axis=-1, keepdims=True) > 0
    return probabilities(np.where(drawn, counts + share, 0.0))


def accuracy(without: Rows, kept: Rows) -> Values:
    """P(correct | kept) - P(correct | without), in [-1, 1]; columns: wrong, correct.

    Positive: the sentence helps.
    """
    return probabilities(kept)[:, 1] - probabilities(without)[:, 1]


def divergence(name: Distance, alpha: float) -> Divergence:
    """The distance of that name; `alpha` is the pseudo-count mass of `kl`."""
    named: dict[Distance, Divergence] = {
        "tv": total_variation,
        "js": jensen_shannon,
        "kl": partial(kullback_leibler, alpha=alpha),
        "accuracy": accuracy,
    }
    return named[name]


def floor(
    without: Counts,
    kept: Counts,
    distance: Divergence,
    draws: int,
    rng: np.random.Generator,
    both: Counts | None = None,
) -> tuple[Values, Values]:
    """Mean and 95 % quantile of |distance| if the two rows had one distribution.

    Parametric bootstrap: both rows resampled from the pooled one, at their actual sizes; as many
    as are counted in `both` are the same rollouts in the two. NaN where a row is empty, 0 where a
    single answer was ever drawn.
    """
    shared = np.zeros_like(kept) if both is None else both
    mean, high = np.full((2, len(without)), np.nan)
    drawn = (without.sum(axis=-1) > 0) & (kept.sum(axis=-1) > 0)
    support = ((without + kept) > 0).sum(axis=-1)
    mean[drawn], high[drawn] = 0.0, 0.0
    for i in np.flatnonzero(drawn & (support > 1)):
        null = np.abs(null_distances(without[i], kept[i], distance, draws, rng, shared[i]))
        mean[i], high[i] = null.mean(), np.quantile(null, 0.95)
    return mean, high


def null_distances(
    without: Int[np.ndarray, " answers"],
    kept: Int[np.ndarray, " answers"],
    distance: Divergence,
    draws: int,
    rng: np.random.Generator,
    both: Int[np.ndarray, " answers"] | int = 0,
) -> Float[np.ndarray, " draws"]:
    """The distance between pairs of samples of the pooled distribution of at least two answers."""
    every, common = without + kept - both, int(np.sum(both))
    pooled = every[every > 0]
    shared = multinomial_counts(pooled, common, draws, rng)
    sizes = int(without.sum()) - common, int(kept.sum()) - common
    return distance(*(shared + multinomial_counts(pooled, size, draws, rng) for size in sizes))


def multinomial_counts(
    pooled: Int[np.ndarray, " answers"], size: int, draws: int, rng: np.random.Generator
) -> Int[np.ndarray, "draws answers"]:
    """Multinomial counts, one rollout at a time: the cost does not grow with the answers."""
    width, rollouts = len(pooled), np.repeat(np.arange(len(pooled)), pooled)
    picked = rollouts[rng.integers(len(rollouts), size=(draws, size))]
    flat = picked + width * np.arange(draws)[:, None]
    return np.bincount(flat.ravel(), minlength=draws * width).reshape(draws, width)


def above_floor(raw: Values, floor_mean: Values, signed: bool) -> Values:
    """The raw distance less its mean under no difference.

    Unsigned, it may be negative: less than nothing. Signed, the magnitude is reduced, at most to 0,
    and the sign stays: a difference smaller than noise alone makes shows no direction.
    """
    if signed:
        return np.sign(raw) * np.maximum(np.abs(raw) - floor_mean, 0.0)
    return raw - floor_mean


@dataclass(frozen=True)
class Contrast:
    """How the outcomes of rollouts with a sentence are compared with those without it."""

    distance: Distance
    alpha: float
    subtract_floor: bool
    floor_draws: int

    @property
    def signed(self) -> bool:
        """Only a change of accuracy has a direction."""
        return self.distance == "accuracy"

    def outcomes(self, sweep: Sequence[Rollouts]) -> "Outcomes":
        """What the distance compares."""
        return correctness(sweep) if self.signed else answers(sweep)

    def score(
        self, without: Counts, kept: Counts, rng: np.random.Generator, both: Counts | None = None
    ) -> SentenceScores:
        """The distance of each row above its noise floor, in nats or probability.

        `both` counts the rollouts that are in the two rows. Diagnostics: raw (nothing subtracted),
        floor_mean, floor_95, n_without, n_with.
        """
        measure = divergence(self.distance, self.alpha)
        raw = measure(without, kept)
        mean, high = floor(without, kept, measure, self.floor_draws, rng, both)
        diagnostics = {
            "raw": raw,
            "floor_mean": mean,
            "floor_95": high,
            "n_without": without.sum(axis=-1).astype(np.float64),
            "n_with": kept.sum(axis=-1).astype(np.float64),
        }
        score = above_floor(raw, mean, self.signed) if self.subtract_floor else raw
        return SentenceScores(score, diagnostics)


@dataclass(frozen=True, eq=False)
class Outcomes:
    """The outcome of every rollout of a sweep, as a column number; -1 where there is no rollout."""

    column: Int[np.ndarray, "boundaries draws"]
    width: int

    def count(self, keep: Bool[np.ndarray, "boundaries draws"]) -> Counts:
        """How often each outcome occurs at each boundary among the rollouts to keep."""
        n, keep = len(keep), keep & (self.column >= 0)
        flat = (self.column + self.width * np.arange(n)[:, None])[keep]
        return np.bincount(flat, minlength=n * self.width).reshape(n, self.width)


def answers(sweep: Sequence[Rollouts]) -> Outcomes:
    """Final answers, NO_ANSWER an outcome of its own."""
    names = sorted({answer for r in sweep for answer in r.answer})
    column = {answer: i for i, answer in enumerate(names)}
    rows = [np.array([column[answer] for answer in r.answer], np.int64) for r in sweep]
    return Outcomes(padded(rows, -1), max(len(names), 1))


def correctness(sweep: Sequence[Rollouts]) -> Outcomes:
    """Wrong (an answer that is missing included) in column 0, correct in column 1."""
    return Outcomes(padded([r.correct for r in sweep], -1), 2)


def headroom(sweep: Sequence[Rollouts]) -> Float[np.ndarray, " boundaries"]:
    """Entropy in nats of the answers at each boundary; NaN without rollouts."""
    found = answers(sweep)
    return entropy(found.count(found.column >= 0))


def padded(rows: Sequence[np.ndarray], fill: float | int) -> np.ndarray:
    """Rows of unlike lengths as one matrix of the type of `fill`."""
    matrix = np.full((len(rows), max(map(len, rows), default=0)), fill)
    for i, row in enumerate(rows):
        matrix[i, : len(row)] = row
    return matrix


def sweep(evidence: Evidence, arm: str, boundaries: int) -> list[Rollouts]:
    """The rollouts of an arm at boundaries 0, 1, …; none where none were gathered."""
    none = Rollouts(np.zeros(0, np.int64), (), np.zeros(0, np.bool_), ())
    return [evidence.rollouts.get((arm, k), none) for k in range(boundaries)]


def generator(name: str, sweep: Sequence[Rollouts]) -> np.random.Generator:
    """Random numbers that depend on a name and on which draws are used, not on their order.

    So a half sample gets a bootstrap of its own, and the same evidence always the same one.
    """
    digest = hashlib.blake2b(name.encode(), digest_size=16)
    for rollouts in sweep:
        digest.update(len(rollouts).to_bytes(8, "little"))
        digest.update(np.sort(rollouts.draw).astype("<i8").tobytes())
    return np.random.default_rng(int.from_bytes(digest.digest(), "little"))
