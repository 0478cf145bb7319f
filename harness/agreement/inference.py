"""From one number a problem to an interval and a p-value: the units are problems, not sentences."""

from functools import lru_cache

import numpy as np
from jaxtyping import Float
from scipy import stats

from harness.agreement.settings import Agreement

Means = Float[np.ndarray, " problems"]
Draws = Float[np.ndarray, " draws"]


def interval(values: Means, conf: Agreement) -> tuple[float, float]:
    """Confidence interval of the mean over problems; (NaN, NaN) where there are too few.

    BCa bootstrap over problems (Efron 1987) from `min_problems_bca` up, Student's t below.
    """
    n = len(values)
    if n < conf.min_problems_interval:
        return np.nan, np.nan
    if np.ptp(values) < 1e-12:
        return float(values.mean()), float(values.mean())
    if n < conf.min_problems_bca:
        reach = stats.t.ppf((1 + conf.confidence) / 2, n - 1) * stats.sem(values)
        return float(values.mean() - reach), float(values.mean() + reach)
    draws = _resamples(n, conf.draws, conf.seed) @ values
    jackknife = (values.sum() - values) / (n - 1)
    return bca(float(values.mean()), draws, jackknife, conf.confidence)


def bca(value: float, draws: Draws, jackknife: Means, confidence: float) -> tuple[float, float]:
    """Bias-corrected and accelerated interval from bootstrap draws and leave-one-out values."""
    below = ((draws < value).mean() + (draws <= value).mean()) / 2
    bias = stats.norm.ppf(below)
    away = jackknife.mean() - jackknife
    skew = (away**3).sum() / (6 * (away**2).sum() ** 1.5)
    z = bias + stats.norm.ppf([(1 - confidence) / 2, (1 + confidence) / 2])
    low, high = np.quantile(draws, stats.norm.cdf(bias + z / (1 - skew * z)))
    return float(low), float(high)


@lru_cache(maxsize=8)
def _resamples(n: int, draws: int, seed: int) -> Float[np.ndarray, "draws problems"]:
    """Weights of n problems in each resample, the same for every pair that has n."""
    counts = np.random.default_rng([seed, n]).multinomial(n, np.full(n, 1 / n), size=draws)
    return counts / n


@lru_cache(maxsize=8)
def signs(n: int, draws: int, seed: int) -> Float[np.ndarray, "flips problems"]:
    """Sign flips of n problems, shared by all pairs: every one if they are few, else at random."""
    if 2**n <= draws:
        return 1.0 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
    random = np.random.default_rng([seed, n, 1]).integers(0, 2, (draws, n))
    # the flip that changes nothing stands for what was observed: p is never 0
    return np.concatenate([np.ones((1, n)), 1.0 - 2 * random])


def sign_flip(
    values: Float[np.ndarray, " problems"], flips: Float[np.ndarray, "flips problems"]
) -> float:
    """Two-sided p-value of mean 0 if each problem's value is as likely as its opposite.

    NaN values are left out: a flip's sum then runs over the same problems as what was observed.
    """
    known = np.nan_to_num(values, nan=0.0)
    return float((np.abs(flips @ known) >= abs(known.sum()) - 1e-12).mean())
