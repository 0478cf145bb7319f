"""nHSIC a token, fast and straight from its definition, in one run, each on one BLAS thread.

`pytest tests/benchmarks/test_mi_bench.py --benchmark-enable`; extra_info has ms a token.
"""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from harness.statistics.hsic import nhsic

SIGMA, EPSILON = 50.0, 1e-5


def states(rows, width, outliers=0):
    rng = np.random.default_rng(width)
    x = rng.normal(size=(rows, width)) * 3
    x[:, :outliers] += rng.normal(size=(rows, outliers)) * 3000
    return x.astype(np.float32)


def plain(x, y):
    """tr(R_x R_y) with every d × d matrix written out; R_y is made once for all tokens."""
    width = x.shape[1]
    centring = np.eye(width) - 1 / width

    def smoother(v):
        v = v.astype(np.float64)
        kc = np.exp(-((v[:, None] - v) ** 2) / (2 * SIGMA**2)) @ centring
        return kc @ np.linalg.inv(kc + EPSILON * width * np.eye(width))

    right = [smoother(v).T for v in y]
    return np.array([[np.sum(left * r) for r in right] for left in map(smoother, x)])


@pytest.mark.parametrize("outliers", [0, 8])
@pytest.mark.parametrize("golds", [1, 21])
@pytest.mark.parametrize("width", [576, 4096])
def test_fast(benchmark, width, golds, outliers):
    tokens = 100_000 // width
    x, y = states(tokens, width, outliers), states(golds, width, outliers)
    value = benchmark(nhsic, x, y, SIGMA, EPSILON)
    assert np.isfinite(value).all()
    if benchmark.enabled:
        benchmark.extra_info["ms_a_token"] = benchmark.stats.stats.median * 1e3 / tokens


def test_plain(benchmark):
    x, y = states(8, 576), states(1, 576)
    with threadpool_limits(limits=1, user_api="blas"):
        value = benchmark.pedantic(plain, (x, y), rounds=3)
    assert np.abs(value - nhsic(x, y, SIGMA, EPSILON)).max() < 1e-6
    if benchmark.enabled:
        benchmark.extra_info["ms_a_token"] = benchmark.stats.stats.median * 1e3 / 8
