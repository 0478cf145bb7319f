"""Where along a trace P(correct) jumps: bisection of its tokens, and what is known of them.

Position p is behind the first p tokens of a trace. Token t lies between the positions t and t + 1.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from harness.core import Rollouts

WHOLE, WITHIN = "resample", "pivotal_"  # arms at boundaries, and by how many tokens lie before


@dataclass(frozen=True)
class Place:
    """A boundary, and the tokens of the next sentence that are kept behind it."""

    boundary: int
    skip: int

    @property
    def arm(self) -> str:
        """The arm of the rollouts from there: an arm has one `skip` a boundary."""
        return WHOLE if self.skip == 0 else f"{WITHIN}{self.skip}"


@dataclass(frozen=True)
class Share:
    """How many of `n` rollouts end right."""

    right: int
    n: int

    @property
    def value(self) -> float:
        """P(correct)."""
        return self.right / self.n

    def interval(self, confidence: float) -> tuple[float, float]:
        """Wilson's interval."""
        z2, n = float(norm.ppf((1 + confidence) / 2)) ** 2, self.n
        middle = (self.right + z2 / 2) / (n + z2)
        reach = np.sqrt(z2 * (self.right * (n - self.right) / n + z2 / 4)) / (n + z2)
        return float(middle - reach), float(middle + reach)


def place(stops: Sequence[int], position: int) -> Place:
    """Where a position lies; `stops` are the positions of the boundaries, in order."""
    boundary = bisect_right(stops, position) - 1
    return Place(boundary, position - stops[boundary])


def known(stops: Sequence[int], rollouts: Mapping[tuple[str, int], Rollouts]) -> dict[int, Share]:
    """P(correct) at every position that has rollouts."""
    found: dict[int, Share] = {}
    for (arm, boundary), drawn in rollouts.items():
        within = arm.removeprefix(WITHIN) if arm.startswith(WITHIN) else ""
        skip = 0 if arm == WHOLE else int(within) if within.isdigit() else None
        if skip is not None and len(drawn):
            found[stops[boundary] + skip] = Share(int(drawn.correct.sum()), len(drawn))
    return found


def visited(
    low: int, high: int, shares: Mapping[int, Share], threshold: float, confidence: float
) -> Iterator[int]:
    """The positions that a bisection of [low, high) rests on, as far as `shares` tell.

    A stretch is halved where its ends differ by `threshold`, and where they do not but neither lies
    within the interval of its middle: a jump that is mended later shows there alone.
    """
    yield low
    yield high
    middle = (low + high) // 2
    if high - low < 2:
        return
    yield middle
    a, m, b = (shares.get(p) for p in (low, middle, high))
    if a is None or m is None or b is None:
        return
    least, most = m.interval(confidence)
    mended = all(not least <= end.value <= most for end in (a, b))
    if mended or _apart(a, b) >= threshold:
        yield from visited(low, middle, shares, threshold, confidence)
        yield from visited(middle, high, shares, threshold, confidence)


def jumps(shares: Mapping[int, Share]) -> dict[int, float]:
    """The change of P(correct) across each token with a position known on either side."""
    return {p: shares[p + 1].value - share.value for p, share in shares.items() if p + 1 in shares}


def _apart(a: Share, b: Share) -> float:
    # shares of equal n that differ by exactly the threshold must not fail it by rounding
    return round(abs(b.value - a.value), 12)
