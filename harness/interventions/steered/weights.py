"""Rollouts as if their first sentences had been drawn under another condition."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from harness.core import PLAIN, Condition, Rollouts


@dataclass(frozen=True, eq=False)
class Weighted:
    """How likely each draw is under a condition over how likely it was; NaN draws weigh nothing.

    `share` is the effective share of the draws, (Σ w)² / (n Σ w²): 1 where all weigh alike.
    """

    weight: Float[np.ndarray, " draws"]
    right: Float[np.ndarray, " draws"]
    openings: tuple[str, ...]

    @property
    def share(self) -> float:
        """The effective share of the draws; NaN without any."""
        total = float((self.weight**2).sum())
        return float(self.weight.sum() ** 2 / (len(self.weight) * total)) if total else np.nan

    @property
    def correct(self) -> float:
        """P(correct): the draws' mean, moved by mean (w − 1)(correct − mean); NaN without any."""
        if not len(self.right):
            return np.nan
        mean = self.right.mean()
        return float(mean + ((self.weight - 1) * (self.right - mean)).mean())

    def overlap(self, other: "Weighted") -> float:
        """1 − total variation of how both open the sentence; NaN where one has no weight."""
        mine, theirs = self.shares(), other.shares()
        if not mine or not theirs:
            return np.nan
        return sum(min(mine.get(name, 0.0), theirs.get(name, 0.0)) for name in {*mine, *theirs})

    def shares(self) -> dict[str, float]:
        """The probability of each opening."""
        total, found = float(self.weight.sum()), dict[str, float]()
        if total > 0:
            for opening, weight in zip(self.openings, self.weight, strict=True):
                found[opening] = found.get(opening, 0.0) + float(weight) / total
        return found


def weighted(rollouts: Rollouts, condition: Condition, words: int) -> Weighted:
    """The draws of an arm under a condition for which their log p was read, as that of PLAIN was.

    An opening is the first so many words of the first sentence.
    """
    with np.errstate(invalid="ignore"):
        weight = np.exp(rollouts.sampled[condition] - rollouts.sampled[PLAIN])
    openings = tuple(" ".join(text.split()[:words]) for text in rollouts.first_sentence)
    right = rollouts.correct.astype(np.float64)
    return Weighted(np.nan_to_num(weight, nan=0.0), right, openings)
