"""From one number a problem to intervals and p-values: the units are problems, not sentences."""

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int8
from scipy.special import ndtr, ndtri, stdtr, stdtrit  # scipy.stats takes a second to import

from harness.agreement.settings import Agreement

Means = Float[np.ndarray, " problems"]
Rows = Float[np.ndarray, "rows problems"]
Parts = Float[np.ndarray, "parts rows problems"]
Combine = Callable[[np.ndarray], np.ndarray]

ROWS = 128  # inferred at once: what their draws take stays small beside the scores
FLIPS = 512  # sign flips made into numbers at once
TIE = 1e-6  # relative: a flip that only rounding tells from what was observed
LEAST = 1e-9  # of the variance that a t statistic is divided by, as a share of the squares


def interval(values: Means, conf: Agreement) -> tuple[float, float]:
    """Confidence interval of the mean over problems; (NaN, NaN) where there are too few.

    BCa bootstrap over problems (Efron 1987), widened for few problems (Hesterberg 2015), from
    `min_problems_bca` up, Student's t below.
    """
    bounds = estimate(values[None, None], mean, [conf.confidence], conf)[1]
    return float(bounds[0, 0, 0]), float(bounds[0, 0, 1])


def mean(parts: np.ndarray) -> np.ndarray:
    """The first part as it is."""
    return parts[0]


def estimate(
    parts: Parts,
    combine: Combine,
    levels: Sequence[float],
    conf: Agreement,
    weights: Rows | None = None,
) -> tuple[Float[np.ndarray, " rows"], Float[np.ndarray, "levels rows 2"]]:
    """What `combine` makes of the parts' means over problems, and its intervals at some levels.

    A problem counts in a row where all parts are defined, by its weight, or all alike. The problems
    are drawn, not the parts: an interval is that of the whole expression, and there is none where
    the expression is undefined without one of the problems. Below 20 problems it is Student's t
    around the jackknife's standard error, which for a mean is the usual one.
    """
    even = np.ones(parts.shape[1:]) if weights is None else weights
    chunks = [
        _estimate(parts[:, i : i + ROWS], even[i : i + ROWS], combine, levels, conf)
        for i in range(0, parts.shape[1], ROWS)
    ]
    empty = np.empty(0), np.empty((len(levels), 0, 2))
    values, bounds = zip(empty, *chunks, strict=True)
    return np.concatenate(values), np.concatenate(bounds, axis=1)


def _estimate(
    parts: Parts, weights: Rows, combine: Combine, levels: Sequence[float], conf: Agreement
) -> tuple[np.ndarray, np.ndarray]:
    known = np.logical_and.reduce(np.isfinite(parts))
    mass, n = np.where(known, weights, 0.0), known.sum(1)
    parts = np.where(known, parts, 0.0) * mass
    with np.errstate(divide="ignore", invalid="ignore"):
        total = parts.sum(-1)
        value = combine(total / mass.sum(1))
        without = combine((total[..., None] - parts) / (mass.sum(1)[:, None] - mass))
        draws = _draws(parts, mass, combine, conf) if (n >= conf.min_problems_bca).any() else None
    bounds = np.full((len(levels), len(n), 2), np.nan)
    for row in np.flatnonzero((n >= conf.min_problems_interval) & np.isfinite(value)):
        left = without[row, known[row]]
        if not np.isfinite(left).all():
            continue
        for i, level in enumerate(levels):
            if np.ptp(left) < 1e-12:
                bounds[i, row] = value[row]
            elif draws is None or n[row] < conf.min_problems_bca:
                bounds[i, row] = _student(float(value[row]), left, level)
            else:
                reach = _widened(int(n[row]), level)
                bounds[i, row] = bca(float(value[row]), draws[:, row], left, reach)
    return value, bounds


def _draws(
    parts: Parts, mass: Rows, combine: Combine, conf: Agreement
) -> Float[np.ndarray, "draws rows"]:
    """The expression in each resample of the problems, one matrix product a part."""
    drawn = _resamples(mass.shape[1], conf.draws, conf.seed)
    return combine(np.stack([drawn @ part.T for part in parts]) / (drawn @ mass.T))


def _student(value: float, jackknife: Means, level: float) -> tuple[float, float]:
    n = len(jackknife)
    error = np.sqrt((n - 1) / n * ((jackknife - jackknife.mean()) ** 2).sum())
    reach = stdtrit(n - 1, (1 + level) / 2) * error
    return value - reach, value + reach


@lru_cache(maxsize=256)
def _widened(n: int, level: float) -> float:
    """How far a bootstrap interval of n problems reaches, in standard deviations of its draws.

    Draws vary by (n - 1) / n of what they stand for and take their own spread for known; Student's
    t and that factor make up for both (Hesterberg 2015, "What Teachers Should Know About the
    Bootstrap"). Without it 30 problems of unlike lengths are covered .91 of the time.
    """
    return float(np.sqrt(n / (n - 1)) * stdtrit(n - 1, (1 + level) / 2))


def bca(
    value: float, draws: Float[np.ndarray, " draws"], jackknife: Means, reach: float
) -> tuple[float, float]:
    """Bias-corrected and accelerated interval from bootstrap draws and leave-one-out values.

    It reaches as many standard deviations to either side as `reach` says, 1.96 for 95 % of a normal
    distribution. Draws in which the expression is undefined are left out.
    """
    draws = np.sort(draws[np.isfinite(draws)])
    below = np.searchsorted(draws, [value, np.nextafter(value, np.inf)]).mean() / len(draws)
    bias = ndtri(np.clip(below, 0.5 / len(draws), 1 - 0.5 / len(draws)))
    away = jackknife.mean() - jackknife
    skew = (away**3).sum() / (6 * (away**2).sum() ** 1.5)
    z = bias + np.array([-reach, reach])
    place = ndtr(bias + z / (1 - skew * z)) * (len(draws) - 1)
    low, high = np.interp(place, np.arange(len(draws)), draws)  # np.quantile of what is sorted
    return float(low), float(high)


@lru_cache(maxsize=2)
def _resamples(n: int, draws: int, seed: int) -> Float[np.ndarray, "draws problems"]:
    """Weights of n problems in each resample, the same for all rows."""
    counts = np.random.default_rng([seed, n]).multinomial(n, np.full(n, 1 / n), size=draws)
    return counts / n


@lru_cache(maxsize=2)
def signs(n: int, flips: int, seed: int) -> Int8[np.ndarray, "flips problems"]:
    """Sign flips of n problems, shared by all rows: every one if they are few, else at random."""
    if 2**n <= flips:
        return (1 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)).astype(np.int8)
    random = np.random.default_rng([seed, n, 1]).integers(0, 2, (flips, n), dtype=np.int8)
    # the flip that changes nothing stands for what was observed: p is never 0
    return np.concatenate([np.ones((1, n), np.int8), 1 - 2 * random])


def flipped(
    values: Rows, flips: Int8[np.ndarray, "flips problems"]
) -> Float[np.ndarray, "flips rows"]:
    """|t| of each row under each flip of its problems; the observed comes first.

    NaN values are left out: a flip's sum then runs over the same problems as what was observed.
    """
    known, n = np.nan_to_num(values, nan=0.0), np.isfinite(values).sum(1)
    length = np.sqrt((known**2).sum(1) * n)
    with np.errstate(divide="ignore", invalid="ignore"):
        unit = (known / length[:, None]).T
        parts = (flips[i : i + FLIPS] for i in range(0, len(flips), FLIPS))
        share = np.abs(np.concatenate([part.astype(np.float64) @ unit for part in parts]))
        return share * np.sqrt((n - 1) / np.maximum(1 - share**2, LEAST))


def sign_flip(t: Float[np.ndarray, "flips rows"]) -> Float[np.ndarray, " rows"]:
    """Two-sided p of mean 0 in each row, if a problem's value is as likely as its opposite."""
    p = (t >= t[0] * (1 - TIE)).mean(0)
    return np.where(np.isfinite(t[0]), p, np.nan)


def max_t(t: Float[np.ndarray, "flips rows"]) -> Float[np.ndarray, " rows"]:
    """The same against the largest |t| of all rows under each flip (Westfall and Young 1993)."""
    if not np.isfinite(t[0]).any():
        return np.full(t.shape[1], np.nan)
    most = np.nanmax(np.where(np.isfinite(t), t, np.nan), axis=1, keepdims=True)
    p = (most >= t[0] * (1 - TIE)).mean(0)
    return np.where(np.isfinite(t[0]), p, np.nan)


def student(values: Rows) -> Float[np.ndarray, " rows"]:
    """Two-sided p of Student's t over the problems of each row; NaN below two problems."""
    n = np.isfinite(values).sum(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        center = np.nansum(values, 1) / n
        spread = np.sqrt(np.nansum((values - center[:, None]) ** 2, 1) / (n - 1) / n)
        return np.where(n > 1, 2 * stdtr(n - 1, -np.abs(center / spread)), np.nan)


def benjamini_hochberg(p: Float[np.ndarray, " rows"]) -> Float[np.ndarray, " rows"]:
    """False discovery rate at which each test would be a finding; NaN is no test."""
    tests = np.flatnonzero(np.isfinite(p))
    order = tests[np.argsort(p[tests])]
    stepped = p[order] * len(order) / np.arange(1, len(order) + 1)
    q = np.full(len(p), np.nan)
    q[order] = np.minimum(np.minimum.accumulate(stepped[::-1])[::-1], 1.0)
    return q
