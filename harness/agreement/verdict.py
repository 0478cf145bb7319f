"""What may be said of two methods: one of seven verdicts, and what it would take to reach one."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from statistics import NormalDist

import numpy as np

from harness.agreement.settings import Thresholds

TOO_FEW = "too few problems"
UNDECIDED = "undecided"


@dataclass(frozen=True)
class Findings:
    """What a verdict rests on; NaN = undefined.

    `low_topk` and `low_spearman` are lower bounds of the scaled top-k overlap and of the
    disattenuated Spearman; `within` bounds the latter at the level of two one-sided tests.
    """

    value: float
    q: float
    ceiling: float
    low_topk: float
    low_spearman: float
    within: tuple[float, float]


def verdict(found: Findings, conf: Thresholds) -> str:
    """The first that holds: unreliable, same, opposed, unrelated, overlapping, undecided.

    An undefined number never makes one hold.
    """
    significant = found.q < conf.alpha
    low, high = found.within
    holds: Mapping[str, bool] = {
        "unreliable": found.ceiling < conf.unreliable,
        "same": found.low_topk > conf.same_topk and found.low_spearman > conf.same_spearman,
        "opposed": significant and found.value < 0,
        "unrelated": low > -conf.unrelated and high < conf.unrelated,
        "overlapping": significant and found.value > 0,
    }
    return next((name for name, holding in holds.items() if holding), UNDECIDED)


def n_problems_needed(
    values: np.ndarray, disattenuated: np.ndarray, conf: Thresholds
) -> int | None:
    """Problems at which either test would decide at the given power, if what is seen is the truth.

    `values` and `disattenuated` are one a problem: the first are tested against 0, two-sided, the
    second against the bounds of `unrelated`. Normal approximation; None where neither ever would.
    """
    z = NormalDist().inv_cdf
    tested = z(1 - conf.alpha / 2) + z(conf.power)
    left = conf.unrelated - abs(_mean(disattenuated))
    # at 0 both one-sided tests can fail, away from it only one does
    bounded = z(1 - conf.alpha) + z((1 + conf.power) / 2)
    needed = [
        _needed(values, abs(_mean(values)), tested),
        _needed(disattenuated, left, bounded),
    ]
    known = [n for n in needed if n is not None]
    return min(known, default=None)


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else np.nan


def _needed(values: np.ndarray, distance: float, reach: float) -> int | None:
    if len(values) < 2 or not distance > 0:
        return None
    return ceil((reach * float(np.std(values, ddof=1)) / distance) ** 2)
