"""What may be said of two methods: one of eight verdicts, and what it would take to reach one."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from statistics import NormalDist

import numpy as np
from jaxtyping import Float

from harness.agreement.settings import Thresholds

TOO_FEW = "too few problems"
UNDECIDED = "undecided"


@dataclass(frozen=True)
class Correlated:
    """What a verdict rests on of one correlation; NaN = undefined.

    `bounds` are those of the disattenuated value, `within` the same at the level of two one-sided
    tests.
    """

    value: float
    q: float
    bounds: tuple[float, float]
    within: tuple[float, float]

    def significant(self, sign: int, alpha: float) -> bool:
        """Whether it differs from 0, on this side of it."""
        return self.q < alpha and sign * self.value > 0

    def inside(self, most: float) -> bool:
        """Whether it is bounded on both sides."""
        return self.within[0] > -most and self.within[1] < most


def verdict(spearman: Correlated, topdown: Correlated, ceiling: float, conf: Thresholds) -> str:
    """The first that holds; an undefined number never makes one hold.

    `ceiling` is that of topdown. Unrelated comes before the directions: a significant trifle is not
    opposed.
    """
    both = (spearman, topdown)
    up, down = ([c.significant(sign, conf.alpha) for c in both] for sign in (1, -1))
    holds: Mapping[str, bool] = {
        "unreliable": ceiling < conf.unreliable,
        "unrelated": all(c.inside(conf.unrelated) for c in both),
        "same": spearman.bounds[0] > conf.same_spearman and topdown.bounds[0] > conf.same_topdown,
        "opposed": any(down) and not any(up),
        "different": topdown.bounds[1] < conf.different,
        "overlapping": up[1],
    }
    return next((name for name, holding in holds.items() if holding), UNDECIDED)


@dataclass(frozen=True, eq=False)
class Seen:
    """A correlation by problem, as seen and free of noise; the latter empty where undefined."""

    values: Float[np.ndarray, " problems"]
    disattenuated: Float[np.ndarray, " corrected"]


def n_problems_needed(spearman: Seen, topdown: Seen, conf: Thresholds) -> int | None:
    """Problems at which a verdict would be reached with the given power, if what is seen is true.

    The fewest over the verdicts; one that takes two tests takes the more of both. Normal
    approximation; None where no verdict would ever be reached.
    """
    z = NormalDist().inv_cdf
    power, side = z(conf.power), z(1 - conf.alpha / 2)
    # at 0 both one-sided tests can fail, away from it only one does
    inside = z(1 - conf.alpha) + z((1 + conf.power) / 2)
    pure = topdown.disattenuated
    both = ((spearman, conf.same_spearman), (topdown, conf.same_topdown))
    routes = [
        [_needed(topdown.values, abs(_mean(topdown.values)), side + power)],
        [_needed(spearman.values, -_mean(spearman.values), side + power)],
        [_needed(pure, conf.different - _mean(pure), side + power)],
        [_needed(c.disattenuated, _mean(c.disattenuated) - least, side + power)
         for c, least in both],
        [_needed(c.disattenuated, conf.unrelated - abs(_mean(c.disattenuated)), inside)
         for c, _ in both],
    ]  # fmt: skip
    known = [max(n for n in route if n) for route in routes if all(route)]
    return min(known, default=None)


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else np.nan


def _needed(values: np.ndarray, distance: float, reach: float) -> int | None:
    if len(values) < 2 or not distance > 0:
        return None
    return max(1, ceil((reach * float(np.std(values, ddof=1)) / distance) ** 2))
